#include "daemon/client/replay.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <future>
#include <iostream>
#include <mutex>

#include "daemon/client/connection.h"
#include "daemon/client/offline.h"
#include "daemon/client/output.h"
#include "daemon/client/replay_data.h"
#include "daemon/client/replay_rules.h"
#include "daemon/client/replay_upgrade.h"
#include "daemon/config.h"
#include "daemon/judging_json.h"
#include "daemon/quantities.h"
#include "model/names.h"
#include "rules/judging/reasons.h"

namespace holdfast::client {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

using daemon::alert_json;
using daemon::number_json;
using rules::EnsembleAlert;
using rules::EnsembleJudged;
using rules::EnsembleSignal;

// ---- JSON

json::object judged_json(const EnsembleJudged& judged, const EnsembleSignal& signal,
                         const std::string& reason) {
    return {{"metric", signal.name},
            {"judgement", name_of(judged.judgement)},
            {"severity", name_of(judged.severity)},
            {"effect_ratio", number_json(judged.effect_ratio)},
            {"effect_lower_ratio", number_json(judged.effect_lower_ratio)},
            {"effect_upper_ratio", number_json(judged.effect_upper_ratio)},
            {"margin_ratio", number_json(judged.margin_ratio)},
            {"coverage_ratio", number_json(judged.coverage_ratio)},
            {"reason", reason}};
}

int exit_for(std::string_view verdict) {
    if (verdict == "pass") {
        return Exit::ok;
    }
    return verdict == "fail" ? Exit::rollback : Exit::still_watching;
}

// ---- one case

struct CaseFiles {
    fs::path baseline;
    fs::path after;
    fs::path description;  ///< case.json; empty: there is none
};

/// What was said of one case.
struct Replayed {
    std::string verdict;
    std::size_t alerts = 0;
    std::string result;  ///< text of result.json
};

Result<ReplayData> load(const CaseFiles& files, const ReplayOptions& options) {
    const auto wanted =
        files.description.empty() ? Result<ReplayCase>{ReplayCase{}} : read_case(files.description);
    if (!wanted) {
        return tl::unexpected(wanted.error());
    }
    auto reading = std::async(std::launch::async, [&] { return read_recording(files.after); });
    const auto baseline = read_recording(files.baseline);
    const auto after = reading.get();
    if (!baseline) {
        return tl::unexpected(baseline.error());
    }
    if (!after) {
        return tl::unexpected(after.error());
    }
    return prepare_replay(*baseline, *after, *wanted, options);
}

std::vector<EnsembleAlert> by_time(std::vector<EnsembleAlert> alerts,
                                   const std::vector<EnsembleAlert>& more) {
    alerts.insert(alerts.end(), more.begin(), more.end());
    std::stable_sort(alerts.begin(), alerts.end(),
                     [](const auto& a, const auto& b) { return a.at < b.at; });
    return alerts;
}

std::vector<std::string> rule_names(const ReplayData& data) {
    std::vector<std::string> out;
    for (const auto& rule : data.rules) {
        out.push_back(rule ? rule->name : std::string{});
    }
    return out;
}

Replayed judge(const ReplayData& data, unsigned threads) {
    rules::EnsembleWatch watch{
        rules::learn_ensemble(data.plan, data.signals, data.history, with_threads(threads))};
    RuleWatch rules{data};
    std::vector<Cell> row(data.signals.size());
    const auto cells = data.after.empty() ? 0 : data.after.front().size();
    for (std::size_t k = 0; k < cells; ++k) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            row[i] = data.after[i][k];
        }
        const auto breaches_ended = rules.take(row);
        watch.take(row);
        for (const auto signal : breaches_ended) {
            watch.restart_proof(signal);
        }
    }
    watch.finish();
    const auto alerts = by_time(watch.alerts(), rules.alerts());
    auto judged = watch.judged();
    std::vector<std::string> reasons;
    for (std::size_t i = 0; i < judged.size(); ++i) {
        reasons.push_back(
            rules::evidence_of(data.signals[i], judged[i], data.plan, watch.now()).reason);
    }
    rules.judge(judged, reasons);
    const auto signals = rules.demanded(judged);
    return {std::string{replay_verdict(signals, alerts, judged)}, alerts.size(),
            as_json(replay_result(signals, alerts, judged, reasons, rule_names(data)))};
}

Result<Replayed> replay_case(const CaseFiles& files, const ReplayOptions& options,
                             unsigned threads) {
    const auto data = load(files, options);
    if (!data) {
        return tl::unexpected(data.error());
    }
    return judge(*data, threads);
}

