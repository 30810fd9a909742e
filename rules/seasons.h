#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "model/baseline.h"
#include "model/time.h"

namespace holdfast::rules {

/// Where in the business cycle an instant lies. Cycles of whole days run in local time (a week
/// begins on Monday) and have a slot per hour; others run in UTC from the epoch: a slot per hour
/// from a day up, six slots below. The hour that a clock change repeats belongs to no slot.
class SeasonClock {
public:
    /// `cycle` > 0.
    SeasonClock(Milliseconds cycle, UtcOffsets offsets);

    std::size_t slots() const { return slots_; }
    /// Slot of `at`, or nothing in an hour that occurs twice.
    std::optional<std::size_t> slot(Timestamp at) const;
    /// Which slots occur in `window`: after a clock change a week may lack one.
    std::vector<bool> slots_in(const Window& window) const;
    /// Number of the cycle, and of the day (or cycle where it is shorter), that `at` lies in.
    std::int64_t cycle_number(Timestamp at) const;
    std::int64_t day_number(Timestamp at) const;
    Milliseconds slot_length() const { return slot_length_; }
    Milliseconds cycle() const { return cycle_; }

    /// Levels that this cycle has, finest first; the last is `all`.
    std::vector<SeasonLevel> levels() const;
    std::size_t seasons(SeasonLevel level) const;
    /// Season at `level` that holds `slot`.
    std::size_t season(SeasonLevel level, std::size_t slot) const;
    /// For people: `Tuesday 09:00`, `working days 09:00`, `09:00`, `second 20 of the cycle`.
    std::string describe(SeasonLevel level, std::size_t season) const;
    std::string describe_slot(std::size_t slot) const { return describe(SeasonLevel::slot, slot); }

private:
    std::int64_t local_ms(Timestamp at) const;
    bool whole_days() const { return days_ > 0; }

    Milliseconds cycle_;
    UtcOffsets offsets_;
    std::int64_t days_ = 0;  ///< of a cycle of whole days, else 0
    Milliseconds slot_length_;
    std::size_t slots_ = 1;
};

/// Length of the blocks that a cycle is judged in: 5 min, shorter for cycles under 5 h, at least
/// 1 s and at least `step`.
Milliseconds block_length(Milliseconds cycle, Milliseconds step);

}  // namespace holdfast::rules
