#pragma once
#include <cstddef>

#include "model/baseline.h"
#include "model/time.h"

namespace holdfast::rules {

/// The periods that behaviour repeats in, in the target's local time. Everything that is said in
/// hours below is said in 24ths of `day`: a demo's cycle of a minute has a day of a minute.
struct Rhythm {
    Milliseconds day{std::chrono::hours{24}};  ///< the cycle, where it is shorter than 24 h
    Milliseconds cycle{std::chrono::hours{24 * 7}};
    UtcOffsets offsets;

    /// Days of people: incidents of hours and levels that differ from day to day come with them.
    bool has_days() const { return day >= std::chrono::hours{24}; }

    static Rhythm of(Milliseconds cycle, UtcOffsets offsets);

    double hours(Milliseconds length) const {
        return 24.0 * static_cast<double>(length.count()) / static_cast<double>(day.count());
    }
    Milliseconds hour() const { return std::max(Milliseconds{1}, day / 24); }
    /// Milliseconds of local time since a Monday 00:00 (since the epoch where days are shorter).
    std::int64_t local_ms(Timestamp at) const;
    /// Where in the day and in the cycle `at` lies, 0..1.
    double day_phase(Timestamp at) const;
    double cycle_phase(Timestamp at) const;
};

/// A regular series: value i covers [begin + i step, begin + (i + 1) step).
struct Grid {
    Timestamp begin{};
    Milliseconds step{};
    std::size_t size = 0;

    Timestamp at(std::size_t i) const { return begin + static_cast<std::int64_t>(i) * step; }
    Timestamp end() const { return at(size); }
};

}  // namespace holdfast::rules
