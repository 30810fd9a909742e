#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "model/baseline.h"
#include "rules/blocks.h"
#include "rules/seasons.h"

namespace holdfast::rules {

/// Learns what one signal usually does, from its points in time order. Memory: one record per slot
/// of the cycle and occurrence (28 days of hours: 43 KiB), whatever the number of points.
///
/// Level and scale (docs/statistics.md): the season level is the one whose means, learnt from the
/// other cycles, predict the left-out cycle best; a finer one must win by 5 %. The predictive
/// variance V(h) is measured on the same left-out residuals at block, slot, day and cycle length.
class SignalLearner {
public:
    SignalLearner(SignalId signal, Kind kind, const SeasonClock& clock, Milliseconds block);

    void add(const Point& point);
    /// Nothing when there was no complete block.
    std::optional<SignalBaseline> finish(Timestamp now);

private:
    struct SlotSums {
        std::size_t slot;
        std::int64_t cycle;
        std::int64_t day;
        double blocks = 0;
        double n = 0, d = 0;            // sums of numerators less the pivot, and denominators
        double nn = 0, nd = 0, dd = 0;  // of squares and products
    };
    struct Means;

    void take(const Block& block);
    std::optional<SeasonLevel> best_level() const;
    double left_out_error(SeasonLevel level, std::int64_t SlotSums::*unit) const;
    void measure_variance(SignalBaseline& out) const;

    SignalId signal_;
    Kind kind_;
    const SeasonClock& clock_;
    BlockBuilder builder_;
    std::optional<double> pivot_;  ///< of values: keeps squares of large levels exact
    std::vector<SlotSums> sums_;
    double minimum_ = 0, maximum_ = 0;
    std::optional<Timestamp> first_, last_;
    double points_ = 0;
};

/// Variance of the mean of `blocks` blocks: log-log interpolation of V(h) between measured lengths;
/// beyond the longest, V falls as 1/h. Precondition: `variances` is not empty.
double variance_of_mean(const std::vector<WindowVariance>& variances, double blocks);
/// Degrees of freedom of that variance: windows seen at the nearest measured length, plus 4 for the
/// shape that it was shrunk to, at most 30.
double degrees_of_freedom(const std::vector<WindowVariance>& variances, double blocks);

}  // namespace holdfast::rules
