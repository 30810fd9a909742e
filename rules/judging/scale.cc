#include "rules/judging/scale.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace holdfast::rules {
namespace {

constexpr double floor_share = 0.1;  // of the median: below it values are "about zero"
constexpr double floor_mean_share = 0.02;
constexpr double pure_above = 0.1;     // of the median: the 1 % quantile of values without a floor
constexpr double outage_share = 1e-3;  // of the median: as little as nothing
constexpr double habit_step = 1;       // leaving a habitual value is as far as a factor of e
constexpr std::size_t few_values = 32;

/// The smallest difference of two values, when there are few.
double resolution_of(const Values& history) {
    std::set<double> seen;
    for (const double v : history) {
        if (!std::isnan(v) && seen.insert(v).second && seen.size() > few_values) {
            return 0;
        }
    }
    double least = 0;
    for (auto it = seen.begin(); it != seen.end() && std::next(it) != seen.end(); ++it) {
        const double gap = *std::next(it) - *it;
        least = least > 0 ? std::min(least, gap) : gap;
    }
    return least;
}

}  // namespace

Scale Scale::of(const Values& history, bool may_be_pure, const Allowance& tolerated,
                const Allowance& margin) {
    const bool negative =
        std::any_of(history.begin(), history.end(), [](double v) { return v < 0; });
    const bool positive =
        std::any_of(history.begin(), history.end(), [](double v) { return v > 0; });
    if (negative && !positive) {
        auto turned = history;
        for (double& v : turned) {
            v = -v;
        }
        auto s = of_sizes(turned, may_be_pure);
        s.floor = std::max(s.floor, tolerated.absolute);
        s.mirrored = true;
        return s;
    }
    auto s = of_sizes(history, may_be_pure);
    if (s.never_left && s.middle == 0 && margin.absolute > 0) {
        s.never_left = false;
        s.floor = margin.absolute;
    }
    s.floor = std::max(s.floor, tolerated.absolute);
    return s;
}

/// Of a signal that has values above zero, or is always 0.
Scale Scale::of_sizes(const Values& history, bool may_be_pure) {
    Scale s;
    Values positive;
    double mean = 0;
    double there = 0;
    for (const double v : history) {
        if (std::isnan(v)) {
            continue;
        }
        s.low = std::min(s.low, v);
        mean += v;
        ++there;
        if (v > 0) {
            positive.push_back(v);
        }
    }
    s.middle = there > 0 ? median_of(history) : 0;
    s.level = s.middle != 0 || there == 0 ? std::abs(s.middle) : std::abs(mean / there);
    s.never_left = positive.empty();
    if (s.never_left) {
        return s;
    }
    const double usual = median_of(positive);
    s.floor = floor_share * usual + floor_mean_share * std::abs(mean / there);
    if (may_be_pure && s.low >= 0 && quantile_of(history, 0.01) > pure_above * usual) {
        s.floor = 0;
        s.bottom = outage_share * usual;
    }
    s.resolution = resolution_of(history);
    return s;
}

double Scale::at(double value) const {
    if (std::isnan(value)) {
        return value;
    }
    if (never_left) {
        return value > middle ? 1 : value < middle ? -1 : 0;
    }
    const double size = mirrored ? -value : value;
    const double y = std::log(std::max(size - low, bottom) + floor);
    return mirrored ? -y : y;
}

double Scale::base() const {
    return middle - low + floor;
}

double Scale::ratio(double effect) const {
    const double sign = mirrored ? -1 : 1;
    const double factor = level > 0 && !never_left ? base() / level : 1;
    return sign * std::expm1(sign * effect) * factor;
}

double Scale::step(double ratio) const {
    return base() > 0 && !never_left ? std::log1p(ratio * level / base()) : std::log1p(ratio);
}

double Scale::step(const Allowance& allowance) const {
    return level > 0     ? step(allowance.at(level) / level)
           : !never_left ? std::log1p(allowance.absolute / base())
                         : step(allowance.relative);
}

double Scale::value(double y) const {
    if (never_left) {
        return middle;
    }
    const double size = std::exp(mirrored ? -y : y) - floor + low;
    return mirrored ? -size : size;
}

double Scale::resolution_step() const {
    return resolution > 0 ? step(resolution / std::max(level, resolution)) : 0;
}

Habit Habit::of(const Values& history) {
    return {share_at_median(history) > constant_share ? std::optional{median_of(history)}
                                                      : std::nullopt};
}

double Habit::step(double cell) const {
    if (!value || std::isnan(cell) || cell == *value) {
        return 0;
    }
    return cell > *value ? habit_step : -habit_step;
}

double Habit::without_step(double effect) const {
    return !value       ? effect
           : effect > 0 ? std::max(0.0, effect - habit_step)
                        : std::min(0.0, effect + habit_step);
}

double share_at_median(const Values& values) {
    const double middle = median_of(values);
    double same = 0;
    double there = 0;
    for (const double v : values) {
        same += v == middle ? 1 : 0;
        there += std::isnan(v) ? 0 : 1;
    }
    return there > 0 ? same / there : 0;
}

}  // namespace holdfast::rules
