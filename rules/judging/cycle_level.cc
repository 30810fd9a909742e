#include "rules/judging/cycle_level.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

namespace holdfast::rules {
namespace {

constexpr std::array<double, 3> prior_scales{0.05, 0.2, 0.7};  // of the effect, as a ratio
constexpr double start_share = 0.5;
constexpr std::size_t restart_min = 6;  // blocks: half an hour
constexpr double clip_min = 5;
constexpr double clip_max = 8;
constexpr double clip_slow = 9;  // times the sd of day means: slow noise must be able to page
constexpr double placebo_level = 0.05;
constexpr double own_past = 1.05;
constexpr double shrink_windows = 8;                   // weight of the pooled shape from a day up
constexpr std::array<double, 3> mixes{0.0, 0.5, 1.0};  // of the block of the week in the profile
constexpr double incident_sigmas = 8;
constexpr double incident_ratio = 1.1;
constexpr std::size_t incident_hours_max = 24;
constexpr std::size_t edge_blocks = 8;  // 40 min on either side: jobs start late by so much
constexpr double edge_factor = 3;

constexpr std::size_t day_index = 15;  // of 288 in the grid

Values smooth(const Values& x, std::size_t width) {
    const auto n = x.size();
    const auto half = width / 2;
    Values out(n, missing);
    for (std::size_t i = 0; i < n; ++i) {
        double sum = 0;
        double count = 0;
        for (std::size_t k = 0; k < width; ++k) {
            const double v = x[(i + n + k - half) % n];
            if (!std::isnan(v)) {
                sum += v;
                ++count;
            }
        }
        out[i] = count > 0 ? sum / count : missing;
    }
    return out;
}

double square_mean(const Values& x) {
    double sum = 0;
    double count = 0;
    for (const double v : x) {
        if (!std::isnan(v)) {
            sum += v * v;
            ++count;
        }
    }
    return count > 0 ? sum / count : 0;
}

/// Values of W cycles of P positions each.
class Weeks {
public:
    Weeks(const Values& flat, std::size_t positions) : p_{positions} {
        const auto w = flat.size() / positions;
        for (std::size_t i = 0; i < w; ++i) {
            const auto begin = flat.begin() + static_cast<std::ptrdiff_t>(i * positions);
            weeks_.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(positions));
        }
    }
    Weeks(std::size_t weeks, std::size_t positions)
        : p_{positions}, weeks_(weeks, Values(positions, missing)) {}

    std::size_t size() const { return weeks_.size(); }
    std::size_t positions() const { return p_; }
    Values& operator[](std::size_t w) { return weeks_[w]; }
    const Values& operator[](std::size_t w) const { return weeks_[w]; }

