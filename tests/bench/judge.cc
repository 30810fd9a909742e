// ./dev bench judge: how often the engine is wrong, and how soon it is right, on simulated upgrades
// whose truth is known. The figures of docs/statistics.md come from here.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <boost/json.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "rules/judging/ensemble.h"
#include "tests/bench/judge_simulation.h"

namespace holdfast::bench {
namespace {

struct Options {
    std::size_t upgrades = 1000;
    std::vector<double> phis{0, 0.6, 0.95};
    std::uint64_t seed = 4242;
    std::size_t threads = 2;
    int weeks = 4;
    bool stress = false;
    bool load = true;
    bool effects = true;
    std::string json;
};

SimulationSettings settings_of(const Options& options, double phi) {
    return {.seed = options.seed,
            .phi = phi,
            .baseline_weeks = options.weeks,
            .stress = options.stress,
            .load = options.load};
}

// ---- what is watched

/// The null comes first, then the regressions by size, then the special cases.
constexpr std::array factors{1.05, 1.1, 1.2, 1.5, 2.0};
constexpr std::size_t unchanged = 0;
constexpr std::size_t first_factor = 1;
constexpr std::size_t at_tolerated = first_factor + factors.size();
constexpr std::size_t at_margin = at_tolerated + 1;
constexpr std::size_t late_onset = at_margin + 1;

constexpr std::size_t minutes_a_day = 1440;
constexpr std::size_t onset_minute = 3 * minutes_a_day;  // the fourth day's first
constexpr double late_factor = 1.2;
constexpr std::size_t first_look_minute = minutes_a_day;
constexpr std::size_t minutes_between_looks = 60;

/// By scenario number.
std::vector<Effect> scenarios(bool effects) {
    std::vector<Effect> all{{}};
    if (!effects) {
        return all;
    }
    for (const double factor : factors) {
        all.push_back({.gauge_factor = factor, .ratio_factor = factor});
    }
    const auto scaled = Effect::Failures::scaled;
    all.push_back({.gauge_factor = 1.02, .ratio_factor = 1.05, .failures = scaled});
    all.push_back({.gauge_factor = 1.10, .ratio_factor = 1.50, .failures = scaled});
    all.push_back(
        {.gauge_factor = late_factor, .ratio_factor = late_factor, .from_minute = onset_minute});
    return all;
}

// ---- what comes of it

constexpr std::array severities{Severity::rollback, Severity::page, Severity::warn};
constexpr double never = std::numeric_limits<double>::infinity();

struct SignalOutcome {
    std::array<double, severities.size()> detected_minutes{never, never, never};  ///< after onset
    bool proven_at_end = false;
    bool proven_at_a_look = false;  ///< hourly from 24 h on, where the scenario looks
};

struct Alarm {
    Severity severity;
    std::string detector;
    bool by_load;
};

struct ScenarioOutcome {
    std::vector<SignalOutcome> signals;
    std::vector<Alarm> alarms;
    double watch_seconds = 0;  ///< CPU
};

struct UpgradeOutcome {
    std::vector<ScenarioOutcome> scenarios;
    double simulate_seconds = 0;  ///< CPU
    double learn_seconds = 0;     ///< CPU
};

double thread_cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double minutes_between(Timestamp from, Timestamp to) {
    return std::chrono::duration<double, std::ratio<60>>(to - from).count();
}

void note_proofs(const rules::EnsembleWatch& watch, bool SignalOutcome::*proven,
                 ScenarioOutcome& outcome) {
    const auto judged = watch.judged();
    for (std::size_t i = 0; i < outcome.signals.size(); ++i) {
        outcome.signals[i].*proven |= judged[i].judgement == Judgement::proven;
    }
}

/// A signal is detected at a level by its first alert that reached at least that error level,
/// whatever it advises: a small effect pages at the level of a rollback. What came before the onset
/// is a false alarm and detects nothing.
void note_alerts(const rules::EnsembleWatch& watch, const SimulatedUpgrade& upgrade,
                 const Effect& effect, ScenarioOutcome& outcome) {
    const auto onset = upgrade.plan.upgrade + std::chrono::minutes{effect.from_minute};
    for (const auto& alert : watch.alerts()) {
        const auto reached = severities[severities.size() - 1 - alert.level];
        outcome.alarms.push_back(
            {reached, std::string{alert.detector}, upgrade.signals[alert.signal].is_load});
        const double minutes = minutes_between(onset, alert.at);
        for (std::size_t level = 0; level < severities.size(); ++level) {
            if (reached >= severities[level] && minutes >= 0) {
                auto& detected = outcome.signals[alert.signal].detected_minutes[level];
                detected = std::min(detected, minutes);
            }
        }
    }
}

ScenarioOutcome watch_scenario(const std::shared_ptr<const rules::EnsembleModel>& model,
                               const SimulatedUpgrade& upgrade, const Effect& effect, bool looks) {
    const auto rows = upgrade.changed_by(effect);
    ScenarioOutcome outcome;
    outcome.signals.resize(upgrade.signals.size());
    const double begin = thread_cpu_seconds();
    rules::EnsembleWatch watch{model};
    for (std::size_t minute = 0; minute < rows.minutes(); ++minute) {
        watch.take(rows.row(minute));
        const auto seen = minute + 1;
        if (looks && seen >= first_look_minute && seen % minutes_between_looks == 0) {
            note_proofs(watch, &SignalOutcome::proven_at_a_look, outcome);
        }
    }
    watch.finish();
    outcome.watch_seconds = thread_cpu_seconds() - begin;
    note_proofs(watch, &SignalOutcome::proven_at_end, outcome);
    note_alerts(watch, upgrade, effect, outcome);
    return outcome;
}

UpgradeOutcome judge_upgrade(const SimulationSettings& settings, std::size_t index,
                             const std::vector<Effect>& effects) {
    UpgradeOutcome outcome;
    const double begin = thread_cpu_seconds();
    const auto upgrade = simulate_upgrade(settings, index);
    const double simulated = thread_cpu_seconds();
    const auto model = rules::learn_ensemble(upgrade.plan, upgrade.signals, upgrade.history);
    outcome.simulate_seconds = simulated - begin;
    outcome.learn_seconds = thread_cpu_seconds() - simulated;
    for (std::size_t i = 0; i < effects.size(); ++i) {
        outcome.scenarios.push_back(watch_scenario(model, upgrade, effects[i], i == at_margin));
    }
    return outcome;
}

/// Counts on stderr, for people only.
class Progress {
public:
    Progress(double phi, std::size_t total)
        : phi_{phi}, total_{total}, visible_{isatty(STDERR_FILENO) == 1} {}
    ~Progress() {
        if (visible_) {
            fmt::print(stderr, "\r\033[K");
        }
    }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void one_done() {
        const std::lock_guard lock{mutex_};
        ++done_;
        if (visible_) {
            fmt::print(stderr, "\rphi {}: {} of {} upgrades", phi_, done_, total_);
        }
    }

private:
    double phi_;
    std::size_t total_;
    bool visible_;
    std::mutex mutex_;
    std::size_t done_ = 0;
};

/// By index, so that the number of threads changes nothing but the time.
std::vector<UpgradeOutcome> judge_all(const Options& options, double phi) {
    const auto settings = settings_of(options, phi);
    const auto effects = scenarios(options.effects);
    std::vector<UpgradeOutcome> outcomes(options.upgrades);
    std::atomic<std::size_t> next{0};
    Progress progress{phi, outcomes.size()};
    const auto work = [&] {
        for (auto i = next++; i < outcomes.size(); i = next++) {
            outcomes[i] = judge_upgrade(settings, i, effects);
            progress.one_done();
        }
    };
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < options.threads; ++i) {
        threads.emplace_back(work);
    }
    work();
    threads.clear();  // joins
    return outcomes;
}

// ---- what it amounts to

/// So many of so many.
struct Share {
    std::size_t hits = 0;
    std::size_t of = 0;

