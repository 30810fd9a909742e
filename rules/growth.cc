#include "rules/growth.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "rules/judging/numerics.h"

namespace holdfast::rules {
namespace {

constexpr Milliseconds day = std::chrono::hours{24};
constexpr double dip_sizes = 2;
constexpr double dip_quartiles = 4;

double value_of(const Cell& cell) {
    return cell.numerator / cell.denominator;
}

}  // namespace

Growth::Growth(Cells tail, Milliseconds cell, Direction worse)
    : last_{tail.begin(), tail.end()},
      days_{static_cast<double>(tail.size()) * static_cast<double>(cell.count()) /
            static_cast<double>(day.count()) * (worse == Direction::down ? -1 : 1)} {
    for (const auto& known : last_) {
        if (known.denominator > 0) {
            level_ = value_of(known);
        }
    }
}

Cell Growth::take(const Cell& level) {
    const auto before = last_.front();
    last_.pop_front();
    last_.push_back(level);
    if (level.denominator <= 0) {
        return {};
    }
    level_ = value_of(level);
    return before.denominator > 0 ? Cell{(*level_ - value_of(before)) / days_, 1} : Cell{};
}

std::size_t growth_steps(Milliseconds cycle, Milliseconds cell) {
    return static_cast<std::size_t>(std::max<std::int64_t>(1, std::min(cycle, day) / cell));
}

Cells growth_of(const Cells& levels, std::size_t steps, Milliseconds cell, Direction worse) {
    Growth growth{Cells(steps), cell, worse};
    Cells out;
    out.reserve(levels.size());
    for (const auto& level : levels) {
        out.push_back(growth.take(level));
    }
    return out;
}

Cells without_dips(Cells growth) {
    Values there;
    for (const auto& cell : growth) {
        if (cell.denominator > 0) {
            there.push_back(value_of(cell));
        }
    }
    const double median = median_of(there);
    const double spread = quantile_of(there, 0.75) - quantile_of(there, 0.25);
    const double least = median - std::max(dip_sizes * std::abs(median), dip_quartiles * spread);
    for (auto& cell : growth) {
        if (cell.denominator > 0 && value_of(cell) < least) {
            cell = {least, 1};
        }
    }
    return growth;
}

Cells levels_before(const Cells& levels, Timestamp begin, Milliseconds cell, Timestamp upgrade,
                    std::size_t steps) {
    Cells out(steps);
    const auto first = upgrade - cell * static_cast<std::int64_t>(steps);
    for (std::size_t k = 0; k < levels.size(); ++k) {
        const auto at = begin + cell * static_cast<std::int64_t>(k);
        if (at >= first && at < upgrade) {
            out[static_cast<std::size_t>((at - first) / cell)] = levels[k];
        }
    }
    return out;
}

}  // namespace holdfast::rules