    Values window_means(std::size_t h) const {
        Values out;
        for (const auto& w : weeks_) {
            const auto m = block_means(w, h);
            out.insert(out.end(), m.begin(), m.end());
        }
        return out;
    }

private:
    std::size_t p_;
    std::vector<Values> weeks_;
};

/// Sum over the weeks without `left_out`, and how many were there, by position.
struct Sums {
    Values sum, count;
};
Sums sum_weeks(const Weeks& x, std::size_t left_out) {
    Sums s{Values(x.positions(), 0), Values(x.positions(), 0)};
    for (std::size_t w = 0; w < x.size(); ++w) {
        if (w != left_out) {
            for (std::size_t p = 0; p < x.positions(); ++p) {
                if (!std::isnan(x[w][p])) {
                    s.sum[p] += x[w][p];
                    s.count[p] += 1;
                }
            }
        }
    }
    return s;
}

constexpr std::size_t nobody = static_cast<std::size_t>(-1);

/// Day type and block of the day of a position.
struct Slot {
    std::size_t type, block;
};
Slot slot_of(const CycleClock& clock, std::size_t position) {
    const auto c = clock.calendar[position];
    const auto day = c / clock.blocks_per_day;
    return {clock.has_day_types && day >= 5 ? 1U : 0U, c % clock.blocks_per_day};
}

/// Mean over the days of a type, by position.
Values by_day_type(const Values& sum, const Values& count, const CycleClock& clock) {
    std::array<Values, 2> s{Values(clock.blocks_per_day, 0), Values(clock.blocks_per_day, 0)};
    auto n = s;
    for (std::size_t p = 0; p < sum.size(); ++p) {
        const auto [type, block] = slot_of(clock, p);
        if (!std::isnan(sum[p])) {
            s[type][block] += sum[p];
            n[type][block] += count[p];
        }
    }
    Values out(sum.size(), missing);
    for (std::size_t p = 0; p < sum.size(); ++p) {
        const auto [type, block] = slot_of(clock, p);
        out[p] = n[type][block] > 0 ? s[type][block] / n[type][block] : missing;
    }
    return out;
}

/// Expected value by position from all weeks but one.
Values profile_of(const Weeks& x, std::size_t left_out, double mix, const CycleClock& clock) {
    const auto s = sum_weeks(x, left_out);
    Values mean(x.positions(), missing);
    for (std::size_t p = 0; p < mean.size(); ++p) {
        mean[p] = s.count[p] > 0 ? s.sum[p] / s.count[p] : missing;
    }
    auto week = smooth(mean, 7);
    if (mix >= 1) {
        return week;
    }
    Values ones(week.size(), 1);
    const auto type = by_day_type(week, ones, clock);
    for (std::size_t p = 0; p < week.size(); ++p) {
        week[p] = std::isnan(week[p]) ? type[p] : mix * week[p] + (1 - mix) * type[p];
    }
    return week;
}

Values ratio_profile(const Weeks& bad, const Weeks& all, std::size_t left_out, double mix,
                     const CycleClock& clock) {
    const auto k = smooth(sum_weeks(bad, left_out).sum, 13);
    const auto n = smooth(sum_weeks(all, left_out).sum, 13);
    const auto type = by_day_type(k, n, clock);
    double total_k = 0;
    double total_n = 0;
    for (std::size_t p = 0; p < k.size(); ++p) {
        total_k += k[p];
        total_n += n[p];
    }
    // A share that was never seen is still possible: half an event of prior.
    const double least = 0.5 / std::max(total_n, 1.0);
    Values out(k.size());
    for (std::size_t p = 0; p < out.size(); ++p) {
        const double week = n[p] > 0 ? k[p] / n[p] : type[p];
        const double t = std::isnan(type[p]) ? total_k / std::max(total_n, 1e-9) : type[p];
        out[p] = std::max(mix * (std::isnan(week) ? t : week) + (1 - mix) * t, least);
    }
    return out;
}

/// The band around a profile near schedule edges, where a job may start early or late.
struct BandEdges {
    Values lower, upper;
};
BandEdges band_of(const Values& profile, double noise) {
    const auto n = profile.size();
    BandEdges b{profile, profile};
    Values width(n);
    for (std::size_t i = 0; i < n; ++i) {
        double lo = profile[i];
        double hi = profile[i];
        for (std::size_t k = 0; k <= 2 * edge_blocks; ++k) {
            const double v = profile[(i + n + k - edge_blocks) % n];
            lo = std::fmin(lo, v);
            hi = std::fmax(hi, v);
        }
        b.lower[i] = lo;
        b.upper[i] = hi;
        width[i] = hi - lo;
    }
    const double usual = median_of(width);
    for (std::size_t i = 0; i < n; ++i) {
        if (!(width[i] > edge_factor * usual && width[i] > edge_factor * noise)) {
            b.lower[i] = b.upper[i] = profile[i];
        }
    }
    return b;
}

/// Distance to the band; within it a value says nothing, and is missing.
double off_band(double value, double lower, double upper) {
    if (lower < upper && lower <= value && value <= upper) {
        return missing;
    }
    return value - std::clamp(value, std::min(lower, upper), std::max(lower, upper));
}

double noise_about(const Values& x, const Values& profile) {
    Values r(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        r[i] = x[i] - profile[i];
    }
    return robust_scale(r);
}

Values residuals(const Values& x, const Values& profile) {
    const auto band = band_of(profile, noise_about(x, profile));
    Values out(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        out[i] = std::isnan(profile[i])
                     ? missing
                     : (std::isnan(x[i]) ? missing : off_band(x[i], band.lower[i], band.upper[i]));
    }
    return out;
}

/// Once is an incident, twice is a habit: where one cycle alone stands far off the median cycle for
/// hours (a day of them at most), they are replaced by it.
void scrub(Weeks& x, std::size_t per_hour) {
    const auto weeks = x.size();
    const auto n = x.positions();
    if (weeks < 3) {
        return;
    }
    Values middle(n);
    Values column(weeks);
    for (std::size_t p = 0; p < n; ++p) {
        for (std::size_t w = 0; w < weeks; ++w) {
            column[w] = x[w][p];
        }
        middle[p] = median_of(column);
    }
    middle = smooth(middle, 7);
    const auto hours = n / per_hour;
    std::vector<Values> off(weeks);
    Values sizes;
    for (std::size_t w = 0; w < weeks; ++w) {
        Values r(n);
        for (std::size_t p = 0; p < n; ++p) {
            r[p] = x[w][p] - middle[p];
        }
        off[w] = block_means(r, per_hour);
        const double level = median_of(off[w]);
        for (double& v : off[w]) {
            v -= level;
            sizes.push_back(std::abs(v));
        }
    }
    const double limit =
        std::max(incident_sigmas * 1.4826 * median_of(sizes), std::log(incident_ratio));
    std::size_t weeks_hit = 0;
    std::size_t hit = 0;
    std::vector<std::vector<bool>> bad(weeks, std::vector<bool>(hours, false));
    for (std::size_t w = 0; w < weeks; ++w) {
        bool any = false;
        for (std::size_t h = 0; h < hours; ++h) {
            const auto is = [&](std::size_t k) { return std::abs(off[w][k % hours]) > limit; };
            bad[w][h] = is(h) && (is(h + 1) || is(h + hours - 1));
            any = any || bad[w][h];
            hit += bad[w][h] ? 1 : 0;
        }
        weeks_hit += any ? 1 : 0;
    }
    if (weeks_hit != 1 || hit > incident_hours_max) {
        return;
    }
    for (std::size_t w = 0; w < weeks; ++w) {
        Values r(n);
        for (std::size_t p = 0; p < n; ++p) {
            r[p] = x[w][p] - middle[p];
        }
        const double level = median_of(block_means(r, per_hour));
        for (std::size_t h = 0; h < hours; ++h) {
            if (bad[w][h] || bad[w][(h + 1) % hours] || bad[w][(h + hours - 1) % hours]) {
                for (std::size_t p = h * per_hour; p < (h + 1) * per_hour; ++p) {
                    x[w][p] = middle[p] + level;
                }
            }
        }
    }
}

/// Root mean square of the residuals per half hour of the day and type of day, winsorised at eight
/// robust sigma, floored at 0.7 of its median; by position.
Values scale_of(const std::vector<const Values*>& residual, const CycleClock& clock) {
    const auto n = clock.blocks_per_cycle;
    Values everything;
    for (const auto* r : residual) {
        everything.insert(everything.end(), r->begin(), r->end());
    }
    const double limit = std::max(8 * robust_scale(everything), 1e-12);
    const auto per_bin = std::max<std::size_t>(1, clock.blocks_per_day / 48);
    const auto bins = clock.blocks_per_day / per_bin + 1;
    std::array<Values, 2> sum{Values(bins, 0), Values(bins, 0)};
    auto count = sum;
    for (const auto* r : residual) {
        for (std::size_t p = 0; p < n; ++p) {
            if (!std::isnan((*r)[p])) {
                const auto [type, block] = slot_of(clock, p);
                const double v = std::min(std::abs((*r)[p]), limit);
                sum[type][block / per_bin] += v * v;
                count[type][block / per_bin] += 1;
            }
        }
    }
    Values out(n, missing);
    for (std::size_t p = 0; p < n; ++p) {
        const auto [type, block] = slot_of(clock, p);
        const auto bin = block / per_bin;
        if (count[type][bin] > 0) {
            out[p] = std::sqrt(sum[type][bin] / count[type][bin]);
        }
    }
    const double middle = median_of(out);
    if (std::isnan(middle)) {
        return Values(n, 1.0);  // never seen: nothing will be judged by it
    }
    const double floor = std::max(0.7 * middle, 1e-6);
    for (double& v : out) {
        v = std::isnan(v) ? std::max(middle, floor) : std::max(v, floor);
    }
    return out;
}

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

using Curve = std::array<double, CycleModel::lengths>;

enum class Family : std::uint8_t { gauge, ratio, load };

/// Predictive variance, degrees of freedom and skew of window means, per signal.
struct Curves {
    std::vector<Curve> variance, freedom, skew;
};

/// `family`: signals that are alike share what their histories are too short to show.
Curves curves_of(const std::vector<Weeks>& psi, const std::vector<Family>& family) {
    constexpr auto nh = CycleModel::lengths;
    const auto& grid = CycleModel::grid();
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

/// log boundaries of one signal's mean score at error level `alpha`. `sigma`: a score of 1 as an
/// effect.
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

struct GridWeight {
    std::size_t index;
    double part;
};
GridWeight weight_of(double h) {
    const auto& grid = CycleModel::grid();
    if (h >= grid.back()) {
        return {CycleModel::lengths - 2, 1};
    }
    const auto after = std::upper_bound(grid.begin(), grid.end(), h);
    const auto i = after == grid.begin() ? 0 : static_cast<std::size_t>(after - grid.begin()) - 1;
    return {i, std::max(0.0, std::log(h / grid[i]) / std::log(grid[i + 1] / grid[i]))};
}
double at_length(const Curve& log_boundary, double h) {
    const auto [i, part] = weight_of(h);
    return std::exp((1 - part) * log_boundary[i] + part * log_boundary[i + 1]);
}

Values expand(const Curve& log_boundary, std::size_t n) {
    Values out(n + 1, 0);
    for (std::size_t h = 1; h <= n; ++h) {
        out[h] = at_length(log_boundary, static_cast<double>(h));
    }
    return out;
}

std::size_t restarts_of(const CycleSettings& s, std::size_t per_hour) {
    return s.watch_blocks > s.settle + per_hour ? (s.watch_blocks - s.settle - 1) / per_hour : 1;
}

/// Largest window mean over its boundary in one placebo cycle.
double largest_ratio(const Values& psi, double centre, double sign, const Values& start,
                     const Values& restart, std::size_t settle, std::size_t per_hour,
                     std::size_t per_day) {
    if (settle >= psi.size()) {
        return 0;
    }
    Values p(psi.begin() + static_cast<std::ptrdiff_t>(settle), psi.end());
    for (double& v : p) {
        v = std::isnan(v) ? 0 : sign * (v - centre);
    }
    Values sum(p.size() + 1, 0);
    std::partial_sum(p.begin(), p.end(), sum.begin() + 1);
    double most = 0;
    for (std::size_t h = 1; h <= p.size(); ++h) {
        most = std::max(most, sum[h] / (start[h] * static_cast<double>(h)));
    }
    for (std::size_t first = (settle / per_hour + 1) * per_hour - settle;
         first + restart_min <= p.size(); first += per_hour) {
        for (std::size_t l = restart_min; l <= per_day && first + l <= p.size(); ++l) {
            most = std::max(most,
                            (sum[first + l] - sum[first]) / (restart[l] * static_cast<double>(l)));
        }
    }
    return most;
}

/// Everything that is learnt from some of the weeks.
struct Lesson {
    std::vector<Values> sigma;
    Values sigma_middle, centre, clip;
    Curves curves;
};

class CycleTeacher {
public:
    CycleTeacher(const std::vector<CycleSignal>& signals, const Values& load,
                 const CycleClock& clock, const CycleSettings& settings)
        : signals_{signals},
          clock_{clock},
          settings_{settings},
          per_hour_{std::max<std::size_t>(1, clock.blocks_per_day / 24)} {
        for (const auto& s : signals_) {
            weeks_ = (s.is_ratio ? s.all : s.x).size() / clock_.blocks_per_cycle;
            family_.push_back(s.is_ratio       ? Family::ratio
                              : s.may_use_load ? Family::gauge
                                               : Family::load);
        }
        taught_.signals.resize(signals_.size());
        if (!load.empty()) {
            teach_load(load);
        }
        for (std::size_t j = 0; j < signals_.size(); ++j) {
            left_out_.push_back(signals_[j].is_ratio ? teach_ratio(j) : teach_gauge(j));
        }
    }

    CycleTaught teach() {
        std::vector<std::size_t> all(weeks_);
        std::iota(all.begin(), all.end(), std::size_t{0});
        std::vector<std::array<double, 2>> kappa(signals_.size(), {1, 1});
        if (weeks_ >= 3) {
            calibrate(kappa);
        }
        const auto lesson = learn(all, static_cast<double>(weeks_));
        for (std::size_t j = 0; j < signals_.size(); ++j) {
            auto& m = taught_.signals[j];
            m.sigma = lesson.sigma[j];
            m.sigma_middle = lesson.sigma_middle[j];
            m.centre = lesson.centre[j];
            m.clip = lesson.clip[j];
            m.tolerated = signals_[j].tolerated;
            m.margin = signals_[j].margin;
            m.is_ratio = signals_[j].is_ratio;
            m.known = known(left_out_[j]);
            for (const std::size_t side : {0U, 1U}) {
                if (side == 0 ? signals_[j].up : signals_[j].down) {
                    m.sides[side] = tables(lesson, j, kappa[j][side]);
                }
            }
        }
        return std::move(taught_);
    }

private:
    void teach_load(const Values& load) {
        const Weeks x{load, clock_.blocks_per_cycle};
        for (std::size_t w = 0; w < weeks_; ++w) {
            const auto p = profile_of(x, w, 0, clock_);
            Values r(p.size());
            for (std::size_t i = 0; i < r.size(); ++i) {
                r[i] = x[w][i] - p[i];
            }
            load_left_out_.push_back(std::move(r));
        }
        taught_.load_profile = profile_of(x, nobody, 0, clock_);
    }

    Weeks teach_gauge(std::size_t j) {
        auto& m = taught_.signals[j];
        Weeks x{signals_[j].x, clock_.blocks_per_cycle};
        scrub(x, per_hour_);
        Weeks best{weeks_, clock_.blocks_per_cycle};
        double best_error = std::numeric_limits<double>::infinity();
        double best_mix = 0;
        for (const double mix : mixes) {
            Weeks out{weeks_, clock_.blocks_per_cycle};
            for (std::size_t w = 0; w < weeks_; ++w) {
                out[w] = residuals(x[w], profile_of(x, w, mix, clock_));
            }
            const double error = square_mean(out.window_means(6 * per_hour_));
            if (error < best_error) {
                best_error = error;
                best_mix = mix;
                best = std::move(out);
            }
        }
        m.profile = profile_of(x, nobody, best_mix, clock_);
        // The noise about the profile of all cycles decides where its edges are.
        Values noise;
        for (std::size_t w = 0; w < weeks_; ++w) {
            noise.push_back(noise_about(x[w], m.profile));
        }
        const auto band = band_of(m.profile, mean_of(noise));
        m.lower = band.lower;
        m.upper = band.upper;
        if (!load_left_out_.empty() && signals_[j].may_use_load) {
            condition(best, m);
        }
        return best;
    }

    /// Takes out what the load explains, if that makes days more alike.
    void condition(Weeks& left_out, CycleModel& m) const {
        double gl = 0;
        double ll = 0;
        const auto add = [&](const Values& g, const Values& l) {
            const auto hours_g = block_means(g, per_hour_);
            const auto hours_l = block_means(l, per_hour_);
            for (std::size_t i = 0; i < hours_g.size(); ++i) {
                if (!std::isnan(hours_g[i]) && !std::isnan(hours_l[i])) {
                    gl += hours_g[i] * hours_l[i];
                    ll += hours_l[i] * hours_l[i];
                }
            }
        };
        for (std::size_t w = 0; w < weeks_; ++w) {
            add(left_out[w], load_left_out_[w]);
        }
        const double slope = ll > 0 ? gl / ll : 0;
        auto adjusted = left_out;
        for (std::size_t w = 0; w < weeks_; ++w) {
            for (std::size_t p = 0; p < clock_.blocks_per_cycle; ++p) {
                const double l = load_left_out_[w][p];
                adjusted[w][p] -= slope * (std::isnan(l) ? 0 : l);
            }
        }
        if (square_mean(adjusted.window_means(clock_.blocks_per_day)) <
            square_mean(left_out.window_means(clock_.blocks_per_day))) {
            m.load_slope = slope;
            left_out = std::move(adjusted);
        }
    }

    Weeks teach_ratio(std::size_t j) {
        auto& m = taught_.signals[j];
        const Weeks bad{signals_[j].bad, clock_.blocks_per_cycle};
        const Weeks all{signals_[j].all, clock_.blocks_per_cycle};
        Weeks best{weeks_, clock_.blocks_per_cycle};
        double best_error = std::numeric_limits<double>::infinity();
        double best_mix = 0;
        for (const double mix : {0.0, 0.5}) {
            Weeks out{weeks_, clock_.blocks_per_cycle};
            for (std::size_t w = 0; w < weeks_; ++w) {
                const auto p = ratio_profile(bad, all, w, mix, clock_);
                for (std::size_t i = 0; i < p.size(); ++i) {
                    out[w][i] = all[w][i] > 0 ? bad[w][i] / (all[w][i] * p[i]) - 1 : missing;
                }
            }
            const double error = square_mean(out.window_means(6 * per_hour_));
            if (error < best_error) {
                best_error = error;
                best_mix = mix;
                best = std::move(out);
            }
        }
        m.profile = ratio_profile(bad, all, nobody, best_mix, clock_);
        m.lower = m.upper = m.profile;
        return best;
    }

    Lesson learn(const std::vector<std::size_t>& weeks, double profile_weeks) const {
        Lesson out;
        std::vector<Weeks> psi;
        for (const auto& left_out : left_out_) {
            std::vector<const Values*> of_weeks;
            of_weeks.reserve(weeks.size());
            for (const auto w : weeks) {
                of_weeks.push_back(&left_out[w]);
            }
            out.sigma.push_back(scale_of(of_weeks, clock_));
            const auto& sigma = out.sigma.back();
            out.sigma_middle.push_back(median_of(sigma));
            Weeks z{weeks.size(), clock_.blocks_per_cycle};
            const auto fill = [&](double clip) {
                for (std::size_t k = 0; k < weeks.size(); ++k) {
                    for (std::size_t p = 0; p < sigma.size(); ++p) {
                        const double v = left_out[weeks[k]][p] / sigma[p];
                        z[k][p] = std::isnan(v) ? v : std::clamp(v, -clip, clip);
                    }
                }
            };
            fill(clip_max);
            const double slow = std::sqrt(square_mean(z.window_means(clock_.blocks_per_day)));
            out.clip.push_back(std::clamp(clip_slow * slow, clip_min, clip_max));
            fill(out.clip.back());
            double sum = 0;
            double count = 0;
            for (std::size_t k = 0; k < weeks.size(); ++k) {
                for (const double v : z[k]) {
                    if (!std::isnan(v)) {
                        sum += v;
                        ++count;
                    }
                }
            }
            out.centre.push_back(count > 0 ? sum / count : 0);
            for (std::size_t k = 0; k < weeks.size(); ++k) {
                for (double& v : z[k]) {
                    v -= out.centre.back();
                }
            }
            psi.push_back(std::move(z));
        }
        out.curves = curves_of(psi, family_);
        const auto w = static_cast<double>(weeks_);
        // Placebo profiles had one cycle less than the watch's; these weeks' variance had all.
        const double finite = (1 + 1 / profile_weeks) / (1 + 1 / (w - 1));
        for (auto& v : out.curves.variance) {
            for (double& x : v) {
                x *= finite;
            }
        }
        return out;
    }

    /// Half a cycle of residuals at least: else there is nothing to compare with.
    static bool known(const Weeks& left_out) {
        std::size_t there = 0;
        for (std::size_t w = 0; w < left_out.size(); ++w) {
            there += static_cast<std::size_t>(std::count_if(
                left_out[w].begin(), left_out[w].end(), [](double v) { return !std::isnan(v); }));
        }
        return 2 * there >= left_out.positions();
    }

    Curve boundary_of(const Lesson& lesson, std::size_t j, double alpha, double kappa) const {
        const auto& c = lesson.curves;
        return boundary(c.variance[j], c.freedom[j], c.skew[j], lesson.sigma_middle[j], alpha,
                        kappa);
    }

    CycleModel::Tables tables(const Lesson& lesson, std::size_t j, double kappa) const {
        CycleModel::Tables t;
        const auto restarts = static_cast<double>(restarts_of(settings_, per_hour_));
        for (std::size_t level = 0; level < 3; ++level) {
            const double alpha = settings_.alpha[level] * signals_[j].level_alpha;
            t.start[level] = boundary_of(lesson, j, alpha * start_share, kappa);
            t.restart[level] = boundary_of(lesson, j, alpha * (1 - start_share) / restarts, kappa);
        }
        t.close = boundary_of(lesson, j, settings_.close, 1);
        t.interval = boundary_of(lesson, j, settings_.close / 2, kappa);
        return t;
    }

    /// Every past cycle watched with tables learnt without it.
    void calibrate(std::vector<std::array<double, 2>>& kappa) const {
        const auto n = signals_.size();
        const auto restarts = static_cast<double>(restarts_of(settings_, per_hour_));
        std::array<Values, 3> visible;  // by family
        for (std::size_t w = 0; w < weeks_; ++w) {
            std::vector<std::size_t> others;
            for (std::size_t u = 0; u < weeks_; ++u) {
                if (u != w) {
                    others.push_back(u);
                }
            }
            const auto lesson = learn(others, static_cast<double>(weeks_ - 1));
            for (std::size_t j = 0; j < n; ++j) {
                Values psi = left_out_[j][w];
                for (std::size_t p = 0; p < psi.size(); ++p) {
                    const double v = psi[p] / lesson.sigma[j][p];
                    psi[p] = std::isnan(v) ? v : std::clamp(v, -lesson.clip[j], lesson.clip[j]);
                }
                const double roll = settings_.alpha[2] * signals_[j].level_alpha;
                const auto level_tables = [&](double alpha) {
                    return std::pair{
                        expand(boundary_of(lesson, j, alpha * start_share, 1), psi.size()),
                        expand(boundary_of(lesson, j, alpha * (1 - start_share) / restarts, 1),
                               clock_.blocks_per_day)};
                };
                const auto seen = level_tables(placebo_level);
                const auto paged = level_tables(roll);
                for (const std::size_t side : {0U, 1U}) {
                    if (!(side == 0 ? signals_[j].up : signals_[j].down)) {
                        continue;
                    }
                    const double sign = side == 0 ? 1 : -1;
                    const auto most = [&](const auto& t) {
                        return largest_ratio(psi, lesson.centre[j], sign, t.first, t.second,
                                             settings_.settle, per_hour_, clock_.blocks_per_day);
                    };
                    visible[static_cast<std::size_t>(family_[j])].push_back(most(seen));
                    kappa[j][side] = std::max(kappa[j][side], own_past * most(paged));
                }
            }
        }
        for (std::size_t j = 0; j < n; ++j) {
            const auto& v = visible[static_cast<std::size_t>(family_[j])];
            const double common = v.empty() ? 1 : std::max(1.0, quantile_of(v, 1 - placebo_level));
            for (double& k : kappa[j]) {
                k = std::max(k, common);
            }
        }
    }

    const std::vector<CycleSignal>& signals_;
    const CycleClock& clock_;
    const CycleSettings& settings_;
    std::size_t per_hour_;
    std::size_t weeks_ = 0;
    std::vector<Family> family_;
    std::vector<Values> load_left_out_;
    std::vector<Weeks> left_out_;
    CycleTaught taught_;
};

double score(double x, double sigma, double shift, double clip, bool ratio) {
    return std::isnan(x) ? x
                         : std::clamp((x - shift) / (sigma * (ratio ? 1 + shift : 1)), -clip, clip);
}

}  // namespace

const std::array<double, CycleModel::lengths>& CycleModel::grid() {
    static const std::array<double, lengths> values{1,   2,   3,   4,    6,    9,   12,  18,
                                                    24,  36,  48,  72,   96,   144, 216, 288,
                                                    432, 576, 864, 1008, 1440, 2013};
    return values;
}

double CycleModel::residual(double value, std::size_t position, double load_residual) const {
    const double expected = profile[position];
    if (std::isnan(value) || std::isnan(expected)) {
        return missing;
    }
    if (is_ratio) {
        return value / expected - 1;
    }
    return off_band(value, lower[position], upper[position]) -
           (load_slope != 0 ? load_slope * load_residual : 0);
}

CycleTaught teach_cycles(const std::vector<CycleSignal>& signals, const Values& load,
                         const CycleClock& clock, const CycleSettings& settings) {
    return CycleTeacher{signals, load, clock, settings}.teach();
}

CycleWatch::CycleWatch(const CycleModel& model, const CycleClock& clock,
                       const CycleSettings& settings, bool up, bool down)
    : model_{&model},
      settings_{settings},
      per_hour_{std::max<std::size_t>(1, clock.blocks_per_day / 24)},
      per_day_{clock.blocks_per_day} {
    sides_[0].judged = up;
    sides_[1].judged = down;
}

void CycleWatch::add(double value, std::size_t position, double load_residual) {
    ++seen_;
    if (seen_ <= settings_.settle) {
        return;
    }
    const double x = model_->residual(value, position, load_residual);
    const double sigma = model_->sigma[position];
    for (const std::size_t side : {0U, 1U}) {
        if (sides_[side].judged) {
            const double sign = side == 0 ? 1 : -1;
            const double centre = sign * model_->centre;
            sides_[side].tolerated.add(
                score(sign * x, sigma, model_->tolerated, model_->clip, model_->is_ratio) - centre);
            sides_[side].margin.add(
                score(sign * x, sigma, model_->margin, model_->clip, model_->is_ratio) - centre);
        }
    }
    effect_.add(x);
}

void CycleWatch::check(Crossing& worst, bool up, std::size_t first, bool restart) const {
    const std::size_t side = up ? 0 : 1;
    const auto& p = sides_[side].tolerated;
    const auto end = p.size();
    const double n = p.count(first, end);
    if (n < 1 || (restart && n < restart_min)) {
        return;
    }
    const double mean = p.mean(first, end);
    const auto& tables = model_->sides[side];
    const auto& by_level = restart ? tables.restart : tables.start;
    if (mean <= 0) {
        return;
    }
    for (int level = 2; level >= 0; --level) {
        const double b = at_length(by_level[static_cast<std::size_t>(level)], n);
        if (mean > b) {
            if (level > worst.severity || (level == worst.severity && mean / b > worst.ratio)) {
                worst = {level, up, (up ? 1 : -1) * effect_.mean(first, end), n, mean / b};
            }
            return;
        }
    }
}

CycleWatch::Crossing CycleWatch::crossing() const {
    Crossing worst;
    const auto end = effect_.size();
    for (const bool up : {true, false}) {
        if (!sides_[up ? 0 : 1].judged || end == 0) {
            continue;
        }
        check(worst, up, 0, false);
        // Restarts lie on the hours since the upgrade; each grows to a day.
        const auto settle = settings_.settle;
        for (auto hour = (end + settle) / per_hour_; hour > 0; --hour) {
            const auto first = hour * per_hour_ - std::min(settle, hour * per_hour_);
            if (end - std::min(end, first) > per_day_) {
                break;
            }
            if (first + restart_min <= end) {
                check(worst, up, first, true);
            }
        }
    }
    return worst;
}

bool CycleWatch::proven() const {
    const auto end = effect_.size();
    for (const std::size_t side : {0U, 1U}) {
        if (!sides_[side].judged) {
            continue;
        }
        const double n = sides_[side].margin.count(0, end);
        if (n < 1 ||
            !(sides_[side].margin.mean(0, end) < -at_length(model_->sides[side].close, n))) {
            return false;
        }
    }
    return true;
}

CycleWatch::Interval CycleWatch::since_start() const {
    Interval out;
    const auto end = effect_.size();
    out.blocks = effect_.count(0, end);
    if (out.blocks < 1) {
        return out;
    }
    const auto& side = model_->sides[sides_[0].judged ? 0 : 1];
    const double half = at_length(side.interval, out.blocks) * model_->sigma_middle;
    out.effect = effect_.mean(0, end);
    out.lower = out.effect - half;
    out.upper = out.effect + half;
    return out;
}

}  // namespace holdfast::rules
