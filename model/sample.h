#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/time.h"

namespace holdfast {

/// How the values of a series behave in time.
enum class SeriesType : std::uint8_t {
    gauge = 0,    ///< any value at any time
    counter = 1,  ///< only rises; a fall is a restart from zero
};

using Labels = std::map<std::string, std::string>;

/// A metric name with labels. The name ends in the base unit of the values: `_seconds`, `_bytes`,
/// `_ratio`, or `_total` for a counter (Prometheus naming practices). `type` is no part of the
/// identity: two series with the same metric and labels are the same series.
struct Series {
    std::string metric;
    Labels labels;
    SeriesType type = SeriesType::gauge;
};

/// `metric{a="1",b="2"}`, or `metric` without labels: the identity of a series as text, escaped as
/// in the Prometheus text format 0.0.4.
std::string to_string(const Series& series);

/// One value of one series. A sample that could not be taken is absent, never zero.
struct Sample {
    std::shared_ptr<const Series> series;  ///< made once by its collector, shared by its samples
    Timestamp at;
    double value;
};

/// What one collector read at one instant: one row of the store.
struct Reading {
    /// Identity of the incarnation that counters count in: a boot, a process. Counters of two
    /// readings are compared only when their epochs are equal; otherwise there is a gap, not a
    /// rate.
    std::uint64_t epoch = 0;
    std::vector<Sample> samples;
};

}  // namespace holdfast
