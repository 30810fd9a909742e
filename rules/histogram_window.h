#pragma once
#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "model/time.h"

namespace holdfast::rules {

/// The observations of a histogram's buckets in a sliding window of time: what quantiles are taken
/// of. A bucket counts all that is at most its upper bound, as a Prometheus classic histogram does;
/// increases of several series of one bound add up. Memory: 8 bytes per bucket and reading of the
/// window.
class HistogramWindow {
public:
    static constexpr std::size_t buckets_max = 512;
    static constexpr std::size_t readings_max = 4096;  ///< then the oldest are forgotten early

    explicit HistogramWindow(Milliseconds window) : window_{window} {}

    /// The bucket with this upper bound, infinity included; nothing where there are too many.
    std::optional<std::size_t> bucket(double upper_bound);
    /// Adds to the reading that is being taken. A bucket that was opened by bucket().
    void add(std::size_t bucket, double increase);
    /// Ends the reading. One that is not usable (a counter began anew) is as if it had not been.
    /// Returns how many observations the reading had.
    double end_reading(Timestamp at, bool usable);

    /// The quantile `share` of the window, 0..1, in the unit of the bounds. Observations are taken
    /// as spread evenly in their bucket, from 0 or the bound below on; above the highest bound that
    /// is finite it is that bound (Prometheus, `histogram_quantile`). Nothing where it is that of
    /// fewer than 1/(1 - share) observations: it would be their maximum.
    std::optional<double> quantile(double share) const;

private:
    struct Bucket {
        double upper_bound;
        std::size_t place;  ///< in the counts of a reading
    };
    struct Counts {
        Timestamp at;
        std::vector<double> by_place;  ///< shorter than the buckets that came later
    };
    double of_window(std::size_t place) const;

    Milliseconds window_;
    std::vector<Bucket> buckets_;  ///< by upper bound
    std::vector<double> reading_;
    std::deque<Counts> readings_;
};

}  // namespace holdfast::rules
