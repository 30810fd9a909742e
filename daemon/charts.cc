#include "daemon/charts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "rules/derive.h"
#include "rules/growth.h"
#include "rules/history.h"

namespace holdfast::daemon {
namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

/// A cell or as many as it takes to keep within the points.
Milliseconds step_for(Milliseconds length, Milliseconds cell) {
    const auto cells = length / cell + 1;
    const auto points = static_cast<std::int64_t>(chart_points_max);
    return cell * std::max<std::int64_t>(1, (cells + points - 1) / points);
}

/// Points that growth looks back.
std::size_t growth_lead(const rules::SeasonClock& clock, Milliseconds step) {
    return rules::growth_steps(clock.cycle(), step);
}

/// The growth of `points` cells, which come after `lead` others.
Cells growth_with(const rules::CellSeries& levels, std::size_t lead, std::size_t points,
                  Milliseconds step) {
    auto growth = rules::growth_of(levels.take(lead + points), lead, step);
    growth.erase(growth.begin(), growth.begin() + static_cast<std::ptrdiff_t>(lead));
    return growth;
}

Chart chart_of(const SignalBaseline& known, const rules::CellSeries& cells,
               const rules::SeasonClock& clock, Timestamp begin, Milliseconds step,
               std::size_t points) {
    Chart chart{.signal = known.signal, .kind = known.kind, .begin = begin, .step = step};
    const auto means = known.kind == Kind::trend
                           ? growth_with(cells, growth_lead(clock, step), points, step)
                           : cells.take(points);
    auto at = begin;
    for (std::size_t k = 0; k < points; ++k, at += step) {
        const auto& cell = means[k];
        const auto* const season = rules::season_at(known, clock, at);
        chart.values.push_back(cell.denominator > 0 ? cell.numerator / cell.denominator : nothing);
        chart.lower.push_back(season != nullptr ? season->lower : nothing);
        chart.middle.push_back(season != nullptr ? season->middle : nothing);
        chart.upper.push_back(season != nullptr ? season->upper : nothing);
    }
    return chart;
}

}  // namespace

Result<std::vector<Chart>> charts_of(const storage::SampleStore& store, const Upgrade& upgrade,
                                     const Baseline& baseline, const std::string& rule,
                                     Timestamp end, const std::function<bool()>& cancelled) {
    const auto wanted = std::find_if(upgrade.rules.begin(), upgrade.rules.end(),
                                     [&](const Rule& r) { return r.name == rule; });
    if (wanted == upgrade.rules.end()) {
        return failure(Errc::not_found, "upgrade {} has no rule {}; see 'holdfast upgrade show {}'",
                       upgrade.id, rule, upgrade.id);
    }
    const auto begin = upgrade.window_end_at.value_or(upgrade.started_at);
    const auto length = std::max(Milliseconds{0}, end - begin);
    const auto step = step_for(length, rules::cell_of(baseline, upgrade.cycle));
    const auto points = static_cast<std::size_t>(length / step);
    const auto place_of = [&](const SignalId& id) {
        return std::find_if(baseline.signals.begin(), baseline.signals.end(),
                            [&](const SignalBaseline& s) { return s.signal == id; });
    };
    struct Drawn {
        const SignalBaseline* known = nullptr;  ///< null: not asked for
        rules::CellSeries cells;
    };
    const rules::SeasonClock clock{upgrade.cycle, baseline.offsets};
    const auto lead_points = growth_lead(clock, step);
    const auto lead = step * static_cast<std::int64_t>(lead_points);
    const bool grows =
        std::any_of(baseline.signals.begin(), baseline.signals.end(), [&](const SignalBaseline& s) {
            return s.kind == Kind::trend && matches(wanted->signal, wanted->match, s.signal);
        });
    rules::SignalDeriver deriver{upgrade.signals};
    std::vector<Drawn> drawn;
    std::size_t asked_for = 0;
    std::size_t rows = 0;
    bool stopped = false;
    const auto scanned =
        store.scan({grows ? begin - lead : begin, end}, [&](const storage::Row& row) {
            for (const auto& [index, point] : deriver.derive(row.source, row.at, row.reading)) {
                while (drawn.size() <= index) {
                    const auto& id = deriver.id(drawn.size());
                    const auto known = place_of(id);
                    const bool asked = known != baseline.signals.end() && asked_for < charts_max &&
                                       matches(wanted->signal, wanted->match, id);
                    asked_for += asked ? 1 : 0;
                    const bool trend = asked && known->kind == Kind::trend;
                    drawn.push_back(
                        {asked ? &*known : nullptr,
                         {asked ? known->kind : Kind::gauge, trend ? begin - lead : begin, step,
                          asked ? points + (trend ? lead_points : 0) : 0}});
                }
                drawn[index].cells.add(point);
            }
            stopped = ++rows % 1024 == 0 && cancelled();
            return !stopped;
        });
    if (!scanned) {
        return tl::unexpected(scanned.error().while_doing("draw rule " + rule));
    }
    if (stopped) {
        return failure(Errc::cancelled, "draw rule {}: holdfastd is stopping", rule);
    }
    std::vector<Chart> charts;
    for (const auto& d : drawn) {
        if (d.known != nullptr) {
            charts.push_back(chart_of(*d.known, d.cells, clock, begin, step, points));
        }
    }
    return charts;
}

}  // namespace holdfast::daemon
