#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "rules/judging/cycle_weeks.h"

namespace holdfast::rules {

/// Lengths of windows that are measured, in blocks of five minutes: up to a week.
constexpr std::array<double, 22> curve_lengths{
    1, 2, 3, 4, 6, 9, 12, 18, 24, 36, 48, 72, 96, 144, 216, 288, 432, 576, 864, 1008, 1440, 2013};
/// One value per length.
using Curve = std::array<double, curve_lengths.size()>;

/// Signals that are alike share what one history is too short to show.
enum class Family : std::uint8_t { gauge, ratio, load };

/// Predictive variance, degrees of freedom and skew of window means, per signal.
struct Curves {
    std::vector<Curve> variance, freedom, skew;
};
/// From the scores of each signal's weeks. Ref: docs/statistics.md, "Whole cycles".
Curves curves_of(const std::vector<Weeks>& scores, const std::vector<Family>& family);

/// log boundaries of a mean score at error level `alpha`, times `kappa`. `sigma`: a score of 1 as
/// an effect.
Curve boundary(const Curve& variance, const Curve& freedom, const Curve& skew, double sigma,
               double alpha, double kappa);
/// The boundary at any length, log-log between the measured ones; flat beyond the longest.
double at_length(const Curve& log_boundary, double blocks);

}  // namespace holdfast::rules