    void count(bool hit) {
        hits += hit ? 1 : 0;
        ++of;
    }
    double ratio() const {
        return of == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(of);
    }
    /// Upper limit of the one-sided 95 % interval of Clopper and Pearson (1934).
    double upper() const {
        if (hits >= of) {
            return 1;
        }
        return boost::math::ibeta_inv(static_cast<double>(hits + 1), static_cast<double>(of - hits),
                                      0.95);
    }
};

/// How many signals were detected, and after how long half of those.
struct Detection {
    Share share;
    double median_minutes = never;
};

/// Upgrades in which anything alarmed at a level though nothing was worse than tolerated.
struct FalseAlarms {
    Share upgrades;
    std::map<std::string, std::size_t> by_detector;  ///< upgrades; one may have several
    std::size_t by_load = 0;                         ///< upgrades whose load signal alarmed
};

/// Signals [first, last) of an upgrade.
struct Group {
    std::string_view name;
    std::size_t first;
    std::size_t last;
};
constexpr std::array groups{Group{"gauges", 0, simulated_gauges},
                            Group{"ratios", simulated_gauges, changed_signals}};

template <class T>
using PerLevel = std::array<T, severities.size()>;
template <class T>
using PerGroup = std::array<T, groups.size()>;

/// Scenarios that were not run are empty.
struct Summary {
    double phi = 0;
    PerLevel<FalseAlarms> unchanged_alarms;
    PerLevel<FalseAlarms> tolerated_alarms;
    PerLevel<PerGroup<std::array<Detection, factors.size()>>> detections;
    PerLevel<PerGroup<Detection>> late;
    PerGroup<Share> closed_unchanged;
    PerGroup<Share> closed_slightly_worse;  ///< at the first factor
    PerGroup<Share> closed_at_margin;       ///< at any look
    Share whole_closed_unchanged;           ///< upgrades, all their gauges and ratios
    double simulate_seconds = 0;            ///< CPU, means
    double learn_seconds = 0;
    double watch_seconds = 0;
};

using Outcomes = std::vector<UpgradeOutcome>;

double median(std::vector<double> values) {
    if (values.empty()) {
        return never;
    }
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) {
        return *middle;
    }
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

Detection detection(const Outcomes& outcomes, std::size_t scenario, std::size_t level,
                    const Group& group) {
    Detection result;
    std::vector<double> minutes;
    for (const auto& upgrade : outcomes) {
        for (std::size_t i = group.first; i < group.last; ++i) {
            const double at = upgrade.scenarios[scenario].signals[i].detected_minutes[level];
            result.share.count(at < never);
            if (at < never) {
                minutes.push_back(at);
            }
        }
    }
    result.median_minutes = median(std::move(minutes));
    return result;
}

void add_alarms(const ScenarioOutcome& outcome, Severity severity, FalseAlarms& result) {
    std::map<std::string, std::size_t> detectors;
    bool load = false;
    for (const auto& alarm : outcome.alarms) {
        if (alarm.severity >= severity) {
            detectors[alarm.detector] = 1;
            load |= alarm.by_load;
        }
    }
    result.upgrades.count(!detectors.empty());
    result.by_load += load ? 1 : 0;
    for (const auto& [detector, once] : detectors) {
        result.by_detector[detector] += once;
    }
}

FalseAlarms false_alarms(const Outcomes& outcomes, std::size_t scenario, Severity severity) {
    FalseAlarms result;
    for (const auto& upgrade : outcomes) {
        add_alarms(upgrade.scenarios[scenario], severity, result);
    }
    return result;
}

PerGroup<Share> proven(const Outcomes& outcomes, std::size_t scenario, bool SignalOutcome::*when) {
    PerGroup<Share> shares;
    for (const auto& upgrade : outcomes) {
        const auto& signals = upgrade.scenarios[scenario].signals;
        for (std::size_t g = 0; g < groups.size(); ++g) {
            for (std::size_t i = groups[g].first; i < groups[g].last; ++i) {
                shares[g].count(signals[i].*when);
            }
        }
    }
    return shares;
}

/// Upgrades all of whose required signals are proven at the end.
Share wholly_proven(const Outcomes& outcomes, std::size_t scenario) {
    Share share;
    for (const auto& upgrade : outcomes) {
        const auto& signals = upgrade.scenarios[scenario].signals;
        share.count(std::all_of(signals.begin(), signals.begin() + changed_signals,
                                [](const auto& signal) { return signal.proven_at_end; }));
    }
    return share;
}

void add_effects(const Outcomes& outcomes, Summary& summary) {
    for (std::size_t level = 0; level < severities.size(); ++level) {
        summary.tolerated_alarms[level] = false_alarms(outcomes, at_tolerated, severities[level]);
        for (std::size_t g = 0; g < groups.size(); ++g) {
            summary.late[level][g] = detection(outcomes, late_onset, level, groups[g]);
            for (std::size_t f = 0; f < factors.size(); ++f) {
                summary.detections[level][g][f] =
                    detection(outcomes, first_factor + f, level, groups[g]);
            }
        }
    }
    summary.closed_slightly_worse = proven(outcomes, first_factor, &SignalOutcome::proven_at_end);
    summary.closed_at_margin = proven(outcomes, at_margin, &SignalOutcome::proven_at_a_look);
}

/// The watch without looks is what a daemon does all day, so only the unchanged one is timed.
void add_times(const Outcomes& outcomes, Summary& summary) {
    for (const auto& upgrade : outcomes) {
        summary.simulate_seconds += upgrade.simulate_seconds;
        summary.learn_seconds += upgrade.learn_seconds;
        summary.watch_seconds += upgrade.scenarios[unchanged].watch_seconds;
    }
    const auto count = static_cast<double>(outcomes.size());
    summary.simulate_seconds /= count;
    summary.learn_seconds /= count;
    summary.watch_seconds /= count;
}

Summary summarise(const Outcomes& outcomes, const Options& options, double phi) {
    Summary summary;
    summary.phi = phi;
    for (std::size_t level = 0; level < severities.size(); ++level) {
        summary.unchanged_alarms[level] = false_alarms(outcomes, unchanged, severities[level]);
    }
    summary.closed_unchanged = proven(outcomes, unchanged, &SignalOutcome::proven_at_end);
    summary.whole_closed_unchanged = wholly_proven(outcomes, unchanged);
    add_times(outcomes, summary);
    if (options.effects) {
        add_effects(outcomes, summary);
    }
    return summary;
}

// ---- for people

std::string percent(double ratio) {
    const double value = 100 * ratio;
    return value > 0 && value < 10 ? fmt::format("{:.1f} %", value)
                                   : fmt::format("{:.0f} %", value);
}

std::string duration(double minutes) {
    if (minutes < 120) {
        return fmt::format("{:.0f} min", minutes);
    }
    return minutes < 2880 ? fmt::format("{:.1f} h", minutes / 60)
                          : fmt::format("{:.1f} d", minutes / 1440);
}

std::string words(const Share& share) {
    return fmt::format("{} (≤ {})", percent(share.ratio()), percent(share.upper()));
}

std::string words(const Detection& detected) {
    if (detected.share.hits == 0) {
        return percent(0);
    }
    return fmt::format("{} / {}", percent(detected.share.ratio()),
                       duration(detected.median_minutes));
}

std::string words(const PerGroup<Share>& shares) {
    return fmt::format("{} {}, {} {}", groups[0].name, percent(shares[0].ratio()), groups[1].name,
                       percent(shares[1].ratio()));
}

std::string words(const PerGroup<Detection>& detections) {
    return fmt::format("{} {}, {} {}", groups[0].name, words(detections[0]), groups[1].name,
                       words(detections[1]));
}

/// The error level of a severity: what the rows are called by.
std::string level_name(Severity severity) {
    const Levels levels;
    const double level = severity == Severity::rollback ? levels.rollback
                         : severity == Severity::page   ? levels.page
                                                        : levels.warn;
    return fmt::format("at {:g} %", 100 * level);
}

std::string causes(const FalseAlarms& alarms) {
    std::string text;
    for (const auto& [detector, upgrades] : alarms.by_detector) {
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", detector, upgrades);
    }
    if (alarms.by_load > 0) {
        text += fmt::format("; the load signal {}", alarms.by_load);
    }
    return text.empty() ? "–" : text;
}

void print_power(const Summary& summary) {
    fmt::print("| φ | rule | FA (95 % limit) |");
    for (const double factor : factors) {
        fmt::print(" ×{:.2f} |", factor);
    }
    fmt::print("\n|---|---|---|---|---|---|---|---|\n");
    for (std::size_t level = 0; level < severities.size(); ++level) {
        for (std::size_t g = 0; g < groups.size(); ++g) {
            fmt::print("| {:g} | {}, {} | {} |", summary.phi, level_name(severities[level]),
                       groups[g].name,
                       g == 0 ? words(summary.unchanged_alarms[level].upgrades) : "");
            for (const auto& detected : summary.detections[level][g]) {
                fmt::print(" {} |", words(detected));
            }
            fmt::print("\n");
        }
    }
    fmt::print("\n");
}

void print_alarms(std::string_view what, const PerLevel<FalseAlarms>& alarms) {
    for (std::size_t level = 0; level < severities.size(); ++level) {
        fmt::print("| {} | {} | {} of {} | {} | {} |\n", what, level_name(severities[level]),
                   alarms[level].upgrades.hits, alarms[level].upgrades.of,
                   words(alarms[level].upgrades), causes(alarms[level]));
    }
}

void print_false_alarms(const Summary& summary, const Options& options) {
    fmt::print("| false alarms | level | upgrades | share (95 % limit) | upgrades by detector |\n");
    fmt::print("|---|---|---|---|---|\n");
    print_alarms("unchanged", summary.unchanged_alarms);
    if (options.effects) {
        print_alarms("all exactly at the tolerated level", summary.tolerated_alarms);
    }
    fmt::print("\n");
}

void print_effects(const Summary& summary) {
    fmt::print("- proven at the end at ×{:.2f}: {}\n", factors[0],
               words(summary.closed_slightly_worse));
    fmt::print("- falsely proven at exactly the margin, any hourly look from 24 h on: {}\n",
               words(summary.closed_at_margin));
    for (std::size_t level = 0; level < severities.size(); ++level) {
        fmt::print("- ×{:.2f} from day 4 on, {}, time since then: {}\n", late_factor,
                   level_name(severities[level]), words(summary.late[level]));
    }
}

void print_summary(const Summary& summary, const Options& options) {
    fmt::print("\n### φ = {:g}\n\n", summary.phi);
    if (options.effects) {
        print_power(summary);
    }
    print_false_alarms(summary, options);
    fmt::print("- proven at the end when unchanged: {}; upgrades with all required proven: {}\n",
               words(summary.closed_unchanged), percent(summary.whole_closed_unchanged.ratio()));
    if (options.effects) {
        print_effects(summary);
    }
    fmt::print(
        "- CPU per upgrade: simulating {:.0f} ms, learning {:.0f} ms, a week's watch "
        "{:.0f} ms\n",
        1e3 * summary.simulate_seconds, 1e3 * summary.learn_seconds, 1e3 * summary.watch_seconds);
    std::fflush(stdout);
}

void print_heading(const Options& options) {
    fmt::print(
        "{} upgrades per φ, each of {} gauges and {} ratios{}; {} weeks of baseline{}, 7 "
        "days of watch; seed {}.\nCells: share of signals detected in 7 days / median time. "
        "FA: upgrades with any false alarm.\n",
        options.upgrades, simulated_gauges, simulated_ratios, options.load ? " and their load" : "",
        options.weeks, options.stress ? ", dirty" : "", options.seed);
}

// ---- for programs

boost::json::value to_json(const Share& share) {
    return {{"hits", share.hits}, {"of", share.of}, {"upper_ratio", share.upper()}};
}

boost::json::value to_json(const Detection& detected) {
    boost::json::value median;  // null when there is none
    if (detected.share.hits > 0) {
        median = detected.median_minutes;
    }
    return {{"share", to_json(detected.share)}, {"median_minutes", median}};
}

boost::json::value to_json(const FalseAlarms& alarms) {
    boost::json::object detectors;
    for (const auto& [detector, upgrades] : alarms.by_detector) {
        detectors[detector] = upgrades;
    }
    return {{"upgrades", to_json(alarms.upgrades)},
            {"by_detector", std::move(detectors)},
            {"by_load", alarms.by_load}};
}

template <class T>
boost::json::value to_json(const PerGroup<T>& values) {
    boost::json::object object;
    for (std::size_t g = 0; g < groups.size(); ++g) {
        object[groups[g].name] = to_json(values[g]);
    }
    return object;
}

boost::json::value to_json(const std::array<Detection, factors.size()>& detections) {
    boost::json::object object;
    for (std::size_t f = 0; f < factors.size(); ++f) {
        object[fmt::format("{:g}", factors[f])] = to_json(detections[f]);
    }
    return object;
}

constexpr PerLevel<std::string_view> level_keys{"rollback", "page", "warn"};

template <class T>
boost::json::value by_level(const PerLevel<T>& values) {
    boost::json::object object;
    for (std::size_t level = 0; level < severities.size(); ++level) {
        object[level_keys[level]] = to_json(values[level]);
    }
    return object;
}

boost::json::value to_json(const Summary& summary, const Options& options) {
    boost::json::object object{
        {"phi", summary.phi},
        {"false_alarms_unchanged", by_level(summary.unchanged_alarms)},
        {"proven_unchanged", to_json(summary.closed_unchanged)},
        {"all_required_proven_unchanged", to_json(summary.whole_closed_unchanged)},
        {"simulate_cpu_seconds", summary.simulate_seconds},
        {"learn_cpu_seconds", summary.learn_seconds},
        {"watch_cpu_seconds", summary.watch_seconds}};
    if (options.effects) {
        object["detections"] = by_level(summary.detections);
        object["late_onset"] = by_level(summary.late);
        object["false_alarms_tolerated"] = by_level(summary.tolerated_alarms);
        object["proven_slightly_worse"] = to_json(summary.closed_slightly_worse);
        object["proven_at_margin"] = to_json(summary.closed_at_margin);
    }
    return object;
}

/// Whether it could be written.
bool write_json(const std::vector<Summary>& summaries, const Options& options) {
    boost::json::array rows;
    for (const auto& summary : summaries) {
        rows.push_back(to_json(summary, options));
    }
    const boost::json::value report{{"upgrades", options.upgrades}, {"seed", options.seed},
                                    {"weeks", options.weeks},       {"stress", options.stress},
                                    {"load", options.load},         {"rows", std::move(rows)}};
    std::ofstream file{options.json};
    file << report << '\n';
    file.flush();
    if (!file) {
        fmt::print(stderr, "write {}: failed; check the path\n", options.json);
    }
    return file.good();
}

// ---- the command line

/// The options, or the status to exit with.
std::variant<Options, int> parse_options(int argc, char** argv) {
    Options options;
    CLI::App app{"Judges simulated upgrades: false alarms, power and proofs of the engine"};
    app.add_option("--upgrades", options.upgrades, "upgrades per phi")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--phi", options.phis, "autocorrelation from minute to minute; repeatable")
        ->check(CLI::Range(0.0, 0.999))
        ->capture_default_str();
    app.add_option("--seed", options.seed, "of everything random")->capture_default_str();
    app.add_option("--threads", options.threads, "the results do not depend on it")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--weeks", options.weeks, "of baseline")
        ->check(CLI::Range(1, 52))
        ->capture_default_str();
    app.add_flag("--stress", options.stress, "incidents and growth in the baseline");
    app.add_flag("--load,!--no-load", options.load, "the traffic is a signal too (default)");
    app.add_flag("--effects,!--null-only", options.effects,
                 "regressions too (default), or only false alarms");
    app.add_option("--json", options.json, "write the figures to this file");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    }
    return options;
}

/// Returns the status to exit with.
int run(const Options& options) {
    print_heading(options);
    std::vector<Summary> summaries;
    for (const double phi : options.phis) {
        summaries.push_back(summarise(judge_all(options, phi), options, phi));
        print_summary(summaries.back(), options);
    }
    return options.json.empty() || write_json(summaries, options) ? 0 : 1;
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
    const auto options = holdfast::bench::parse_options(argc, argv);
    if (const auto* status = std::get_if<int>(&options)) {
        return *status;
    }
    return holdfast::bench::run(std::get<holdfast::bench::Options>(options));
}
