#pragma once
#include <string>
#include <string_view>

#include "model/time.h"

namespace holdfast::rules {

/// `value` of the quantity `name` for people, in the unit that the name ends in:
/// `cpu_busy_ratio` 0.314 → `31.4 %`; `probe_latency_seconds` 0.0123 → `12.3 ms`; `…_bytes` →
/// `1.5 GiB`; `…_bytes_per_second`, `…_per_second`; any other name → the bare number.
std::string in_words(std::string_view name, double value);

/// `2 d 3 h`, `45 min`, `12 s`, `250 ms`: the two largest units that are not zero.
std::string in_words(Milliseconds duration);

/// The same as a person would estimate it: in days, below two of them in hours, below two of them
/// in minutes.
std::string roughly_in_words(Milliseconds duration);

/// A difference of two values of the quantity `name`: shares in points, `0.13` → `13 points`; all
/// else as the value itself.
std::string difference_in_words(std::string_view name, double value);

/// `13 points a day`, `1.5 GiB a day`. What goes on for less than six hours is told by the hour:
/// `left` is for how long.
std::string pace_in_words(std::string_view name, double per_day,
                          Milliseconds left = Milliseconds::max());

/// `2026-11-24T09:30:00Z`, with milliseconds where there are any.
std::string in_words(Timestamp at);

}  // namespace holdfast::rules
