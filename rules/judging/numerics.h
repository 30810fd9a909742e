#pragma once
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace holdfast::rules {

/// A regular series; what is missing is NaN and never enters a sum.
using Values = std::vector<double>;

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

/// Mean of what is there; NaN of nothing.
double mean_of(std::span<const double> values);
/// Root of the mean squared deviation from the mean; 0 of nothing.
double deviation_of(std::span<const double> values);
/// The `q` quantile (0..1) of what is there, linear between order statistics (Hyndman and Fan 1996,
/// type 7); NaN of nothing.
double quantile_of(std::span<const double> values, double q);
inline double median_of(std::span<const double> values) {
    return quantile_of(values, 0.5);
}
/// 1.4826 times the median of |value|: the standard deviation of a normal about zero.
double robust_scale(std::span<const double> residuals);

/// Means of runs of `length` values, from the first; a run with less than half of its values is
/// missing. What is left over at the end is not used.
Values block_means(std::span<const double> values, std::size_t length);

/// Sums over what is there: any window's sum, count and mean in O(1).
class Prefix {
public:
    Prefix() = default;
    explicit Prefix(std::span<const double> values);
    void add(double value);
    std::size_t size() const { return sums_.size() - 1; }
    double sum(std::size_t first, std::size_t last) const { return sums_[last] - sums_[first]; }
    double count(std::size_t first, std::size_t last) const {
        return counts_[last] - counts_[first];
    }
    /// NaN when nothing is there.
    double mean(std::size_t first, std::size_t last) const;

private:
    std::vector<double> sums_{0};
    std::vector<double> counts_{0};
};

/// P(Z > z) of the standard normal.
double normal_tail(double z);
/// -log10 P(T > t) of Student's t with `freedom`; 0 for t <= 0, where only upper tails matter.
double student_evidence(double t, double freedom);
/// The t at which student_evidence() is `evidence`, at least 0.
double student_for_evidence(double evidence, double freedom);
/// -log10 P(N >= count) of the negative binomial with `mean` and `variance` > mean (else Poisson's
/// variance); 0 for count <= 0. By the incomplete beta function: DLMF 8.17.5.
double negative_binomial_evidence(double count, double mean, double variance);

/// Log of the half-normal mixture e-value of a normal `z` against "effect <= 0", where
/// `r` = prior variance of the effect over the variance of the estimate:
///
///     log 2 - log(1 + r)/2 + z² r / (2 (1 + r)) + log Φ(z sqrt(r / (1 + r)))
///
/// (Robbins 1970; Howard, Ramdas, McAuliffe, Sekhon 2021, one-sided normal mixture.)
double half_normal_log_e(double z, double r);
/// The smallest z at which the log of the mean of the mixtures over `ratios` reaches `target`.
double mixture_z(std::span<const double> ratios, double target);

}  // namespace holdfast::rules
