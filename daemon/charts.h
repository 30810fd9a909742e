#pragma once
#include <functional>
#include <string>
#include <vector>

#include "model/baseline.h"
#include "model/result.h"
#include "model/upgrade.h"
#include "storage/store.h"

namespace holdfast::daemon {

/// One signal against the band of its baseline, on a regular grid. NaN: there was nothing.
struct Chart {
    SignalId signal;
    Kind kind = Kind::gauge;
    Timestamp begin{};
    Milliseconds step{};
    std::vector<double> values;                ///< means, in the signal's unit; of a trend
                                               ///< its growth, in the unit a day
    std::vector<double> lower, middle, upper;  ///< 5 %, 50 %, 95 % of the season
};

/// The signals of `rule` since the upgrade began, as the stored samples tell them until `end`: at
/// most `points_max` points each, the cells or whole multiples of them. Blocks on the disk; stops
/// early with Errc::cancelled. Errc::not_found when the upgrade has no such rule.
Result<std::vector<Chart>> charts_of(const storage::SampleStore& store, const Upgrade& upgrade,
                                     const Baseline& baseline, const std::string& rule,
                                     Timestamp end, const std::function<bool()>& cancelled);

constexpr std::size_t chart_points_max = 2016;  ///< a week of five minutes
constexpr std::size_t charts_max = 50;          ///< signals of one rule

}  // namespace holdfast::daemon