int replay_one(const ReplayArguments& arguments, const ReplayOptions& options) {
    const auto replayed = replay_case({arguments.baseline, arguments.after, arguments.case_file},
                                      options, threads_for(arguments.jobs));
    if (!replayed) {
        return complain_offline(replayed.error());
    }
    if (const auto written = write_result(arguments.output, replayed->result); !written) {
        return complain_offline(written.error());
    }
    return arguments.exit_code ? exit_for(replayed->verdict) : static_cast<int>(Exit::ok);
}

// ---- many cases

/// Folders of `cases` that hold any file of a case, by name.
Result<std::vector<std::string>> case_names(const fs::path& cases) {
    std::error_code why;
    std::vector<std::string> out;
    for (fs::directory_iterator at{cases, why}, end; !why && at != end; at.increment(why)) {
        const auto& folder = at->path();
        std::error_code ignored;
        const auto has = [&](const char* name) {
            return fs::exists(recorded_file(folder / name), ignored);
        };
        if (has("baseline.csv") || has("after.csv") || has("case.json")) {
            out.push_back(folder.filename().string());
        }
    }
    if (why) {
        return failure(Errc::io, "read {}: {}", cases.string(), why.message());
    }
    if (out.empty()) {
        return failure(Errc::invalid,
                       "no cases in {}: expected folders with baseline.csv, after.csv, case.json",
                       cases.string());
    }
    std::sort(out.begin(), out.end());
    return out;
}

/// Replays one case into its result.json; an older one does not outlive a failure.
Result<Replayed> replay_into(const fs::path& folder, const fs::path& results,
                             const ReplayOptions& options) {
    std::error_code why;
    const auto description = folder / "case.json";
    const auto file = results / folder.filename() / "result.json";
    auto replayed = replay_case({folder / "baseline.csv", folder / "after.csv",
                                 fs::exists(description, why) ? description : fs::path{}},
                                options, 1);
    if (!replayed) {
        fs::remove(file, why);
        return replayed;
    }
    fs::create_directories(file.parent_path(), why);
    if (why) {
        return failure(Errc::io, "create {}: {}", file.parent_path().string(), why.message());
    }
    if (const auto written = write_whole(file, replayed->result); !written) {
        return tl::unexpected(written.error());
    }
    replayed->result.clear();
    return replayed;
}

int replay_many(const ReplayArguments& arguments, const ReplayOptions& options) {
    const auto names = case_names(arguments.many);
    if (!names) {
        return complain_offline(names.error());
    }
    const bool people_watch = ::isatty(STDERR_FILENO) == 1;
    const auto threads = threads_for(arguments.jobs);
    std::vector<Result<Replayed>> done(names->size(), failure(Errc::cancelled, "not judged"));
    std::mutex speaking;
    run_parallel(names->size(), threads, [&](std::size_t i) {
        const auto& name = (*names)[i];
        try {
            done[i] = replay_into(fs::path{arguments.many} / name, arguments.results, options);
        } catch (const std::exception& bug) {  // one case's, not the others'
            done[i] = failure(Errc::invalid, "{}; please report this", bug.what());
        }
        if (people_watch && done[i]) {
            const std::lock_guard lock{speaking};
            std::cerr << fmt::format("{}: {}, {} alert{}\n", name, done[i]->verdict,
                                     done[i]->alerts, done[i]->alerts == 1 ? "" : "s");
        }
    });
    int code = Exit::ok;
    bool all_judged = true;
    for (std::size_t i = 0; i < done.size(); ++i) {
        if (!done[i]) {
            complain_offline(done[i].error().while_doing((*names)[i]));
            all_judged = false;
        } else if (const int own = exit_for(done[i]->verdict); code != Exit::rollback) {
            code = own != Exit::ok ? own : code;
        }
    }
    if (!all_judged) {
        return Exit::usage_or_internal;
    }
    return arguments.exit_code ? code : static_cast<int>(Exit::ok);
}

// ---- arguments

Result<ReplayOptions> options_of(const ReplayArguments& arguments) {
    ReplayOptions out{.cycle = {}, .timezone = arguments.timezone, .config = {}};
    if (!arguments.config.empty()) {
        auto config = daemon::load_config(arguments.config, daemon::SignalNames::any);
        if (!config) {
            return tl::unexpected(config.error());
        }
        out.cycle = config->upgrades.cycle;
        out.timezone = arguments.timezone.empty() ? config->upgrades.timezone : arguments.timezone;
        out.config = std::make_shared<const daemon::Config>(std::move(*config));
    }
    if (!arguments.cycle.empty()) {
        const auto cycle = daemon::parse_duration(arguments.cycle);
        if (!cycle) {
            return tl::unexpected(cycle.error().while_doing("--cycle"));
        }
        out.cycle = *cycle;
    }
    if (out.cycle && *out.cycle < std::chrono::hours{1}) {
        return failure(Errc::invalid, "{}: {} is too short, replay needs 1h or more",
                       arguments.cycle.empty() ? arguments.config + ": upgrades.cycle" : "--cycle",
                       daemon::format_duration(*out.cycle));
    }
    return out;
}

