#include "rules/judging/load_factor.h"

#include <algorithm>
#include <cmath>

namespace holdfast::rules {
namespace {

constexpr double deviation_min = 0.02;
constexpr double history_limit = 4;  // in deviations
constexpr double watch_limit = 6;
constexpr double loading_min = 0.7;  // correlation with the first component
constexpr std::size_t members_min = 3;
constexpr int iterations = 200;

/// Loadings on the first principal component of the correlation matrix, by power iteration.
std::vector<double> first_loadings(const std::vector<std::vector<double>>& correlation) {
    const auto n = correlation.size();
    std::vector<double> v(n);
    for (std::size_t i = 0; i < n; ++i) {
        v[i] = 1 + 0.01 * static_cast<double>(i);  // not orthogonal to anything likely
    }
    double length = 1;
    for (int round = 0; round < iterations; ++round) {
        std::vector<double> next(n, 0);
        for (std::size_t i = 0; i < n; ++i) {
            for (std::size_t j = 0; j < n; ++j) {
                next[i] += correlation[i][j] * v[j];
            }
        }
        double square = 0;
        for (const double x : next) {
            square += x * x;
        }
        length = std::sqrt(std::max(square, 1e-300));
        for (std::size_t i = 0; i < n; ++i) {
            v[i] = next[i] / length;
        }
    }
    double sum = 0;
    for (double& x : v) {
        x *= std::sqrt(length);
        sum += x;
    }
    for (double& x : v) {
        x *= sum < 0 ? -1 : 1;
    }
    return v;
}

double correlation_of(const Values& a, const Values& b) {
    double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!std::isnan(a[i]) && !std::isnan(b[i])) {
            n += 1;
            sa += a[i];
            sb += b[i];
            saa += a[i] * a[i];
            sbb += b[i] * b[i];
            sab += a[i] * b[i];
        }
    }
    const double va = saa - sa * sa / std::max(n, 1.0);
    const double vb = sbb - sb * sb / std::max(n, 1.0);
    return va > 0 && vb > 0 ? (sab - sa * sb / n) / std::sqrt(va * vb) : 0;
}

}  // namespace

std::optional<LoadFactor> LoadFactor::learn(const std::vector<Values>& load) {
    LoadFactor factor;
    std::vector<Values> standard;
    for (std::size_t i = 0; i < load.size(); ++i) {
        const double deviation = deviation_of(load[i]);
        if (deviation > deviation_min) {
            const double middle = median_of(load[i]);
            factor.members_.push_back({i, middle, deviation, 1});
            auto z = load[i];
            for (double& v : z) {
                v = std::isnan(v)
                        ? v
                        : std::clamp((v - middle) / deviation, -history_limit, history_limit);
            }
            standard.push_back(std::move(z));
        }
    }
    if (factor.members_.empty()) {
        return std::nullopt;
    }
    if (factor.members_.size() < members_min) {
        factor.members_ = {*std::max_element(
            factor.members_.begin(), factor.members_.end(),
            [](const Member& a, const Member& b) { return a.deviation < b.deviation; })};
        return factor;
    }
    const auto n = standard.size();
    std::vector<std::vector<double>> correlation(n, std::vector<double>(n, 1));
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            correlation[i][j] = correlation[j][i] = correlation_of(standard[i], standard[j]);
        }
    }
    const auto loadings = first_loadings(correlation);
    std::vector<Member> kept;
    for (std::size_t i = 0; i < n; ++i) {
        if (std::abs(loadings[i]) > loading_min) {
            kept.push_back(factor.members_[i]);
            kept.back().sign = loadings[i] < 0 ? -1 : 1;
        }
    }
    if (kept.size() < members_min) {
        return std::nullopt;
    }
    factor.members_ = std::move(kept);
    return factor;
}

double LoadFactor::clipped(std::span<const double> load, double limit) const {
    Values z;
    for (const auto& m : members_) {
        const double v = load[m.signal];
        if (!std::isnan(v)) {
            z.push_back(m.sign * std::clamp((v - m.middle) / m.deviation, -limit, limit));
        }
    }
    return median_of(z);
}

std::size_t LoadFactor::speaker() const {
    return std::max_element(
               members_.begin(), members_.end(),
               [](const Member& a, const Member& b) { return a.deviation < b.deviation; })
        ->signal;
}

double LoadFactor::unit() const {
    Values deviations;
    for (const auto& m : members_) {
        deviations.push_back(m.deviation);
    }
    return median_of(deviations);
}

double LoadFactor::at(std::span<const double> load) const {
    return clipped(load, watch_limit);
}

Values LoadFactor::over(const std::vector<Values>& load) const {
    Values out;
    if (load.empty()) {
        return out;
    }
    Values now(load.size());
    for (std::size_t t = 0; t < load.front().size(); ++t) {
        for (std::size_t i = 0; i < load.size(); ++i) {
            now[i] = load[i][t];
        }
        out.push_back(clipped(now, history_limit));
    }
    return out;
}

}  // namespace holdfast::rules
