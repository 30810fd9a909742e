#include "rules/judging/cycle_weeks.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace holdfast::rules {
namespace {

constexpr double incident_sigmas = 8;
constexpr double incident_ratio = 1.1;
constexpr std::size_t incident_hours_max = 24;
constexpr std::size_t edge_blocks = 8;  // 40 min on either side: jobs start late by so much
constexpr double edge_factor = 3;

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

}  // namespace

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
    const double limit = std::max(incident_sigmas * robust_scale(sizes), std::log(incident_ratio));
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

}  // namespace holdfast::rules
