#pragma once
#include <optional>

#include "model/signal.h"
#include "rules/judging/numerics.h"

namespace holdfast::rules {

/// The scale on which a signal's worsening is additive: log(value - low + floor). Effects are
/// ratios; the floor (a tenth of the median, a little of the mean) keeps zeros and near-zero nights
/// from dominating. A signal that is always negative is judged by its size. Where a signal never
/// had a value above its lowest, all that can be said is whether it leaves it: then the scale is
/// -1, 0 or 1. No constant of it has a unit.
struct Scale {
    double low = 0;
    double floor = 0;
    double bottom = 0;  ///< what less is taken for, where there is no floor
    double middle = 0;  ///< median of the history
    double level =
        0;  ///< what shares are shares of: the median's size, or the mean's where it is 0
    bool never_left = false;
    bool mirrored = false;  ///< all values are negative: the size is judged, with the sign turned
    double resolution = 0;  ///< smallest step of a signal that takes few values; else 0

    /// `may_be_pure`: no floor where the values stay well away from zero. What is tolerated in the
    /// unit is the least floor: smaller differences are nobody's business, however many times the
    /// usual value they are. Where the history has nothing but zeros, the margin in the unit tells
    /// how large a step away from them is.
    static Scale of(const Values& history, bool may_be_pure, const Allowance& tolerated = {},
                    const Allowance& margin = {});

    double at(double value) const;
    /// A step `effect` of the scale as a share of the usual level: 0.1 is 10 % more.
    double ratio(double effect) const;
    /// A share of the usual level as a step of the scale.
    double step(double ratio) const;
    /// The same of an allowance: of the usual level's share and the amount, the larger.
    double step(const Allowance& allowance) const;
    /// The value at a point of the scale, in the unit.
    double value(double y) const;
    /// What one step of a signal with few values is on the scale: less cannot be told from
    /// rounding.
    double resolution_step() const;

private:
    static Scale of_sizes(const Values& history, bool may_be_pure);
    double base() const;
};

/// The value that a signal nearly always has, if there is one: leaving it is news of its own, how
/// small the step may be ("was always 0, now never 0").
struct Habit {
    std::optional<double> value;

    static Habit of(const Values& history);
    /// What leaving it adds to a cell, on the logarithmic scale.
    double step(double cell) const;
    /// An effect without the step, where there is a habit.
    double without_step(double effect) const;
};

/// Share of the values that are exactly the median.
double share_at_median(const Values& values);
/// From which share on a signal is a constant with exceptions.
constexpr double constant_share = 0.8;

}  // namespace holdfast::rules
