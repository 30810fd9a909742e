#include "daemon/metrics_page.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "daemon/version.h"
#include "model/names.h"
#include "rules/history.h"

namespace holdfast::daemon {
namespace {

constexpr std::size_t ended_shown = 10;
constexpr Milliseconds signal_stale_after = std::chrono::minutes{5};

double seconds(Timestamp at) {
    return static_cast<double>(at.time_since_epoch().count()) / 1e3;
}

/// The newest ended upgrades and all open ones, in order.
std::vector<const Upgrade*> shown_upgrades(const Upgrades& upgrades) {
    std::vector<const Upgrade*> out;
    std::size_t ended = 0;
    for (auto it = upgrades.all().rbegin(); it != upgrades.all().rend(); ++it) {
        if (it->second.open() || ended++ < ended_shown) {
            out.push_back(&it->second);
        }
    }
    std::reverse(out.begin(), out.end());
    return out;
}

Labels of_upgrade(const Upgrade& upgrade) {
    return {{"upgrade", upgrade.id}, {"target", upgrade.target}};
}

Labels of_rule(const Upgrade& upgrade, const Judged& judged) {
    auto labels = of_upgrade(upgrade);
    labels["rule"] = judged.rule;
    return merged(std::move(labels), signal_labels(judged.signal));
}

/// A label set rendered once for many lines: `{a="1",b="2"`, without the brace at its end.
std::string opened(const Labels& labels) {
    auto text = to_string(Series{{}, labels, SeriesType::gauge});
    text.pop_back();
    return text;
}

/// One 0/1 line for every state that there is: a state set.
template <class E>
void state_set(TextPage& page, std::string_view name, std::string_view labels,
               std::string_view label, E present) {
    for (const auto& [state, word] : Names<E>::table) {
        page.rendered(fmt::format("{}{},{}=\"{}\"}}", name, labels, label, word),
                      state == present ? 1 : 0);
    }
}

void write_upgrades(TextPage& page, const std::vector<const Upgrade*>& shown) {
    if (shown.empty()) {
        return;
    }
    page.family("holdfast_upgrade_info", SeriesType::gauge, "What an upgrade is of");
    for (const auto* u : shown) {
        auto labels = of_upgrade(*u);
        labels["from_version"] = u->from;
        labels["to_version"] = u->to;
        page.value("holdfast_upgrade_info", labels, 1);
    }
    page.family("holdfast_upgrade_phase", SeriesType::gauge, "Whether the upgrade is in the phase");
    for (const auto* u : shown) {
        state_set(page, "holdfast_upgrade_phase", opened(of_upgrade(*u)), "phase", u->phase);
    }
    page.family("holdfast_upgrade_verdict", SeriesType::gauge,
                "Whether the upgrade has the verdict");
    for (const auto* u : shown) {
        state_set(page, "holdfast_upgrade_verdict", opened(of_upgrade(*u)), "verdict", u->verdict);
    }
    const auto times = [&](const char* name, const char* help, auto&& get) {
        bool begun = false;
        for (const auto* u : shown) {
            if (const std::optional<Timestamp> at = get(*u)) {
                if (!std::exchange(begun, true)) {
                    page.family(name, SeriesType::gauge, help);
                }
                page.value(name, of_upgrade(*u), seconds(*at));
            }
        }
    };
    times("holdfast_upgrade_start_timestamp_seconds", "When the upgrade started",
          [](const Upgrade& u) { return std::optional{u.started_at}; });
    times("holdfast_upgrade_window_end_timestamp_seconds", "When the upgrade's window ended",
          [](const Upgrade& u) { return u.window_end_at; });
    times("holdfast_upgrade_closed_timestamp_seconds", "When the upgrade ended",
          [](const Upgrade& u) { return u.ended_at; });
}

void write_judgements(TextPage& page, const std::vector<const Upgrade*>& shown) {
    const auto any = std::any_of(shown.begin(), shown.end(),
                                 [](const Upgrade* u) { return !u->judgements.empty(); });
    if (!any) {
        return;
    }
    struct Line {
        const Judged* judged;
        std::string labels;
    };
    std::vector<Line> lines;
    for (const auto* u : shown) {
        for (const auto& j : u->judgements) {
            lines.push_back({&j, opened(of_rule(*u, j))});
        }
    }
    page.family("holdfast_rule_judgement", SeriesType::gauge, "Whether the rule says so");
    for (const auto& line : lines) {
        state_set(page, "holdfast_rule_judgement", line.labels, "judgement",
                  line.judged->judgement);
    }
    const auto figures = [&](const char* name, const char* help, auto&& get) {
        bool begun = false;
        for (const auto& line : lines) {
            const double figure = get(line.judged->evidence);
            if (!std::isfinite(figure)) {
                continue;  // no baseline, or one of zero: there is no ratio
            }
            if (!std::exchange(begun, true)) {
                page.family(name, SeriesType::gauge, help);
            }
            page.rendered(fmt::format("{}{}}}", name, line.labels), figure);
        }
    };
    const auto ratio = [](const Evidence& e, double amount) {
        return e.baseline != 0 ? amount / std::abs(e.baseline) : std::nan("");
    };
    figures("holdfast_rule_effect_ratio", "Worsening as a share of the baseline's level",
            [&](const Evidence& e) { return e.blocks > 0 ? ratio(e, e.effect) : std::nan(""); });
    figures(
        "holdfast_rule_effect_lower_ratio", "Lower limit of the worsening",
        [&](const Evidence& e) { return e.blocks > 0 ? ratio(e, e.effect_lower) : std::nan(""); });
    figures(
        "holdfast_rule_effect_upper_ratio", "Upper limit of the worsening",
        [&](const Evidence& e) { return e.blocks > 0 ? ratio(e, e.effect_upper) : std::nan(""); });
    figures("holdfast_rule_margin_ratio", "Worsening that must be ruled out before closing",
            [&](const Evidence& e) { return ratio(e, e.margin); });
    figures("holdfast_rule_coverage_ratio", "Share of the business cycle that the proof has seen",
            [](const Evidence& e) { return e.coverage_ratio; });
}

void write_signals(TextPage& page, const LiveSignals& signals, Timestamp now) {
    bool begun = false;
    for (const auto& signal : signals.latest()) {
        if (!signal.point || signal.point->at + signal_stale_after < now) {
            continue;
        }
        if (!std::exchange(begun, true)) {
            page.family("holdfast_signal_value", SeriesType::gauge,
                        "Newest value of a signal, in the unit that its name ends in");
        }
        page.rendered(signal.rendered, signal.point->value());
    }
}

void write_bands(TextPage& page, const Upgrades& upgrades, Timestamp now) {
    struct Line {
        std::string labels;
        SeasonSummary band;
    };
    std::vector<Line> lines;
    for (const auto& [number, upgrade] : upgrades.all()) {
        const auto baseline = upgrade.open() ? upgrades.baseline(upgrade.baseline_id) : nullptr;
        if (!baseline) {
            continue;
        }
        const rules::SeasonClock clock{baseline->cycle, baseline->offsets};
        for (const auto& signal : baseline->signals) {
            if (signal.kind == Kind::trend) {
                continue;  // its band is of growth, which no holdfast_signal_value is compared with
            }
            if (const auto* const band = rules::season_at(signal, clock, now)) {
                lines.push_back(
                    {opened(merged({{"upgrade", upgrade.id}}, signal_labels(signal.signal))),
                     *band});
            }
        }
    }
    const auto write = [&](const char* name, const char* help, double SeasonSummary::*member) {
        if (!lines.empty()) {
            page.family(name, SeriesType::gauge, help);
        }
        for (const auto& line : lines) {
            page.rendered(fmt::format("{}{}}}", name, line.labels), line.band.*member);
        }
    };
    write("holdfast_baseline_lower", "5 % limit of the baseline in the present season",
          &SeasonSummary::lower);
    write("holdfast_baseline_middle", "Level of the baseline in the present season",
          &SeasonSummary::middle);
    write("holdfast_baseline_upper", "95 % limit of the baseline in the present season",
          &SeasonSummary::upper);
}

/// process_* as Prometheus' client libraries have them, from /proc/self.
void write_process(TextPage& page) {
    std::ifstream stat{"/proc/self/stat"};
    std::string text{std::istreambuf_iterator<char>{stat}, {}};
    const auto close = text.rfind(')');
    if (close == std::string::npos) {
        return;
    }
    std::istringstream fields{text.substr(close + 2)};
    std::string skipped;
    double user = 0;
    double system = 0;
    double pages = 0;
    for (int field = 3; field <= 24; ++field) {
        if (field == 14) {
            fields >> user;
        } else if (field == 15) {
            fields >> system;
        } else if (field == 24) {
            fields >> pages;
        } else {
            fields >> skipped;
        }
    }
    page.family("process_cpu_seconds_total", SeriesType::counter, "Processor time of holdfastd");
    page.rendered("process_cpu_seconds_total",
                  (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK)));
    page.family("process_resident_memory_bytes", SeriesType::gauge, "Resident memory of holdfastd");
    page.rendered("process_resident_memory_bytes",
                  pages * static_cast<double>(::sysconf(_SC_PAGESIZE)));
}

}  // namespace

std::string metrics_page(SelfMetrics& self, LiveBoard& board, const LiveSignals& signals,
                         const Upgrades& upgrades, Timestamp now) {
    TextPage page;
    // Reconfigured signals count from zero again; the counter does not.
    self.signals_dropped.Increment(
        std::max(0.0, static_cast<double>(signals.dropped()) - self.signals_dropped.Value()));
    page.family("holdfast_build_info", SeriesType::gauge, "The version of holdfastd");
    page.value("holdfast_build_info", {{"version", std::string{version}}}, 1);
    for (const auto& family : self.registry->Collect()) {
        page.family(family);
    }
    write_process(page);
    board.write(page, now);
    write_signals(page, signals, now);
    const auto shown = shown_upgrades(upgrades);
    write_upgrades(page, shown);
    write_judgements(page, shown);
    write_bands(page, upgrades, now);
    return page.take();
}

}  // namespace holdfast::daemon
