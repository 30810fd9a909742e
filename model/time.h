#pragma once
#include <chrono>

namespace holdfast {

using Milliseconds = std::chrono::milliseconds;

/// UTC wall-clock instant at millisecond resolution, the resolution of the store and of Prometheus.
using Timestamp = std::chrono::sys_time<Milliseconds>;

/// Half-open interval [begin, end).
struct Window {
    Timestamp begin;
    Timestamp end;

    bool contains(Timestamp at) const { return begin <= at && at < end; }
    Milliseconds length() const { return end - begin; }
    bool operator==(const Window&) const = default;
};

}  // namespace holdfast
