#include "rules/judging/cycle_curves.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

namespace holdfast::rules {
namespace {

constexpr std::array<double, 3> prior_scales{0.05, 0.2, 0.7};  // of the effect, as a ratio
constexpr double shrink_windows = 8;   // weight of the pooled shape from a day up
constexpr std::size_t day_index = 15;  // of 288 in the grid

double student_quantile(double freedom, double tail) {
    const boost::math::students_t_distribution<double> t{freedom};
    return boost::math::quantile(boost::math::complement(t, tail));
}

/// The boundary of a statistic whose scale has `freedom` degrees or whose tails are heavy.
double student_of(double z, double freedom) {
    return student_quantile(std::min(freedom, 1e4), std::max(normal_tail(z), 1e-15));
}

/// Freedom whose upper quantile at `top` of all equals the top-th largest score of the pool.
double tail_freedom(Values& pool, std::size_t top) {
    constexpr std::size_t steps = 120;
    const auto freedom = [](std::size_t i) {
        return std::exp(std::log(3.0) +
                        (std::log(1000.0) - std::log(3.0)) * static_cast<double>(i) / (steps - 1));
    };
    const auto at = pool.end() - static_cast<std::ptrdiff_t>(top);
    std::nth_element(pool.begin(), at, pool.end());
    const double big = *at;
    const double tail = static_cast<double>(top) / static_cast<double>(pool.size());
    if (student_quantile(freedom(steps - 1), tail) > big) {
        return 1000;
    }
    std::size_t low = 0;  // the quantile falls as freedom rises
    std::size_t high = steps - 1;
    while (low < high) {
        const auto middle = (low + high) / 2;
        if (student_quantile(freedom(middle), tail) <= big) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return freedom(low);
}

struct GridWeight {
    std::size_t index;
    double part;
};
GridWeight weight_of(double h) {
    const auto& grid = curve_lengths;
    if (h >= grid.back()) {
        return {curve_lengths.size() - 2, 1};
    }
    const auto after = std::upper_bound(grid.begin(), grid.end(), h);
    const auto i = after == grid.begin() ? 0 : static_cast<std::size_t>(after - grid.begin()) - 1;
    return {i, std::max(0.0, std::log(h / grid[i]) / std::log(grid[i + 1] / grid[i]))};
}

}  // namespace

Curves curves_of(const std::vector<Weeks>& psi, const std::vector<Family>& family) {
    constexpr auto nh = curve_lengths.size();
    const auto& grid = curve_lengths;
    const auto s = psi.size();
    Curves c{std::vector<Curve>(s), std::vector<Curve>(s), std::vector<Curve>(s)};
    std::vector<Curve> kurt(s);
    std::vector<std::array<Values, nh>> means(s);
    Curve windows{};
    for (std::size_t j = 0; j < s; ++j) {
        for (std::size_t i = 0; i < nh; ++i) {
            auto& m = means[j][i];
            for (const double v : psi[j].window_means(static_cast<std::size_t>(grid[i]))) {
                if (!std::isnan(v)) {
                    m.push_back(v);
                }
            }
            const auto n = static_cast<double>(std::max<std::size_t>(1, m.size()));
            windows[i] = std::max(windows[i], n);
            double m2 = 0;
            double m3 = 0;
            double m4 = 0;
            for (const double v : m) {
                m2 += v * v / n;
                m3 += v * v * v / n;
                m4 += v * v * v * v / n;
            }
            const double sd = std::sqrt(std::max(m2, 1e-12));
            c.variance[j][i] = std::max(m2, 1e-12);
            c.skew[j][i] = m3 / (sd * sd * sd);
            kurt[j][i] = m4 / (sd * sd * sd * sd) - 3;
        }
    }
    // From a day up a signal has few windows of its own: shrink them to the shape of all.
    for (const auto kin : {Family::gauge, Family::ratio, Family::load}) {
        for (std::size_t i = day_index + 1; i < nh; ++i) {
            double longer = 0;
            double day = 0;
            for (std::size_t j = 0; j < s; ++j) {
                longer += family[j] == kin ? c.variance[j][i] : 0;
                day += family[j] == kin ? c.variance[j][day_index] : 0;
            }
            const double own = windows[i] - 1;
            for (std::size_t j = 0; j < s; ++j) {
                auto& v = c.variance[j];
                if (family[j] == kin) {
                    v[i] = (own * v[i] + shrink_windows * longer / day * v[day_index]) /
                           (own + shrink_windows);
                }
            }
        }
    }
    for (auto& v : c.variance) {
        for (std::size_t i = 1; i < nh; ++i) {  // a mean cannot lose variance faster than 1/h
            v[i] = std::max(v[i], v[i - 1] * grid[i - 1] / grid[i]);
        }
    }
    for (std::size_t j = 0; j < s; ++j) {
        for (std::size_t i = 0; i < nh; ++i) {
            const double effective = std::min(
                windows[i],
                std::max(windows[day_index] * c.variance[j][i] / c.variance[j][day_index], 1.0));
            c.freedom[j][i] = std::max(effective - 1, 1.0) + shrink_windows;
            if (i > 0 && effective < 100) {  // too few to see a shape: carry the last one on
                const double decay = std::sqrt(grid[i - 1] / grid[i]);
                kurt[j][i] = kurt[j][i - 1] * decay;
                c.skew[j][i] = c.skew[j][i - 1] * decay;
            }
        }
    }
    for (std::size_t i = 0; i < nh; ++i) {
        Values all;
        for (const auto& g : c.skew) {
            all.push_back(g[i]);
        }
        const double usual = median_of(all);
        for (auto& g : c.skew) {
            g[i] = std::clamp(std::max(g[i], usual), 0.0, 1.0);
        }
    }
    std::vector<Curve> tail(s);
    for (std::size_t j = 0; j < s; ++j) {
        for (std::size_t i = 0; i < nh; ++i) {
            tail[j][i] = 4 + 6 / std::max(kurt[j][i], 0.02);
        }
    }
    for (const auto kin : {Family::gauge, Family::ratio, Family::load}) {
        const bool ratio = kin == Family::ratio;  // one signal's history cannot show 1e-6
        double before = 3;
        for (std::size_t i = 0; i < nh; ++i) {
            Values pool;
            for (std::size_t j = 0; j < s; ++j) {
                if (family[j] != kin) {
                    continue;
                }
                const double sd = std::sqrt(c.variance[j][i]);
                for (const double m : means[j][i]) {
                    const double z = m / sd;
                    const double g = c.skew[j][i];
                    pool.push_back(z > 1 ? z - g / 6 * (z * z - 1) : z);
                    if (!ratio) {
                        pool.push_back(-z);
                    }
                }
            }
            if (pool.size() >= 1000) {
                before = std::max(before, tail_freedom(pool, ratio ? 3 : 6));
            }
            for (std::size_t j = 0; j < s; ++j) {
                if (family[j] == kin) {
                    tail[j][i] = std::min(tail[j][i], before);
                }
            }
        }
    }
    for (std::size_t j = 0; j < s; ++j) {
        for (std::size_t i = 0; i < nh; ++i) {
            c.freedom[j][i] = 1 / (1 / tail[j][i] + 1 / c.freedom[j][i]);
        }
    }
    return c;
}

Curve boundary(const Curve& variance, const Curve& freedom, const Curve& skew, double sigma,
               double alpha, double kappa) {
    Curve out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
        std::array<double, prior_scales.size()> r{};
        for (std::size_t k = 0; k < r.size(); ++k) {
            const double rho = prior_scales[k] / sigma;
            r[k] = rho * rho / variance[i];
        }
        const double z = mixture_z(r, -std::log(alpha));
        const double b = (student_of(z, freedom[i]) + skew[i] / 6 * (z * z - 1)) *
                         std::sqrt(variance[i]) * kappa;
        out[i] = std::log(b);
    }
    return out;
}

double at_length(const Curve& log_boundary, double h) {
    const auto [i, part] = weight_of(h);
    return std::exp((1 - part) * log_boundary[i] + part * log_boundary[i + 1]);
}

}  // namespace holdfast::rules
