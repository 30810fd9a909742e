#include "rules/judging/numerics.h"

#include <algorithm>
#include <array>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <numbers>

namespace holdfast::rules {
namespace {

namespace bm = boost::math;
/// Extreme tails underflow to 0 instead of throwing; their logarithm is bounded below.
using Quiet = bm::policies::policy<bm::policies::underflow_error<bm::policies::ignore_error>,
                                   bm::policies::overflow_error<bm::policies::ignore_error>,
                                   bm::policies::evaluation_error<bm::policies::ignore_error>,
                                   bm::policies::promote_double<false>>;

constexpr double probability_min = 1e-300;
constexpr double mad_to_sigma = 1.482602218505602;  // 1 / Φ⁻¹(3/4)
constexpr double z_max = 60;                        // of a boundary: beyond it nothing is asked for

double evidence_of(double probability) {
    return -std::log10(std::clamp(probability, probability_min, 1.0));
}

}  // namespace

double mean_of(std::span<const double> values) {
    double sum = 0;
    double count = 0;
    for (const double v : values) {
        if (!std::isnan(v)) {
            sum += v;
            ++count;
        }
    }
    return count > 0 ? sum / count : missing;
}

double deviation_of(std::span<const double> values) {
    const double mean = mean_of(values);
    double sum = 0;
    double count = 0;
    for (const double v : values) {
        if (!std::isnan(v)) {
            sum += (v - mean) * (v - mean);
            ++count;
        }
    }
    return count > 0 ? std::sqrt(sum / count) : 0;
}

double quantile_of(std::span<const double> values, double q) {
    std::array<double, 64> few;  // most are medians of a handful: no allocation for them
    std::vector<double> many;
    double* begin = few.data();
    if (values.size() > few.size()) {
        many.resize(values.size());
        begin = many.data();
    }
    double* const end =
        std::copy_if(values.begin(), values.end(), begin, [](double v) { return !std::isnan(v); });
    if (begin == end) {
        return missing;
    }
    const double position = q * static_cast<double>(end - begin - 1);
    const auto below = static_cast<std::ptrdiff_t>(position);
    double* const at = begin + below;
    std::nth_element(begin, at, end);
    const double part = position - static_cast<double>(below);
    if (part <= 0 || at + 1 == end) {
        return *at;
    }
    return *at + part * (*std::min_element(at + 1, end) - *at);
}

double robust_scale(std::span<const double> residuals) {
    Values sizes(residuals.begin(), residuals.end());
    for (double& v : sizes) {
        v = std::abs(v);
    }
    const double median = median_of(sizes);
    return std::isnan(median) ? 0 : mad_to_sigma * median;
}

Values block_means(std::span<const double> values, std::size_t length) {
    Values out;
    out.reserve(values.size() / length);
    for (std::size_t i = 0; i + length <= values.size(); i += length) {
        double sum = 0;
        std::size_t count = 0;
        for (const double v : values.subspan(i, length)) {
            if (!std::isnan(v)) {
                sum += v;
                ++count;
            }
        }
        out.push_back(2 * count >= length ? sum / static_cast<double>(count) : missing);
    }
    return out;
}

Prefix::Prefix(std::span<const double> values) {
    sums_.reserve(values.size() + 1);
    counts_.reserve(values.size() + 1);
    for (const double v : values) {
        add(v);
    }
}

void Prefix::add(double value) {
    const bool there = !std::isnan(value);
    sums_.push_back(sums_.back() + (there ? value : 0));
    counts_.push_back(counts_.back() + (there ? 1 : 0));
}

double Prefix::mean(std::size_t first, std::size_t last) const {
    const double n = count(first, last);
    return n > 0 ? sum(first, last) / n : missing;
}

double normal_tail(double z) {
    return 0.5 * std::erfc(z / std::numbers::sqrt2);
}

double student_evidence(double t, double freedom) {
    if (!(t > 0)) {
        return 0;
    }
    const bm::students_t_distribution<double, Quiet> student{freedom};
    return evidence_of(bm::cdf(bm::complement(student, t)));
}

double student_for_evidence(double evidence, double freedom) {
    const double probability = std::pow(10, -evidence);
    if (probability >= 0.5) {
        return 0;
    }
    // Beyond this the quantile loses its digits and the threshold its meaning.
    const bm::students_t_distribution<double, Quiet> student{freedom};
    return bm::quantile(bm::complement(student, std::max(probability, 1e-100)));
}

double negative_binomial_evidence(double count, double mean, double variance) {
    if (count <= 0) {
        return 0;
    }
    const double spread = std::max(variance, mean * 1.0001 + 1e-9);
    const double size = mean * mean / (spread - mean);
    const double success = (spread - mean) / spread;
    return evidence_of(bm::ibeta(count, std::max(size, 1e-9), success, Quiet{}));
}

double half_normal_log_e(double z, double r) {
    const double q = r / (1 + r);
    const double phi = std::max(normal_tail(-z * std::sqrt(q)), probability_min);
    return std::numbers::ln2 - 0.5 * std::log1p(r) + 0.5 * z * z * q + std::log(phi);
}

double mixture_z(std::span<const double> ratios, double target) {
    // Newton's method from above: log E is convex and rises in z > 0.
    double z = 0;
    for (const double r : ratios) {
        z = std::max(z, std::sqrt(2 * (1 + 1 / r) * (std::max(target, 0.0) + std::log1p(r) + 3)));
    }
    z = std::min(z, z_max);
    for (int i = 0; i < 60; ++i) {
        double top = -std::numeric_limits<double>::infinity();
        for (const double r : ratios) {
            top = std::max(top, half_normal_log_e(z, r));
        }
        double sum = 0;
        double slope = 0;
        for (const double r : ratios) {
            const double q = r / (1 + r);
            const double root = std::sqrt(q);
            const double weight = std::exp(half_normal_log_e(z, r) - top);
            const double density = std::exp(-0.5 * z * z * q) / std::sqrt(2 * std::numbers::pi);
            sum += weight;
            slope += weight *
                     (z * q + root * density / std::max(normal_tail(-z * root), probability_min));
        }
        const double excess = top + std::log(sum / static_cast<double>(ratios.size())) - target;
        const double step = excess * sum / slope;
        z = std::clamp(z - step, 0.0, z_max);
        if (std::abs(step) < 1e-12 * (1 + z)) {
            break;
        }
    }
    return z;
}

}  // namespace holdfast::rules
