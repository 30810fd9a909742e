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
    Milliseconds slot_length() const { return slot_length_; }
    Milliseconds cycle() const { return cycle_; }

    /// For people: `Tuesday 09:00`, `09:00`, `day 2 09:00`, `second 20 of the cycle`.
    std::string describe_slot(std::size_t slot) const;

private:
    std::int64_t local_ms(Timestamp at) const;
    bool whole_days() const { return days_ > 0; }

    Milliseconds cycle_;
    UtcOffsets offsets_;
    std::int64_t days_ = 0;  ///< of a cycle of whole days, else 0
    Milliseconds slot_length_;
    std::size_t slots_ = 1;
};

/// Offset of local time from UTC at `at`.
std::chrono::seconds offset_at(const UtcOffsets& offsets, Timestamp at);

/// Length of the cells that a cycle is judged in: 5 min, shorter for cycles under 5 h, at least
/// 1 s and at least `step`.
Milliseconds cell_length(Milliseconds cycle, Milliseconds step);

}  // namespace holdfast::rules
