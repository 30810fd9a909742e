#pragma once
#include <cstdint>

#include "model/time.h"

namespace holdfast::daemon {

/// The next start of a periodic task.
struct Slot {
    Timestamp at;
    std::uint64_t missed;  ///< whole intervals skipped since `previous`; exported as a counter
};

/// Next slot after `now` on the grid `previous + k * interval`. A late task skips slots, it never
/// bunches up.
constexpr Slot next_slot(Timestamp previous, Timestamp now, Milliseconds interval) {
    const auto late = now < previous ? 0 : (now - previous) / interval;
    return {previous + (late + 1) * interval, static_cast<std::uint64_t>(late)};
}

/// The last slot at or before `now` on the grid of `interval` from the epoch: tasks of one interval
/// run together, and their rows are one write.
constexpr Timestamp grid_before(Timestamp now, Milliseconds interval) {
    return Timestamp{now.time_since_epoch() / interval * interval};
}

}  // namespace holdfast::daemon
