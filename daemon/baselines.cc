#include "daemon/baselines.h"

#include <algorithm>

#include "daemon/quantities.h"
#include "daemon/timezone.h"
#include "rules/derive.h"
#include "rules/excluded_time.h"
#include "rules/history.h"
#include "rules/words.h"

namespace holdfast::daemon {
namespace {

constexpr int cycles_default = 4;
constexpr int cycles_max = 64;
constexpr std::size_t cells_max =
    32'000'000;  // 512 MiB while it learns; 3,900 signals of four weeks
constexpr std::size_t exclusions_named = 3;
constexpr auto after_end = std::chrono::hours{24 * 400};  // offsets for the watch that follows

Result<Window> window_of(const BaselineRequest& request, const Window& extent,
                         const rules::ExcludedTime& excluded) {
    if (request.range > cycles_max * request.cycle) {
        return failure(Errc::invalid, "take a baseline of {}: more than {} cycles of {}",
                       format_duration(request.range), cycles_max, format_duration(request.cycle));
    }
    // The newest reading speaks for the step that it begins.
    const auto end = std::min(
        request.end, extent.end + std::max(request.step - Milliseconds{1}, Milliseconds{0}));
    if (request.range > Milliseconds{0}) {
        return Window{std::max(end - request.range, extent.begin), end};
    }
    const auto most = std::min<std::int64_t>((end - extent.begin) / request.cycle, cycles_max);
    auto whole = std::min<std::int64_t>(most, cycles_default);
    const auto learnt = [&](const Window& window) {
        return window.length() - excluded.within(window);
    };
    while (whole < most &&
           learnt({end - whole * request.cycle, end}) < cycles_default * request.cycle) {
        ++whole;
    }
    return Window{whole > 0 ? end - whole * request.cycle : extent.begin, end};
}

std::string note_on_length(const Baseline& baseline, std::size_t left_out) {
    std::string note;
    if (baseline.whole_cycles < 1) {
        note = fmt::format(
            "only {} of the business cycle of {} was recorded: a worsening is "
            "paged, nothing can be proven",
            rules::in_words(baseline.window.length()), rules::in_words(baseline.cycle));
    } else if (baseline.whole_cycles < cycles_default) {
        note = fmt::format("only {:.0f} whole cycle{} of {}; four tell one from another",
                           baseline.whole_cycles, baseline.whole_cycles == 1 ? "" : "s",
                           rules::in_words(baseline.cycle));
    }
    if (left_out > 0) {
        note += fmt::format("{}{} signals were left out, too many cells for one baseline",
                            note.empty() ? "" : "; ", left_out);
    }
    return note;
}

/// `left out: 2026-11-24T09:30:00Z to 2026-11-24T11:00:00Z (incident 4711) and 2 more`.
std::string note_on_excluded(const std::vector<Exclusion>& excluded) {
    std::string out;
    for (std::size_t i = 0; i < std::min(excluded.size(), exclusions_named); ++i) {
        out += fmt::format("{}{} to {} ({})", i == 0 ? "left out: " : ", ",
                           rules::in_words(excluded[i].window.begin),
                           rules::in_words(excluded[i].window.end), excluded[i].reason);
    }
    if (excluded.size() > exclusions_named) {
        out += fmt::format(" and {} more", excluded.size() - exclusions_named);
    }
    return out;
}

std::string note_on(const Baseline& baseline, std::size_t left_out) {
    const auto length = note_on_length(baseline, left_out);
    const auto excluded = note_on_excluded(baseline.excluded);
    return length + (length.empty() || excluded.empty() ? "" : "; ") + excluded;
}

}  // namespace

Result<LearntBaseline> learn_baseline(const storage::SampleSource& store,
                                      const BaselineRequest& request,
                                      const std::function<bool()>& cancelled) {
    const auto extent = store.extent();
    if (!extent) {
        return tl::unexpected(extent.error());
    }
    if (!*extent || (*extent)->begin >= request.end) {
        return failure(Errc::not_found,
                       "take a baseline: no samples yet; wait for the collectors, see "
                       "'holdfast series list'");
    }
    const rules::ExcludedTime excluded{request.exclude};
    const auto window = window_of(request, **extent, excluded);
    if (!window) {
        return tl::unexpected(window.error());
    }
    auto offsets = utc_offsets(request.timezone, {window->begin, window->end + after_end});
    if (!offsets) {
        return tl::unexpected(offsets.error());
    }
    LearntBaseline learnt{
        .baseline = {
            .window = *window,
            .cycle = request.cycle,
            .cell = rules::cell_length(request.cycle, std::min(request.step, request.cycle / 12)),
            .timezone = request.timezone,
            .offsets = std::move(*offsets)}};
    auto& baseline = learnt.baseline;
    baseline.excluded = rules::exclusions_in(*window, request.exclude);
    baseline.whole_cycles = static_cast<double>(window->length() / request.cycle);
    const auto cells = static_cast<std::size_t>(window->length() / baseline.cell);
    const auto begin = window->end - baseline.cell * static_cast<std::int64_t>(cells);
    struct Seen {
        rules::CellSeries cells;
        Timestamp first{}, last{};
        double points = 0;
    };
    rules::SignalDeriver deriver{request.signals};
    std::vector<Seen> seen;
    std::size_t left_out = 0;
    const auto signals_max = cells_max / std::max<std::size_t>(1, cells);
    bool stopped = false;
    const auto scanned = store.scan(*window, [&](const storage::Row& row) {
        ++baseline.rows;
        for (const auto& [index, point] : deriver.derive(row.source, row.at, row.reading)) {
            if (index >= signals_max) {
                left_out = std::max(left_out, index + 1 - signals_max);
                continue;
            }
            while (seen.size() <= index) {
                const auto kind = deriver.definition(seen.size()).kind;
                seen.push_back({{kind, begin, baseline.cell, cells}, {}, {}, 0});
            }
            auto& s = seen[index];
            if (!excluded.contains(point.at) && s.cells.add(point)) {
                s.first = s.points > 0 ? s.first : point.at;
                s.last = point.at;
                s.points += 1;
            }
        }
        stopped = baseline.rows % 1024 == 0 && cancelled();
        return !stopped;
    });
    if (!scanned) {
        return tl::unexpected(scanned.error().while_doing("take a baseline"));
    }
    if (stopped) {
        return failure(Errc::cancelled, "take a baseline: holdfastd is stopping");
    }
    const rules::SeasonClock clock{request.cycle, baseline.offsets};
    learnt.history = {.begin = begin, .cell = baseline.cell, .signals = {}};
    for (std::size_t i = 0; i < seen.size(); ++i) {
        auto& s = seen[i];
        auto of_signal = s.cells.take(cells);
        auto summary = rules::summarise(deriver.id(i), deriver.definition(i).kind, of_signal, begin,
                                        baseline.cell, clock);
        if (!summary) {
            continue;
        }
        summary->step = s.points > 1
                            ? Milliseconds{static_cast<std::int64_t>(
                                  static_cast<double>((s.last - s.first).count()) / (s.points - 1))}
                            : baseline.cell;
        baseline.signals.push_back(std::move(*summary));
        learnt.history.signals.push_back(std::move(of_signal));
        s.cells = {Kind::gauge, begin, baseline.cell, 0};
    }
    baseline.note = note_on(baseline, left_out);
    return learnt;
}

}  // namespace holdfast::daemon
