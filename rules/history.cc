#include "rules/history.h"

#include <algorithm>

#include "rules/growth.h"
#include "rules/judging/numerics.h"

namespace holdfast::rules {

CellSeries::CellSeries(Kind kind, Timestamp begin, Milliseconds cell, std::size_t cells_max)
    : kind_{kind}, begin_{begin}, cell_{cell}, cells_max_{cells_max} {}

bool CellSeries::add(const Point& point) {
    if (point.at < begin_) {
        return false;
    }
    const auto index = static_cast<std::size_t>((point.at - begin_) / cell_);
    if (index < first_ || index >= cells_max_) {
        return false;
    }
    if (index - first_ >= sums_.size()) {
        sums_.resize(index - first_ + 1);
    }
    auto& cell = sums_[index - first_];
    cell.numerator += point.numerator;
    cell.denominator += point.denominator;
    return true;
}

Cell CellSeries::at(std::size_t index) const {
    if (index < first_ || index - first_ >= sums_.size()) {
        return {};
    }
    const auto& cell = sums_[index - first_];
    const bool by_events = kind_ == Kind::ratio || kind_ == Kind::latency || kind_ == Kind::count;
    return by_events || cell.denominator <= 0 ? cell : Cell{cell.numerator / cell.denominator, 1};
}

void CellSeries::drop_before(std::size_t index) {
    if (index > first_) {
        const auto gone = std::min(index - first_, sums_.size());
        sums_.erase(sums_.begin(), sums_.begin() + static_cast<std::ptrdiff_t>(gone));
        first_ = index;
    }
}

Cells CellSeries::take(std::size_t size) const {
    Cells out;
    out.reserve(size);
    for (std::size_t k = 0; k < size; ++k) {
        out.push_back(at(first_ + k));
    }
    return out;
}

std::optional<SignalBaseline> summarise(const SignalId& signal, Kind kind, const Cells& cells,
                                        Timestamp begin, Milliseconds cell,
                                        const SeasonClock& clock) {
    if (kind == Kind::trend) {
        const auto growth = growth_of(cells, growth_steps(clock.cycle(), cell), cell);
        auto out = summarise(signal, Kind::gauge, growth, begin, cell, clock);
        if (out) {
            out->kind = kind;
        }
        return out;
    }
    std::vector<Values> by_slot(clock.slots());
    Values all;
    auto at = begin;
    for (const auto& c : cells) {
        if (c.denominator > 0) {
            const double value = c.numerator / c.denominator;
            all.push_back(value);
            if (const auto slot = clock.slot(at)) {
                by_slot[*slot].push_back(value);
            }
        }
        at += cell;
    }
    if (all.empty()) {
        return std::nullopt;
    }
    SignalBaseline out{.signal = signal, .kind = kind};
    const auto [least, most] = std::minmax_element(all.begin(), all.end());
    out.typical = median_of(all);
    out.minimum = *least;
    out.maximum = *most;
    out.cells = static_cast<double>(all.size());
    for (const auto& values : by_slot) {
        SeasonSummary season;
        if (!values.empty()) {
            season = {quantile_of(values, 0.05), median_of(values), quantile_of(values, 0.95),
                      static_cast<double>(values.size())};
        }
        out.seasons.push_back(season);
    }
    return out;
}

Milliseconds cell_of(const Baseline& baseline, Milliseconds cycle) {
    return baseline.cell > Milliseconds{0} ? baseline.cell : cell_length(cycle, Milliseconds{0});
}

const SeasonSummary* season_at(const SignalBaseline& baseline, const SeasonClock& clock,
                               Timestamp at) {
    const auto slot = clock.slot(at);
    if (!slot || *slot >= baseline.seasons.size() || baseline.seasons[*slot].cells <= 0) {
        return nullptr;
    }
    return &baseline.seasons[*slot];
}

}  // namespace holdfast::rules