bool of_cases(const ReplayArguments& a) {
    return !(a.baseline.empty() && a.after.empty() && a.case_file.empty() && a.many.empty() &&
             a.results.empty() && a.config.empty() && a.cycle.empty() && a.timezone.empty());
}

Result<void> check(const ReplayArguments& a) {
    if (!a.upgrade.empty() && of_cases(a)) {
        return failure(Errc::invalid,
                       "replay: --upgrade is judged from the store by its own rules; give it with "
                       "--storage.path, --at and -o alone");
    }
    if (a.upgrade.empty() && !(a.storage_path.empty() && a.at.empty())) {
        return failure(Errc::invalid, "replay: --storage.path and --at go with --upgrade");
    }
    if (!a.upgrade.empty()) {
        return {};
    }
    const bool one = !a.baseline.empty() && !a.after.empty() && a.results.empty();
    const bool many = !a.results.empty() && a.baseline.empty() && a.after.empty() &&
                      a.case_file.empty() && a.output.empty();
    if (a.many.empty() ? !one : !many) {
        return failure(Errc::invalid,
                       "replay: give --baseline and --after (with --case and -o as you like), "
                       "--many and --results, or --upgrade");
    }
    return {};
}

/// `-o json` is a format, as for every verb that asks the daemon; anything else is a file.
ReplayUpgradeArguments upgrade_arguments(const ReplayArguments& a) {
    ReplayUpgradeArguments out{.upgrade = a.upgrade,
                               .storage_path = a.storage_path,
                               .at = a.at,
                               .output = a.output,
                               .format = a.format,
                               .jobs = a.jobs,
                               .exit_code = a.exit_code};
    for (const auto& [name, format] :
         {std::pair{"table", Format::table}, std::pair{"json", Format::json},
          std::pair{"yaml", Format::yaml}}) {
        if (a.output == name) {
            out.format = format;
            out.output.clear();
        }
    }
    return out;
}

}  // namespace

int replay(const ReplayArguments& arguments) {
    if (const auto checked = check(arguments); !checked) {
        return complain_offline(checked.error());
    }
    if (!arguments.upgrade.empty()) {
        return replay_upgrade(upgrade_arguments(arguments));
    }
    const auto options = options_of(arguments);
    if (!options) {
        return complain_offline(options.error());
    }
    return arguments.many.empty() ? replay_one(arguments, *options)
                                  : replay_many(arguments, *options);
}

std::string_view replay_verdict(const std::vector<EnsembleSignal>& signals,
                                const std::vector<EnsembleAlert>& alerts,
                                const std::vector<EnsembleJudged>& judged) {
    if (std::any_of(alerts.begin(), alerts.end(),
                    [](const EnsembleAlert& a) { return a.severity >= Severity::page; })) {
        return "fail";
    }
    bool proven = false;
    for (std::size_t i = 0; i < signals.size(); ++i) {
        if (!signals[i].required) {
            continue;
        }
        if (i >= judged.size() || judged[i].judgement != Judgement::proven) {
            return "inconclusive";
        }
        proven = true;
    }
    return proven ? "pass" : "inconclusive";
}

json::object replay_result(const std::vector<EnsembleSignal>& signals,
                           const std::vector<EnsembleAlert>& alerts,
                           const std::vector<EnsembleJudged>& judged,
                           const std::vector<std::string>& reasons,
                           const std::vector<std::string>& rules) {
    const auto with_rule = [&rules](json::object out, std::size_t signal) {
        if (signal < rules.size()) {
            out["rule"] = rules[signal];
        }
        return out;
    };
    json::array alerts_out;
    for (const auto& alert : alerts) {
        alerts_out.push_back(with_rule(alert_json(alert, signals.at(alert.signal)), alert.signal));
    }
    json::array metrics_out;
    for (std::size_t i = 0; i < judged.size(); ++i) {
        if (signals.at(i).judged) {
            metrics_out.push_back(
                with_rule(judged_json(judged[i], signals.at(i), reasons.at(i)), i));
        }
    }
    return {{"verdict", replay_verdict(signals, alerts, judged)},
            {"alerts", std::move(alerts_out)},
            {"metrics", std::move(metrics_out)}};
}

}  // namespace holdfast::client
