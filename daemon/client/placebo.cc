#include "daemon/client/placebo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <optional>

#include "daemon/client/connection.h"
#include "daemon/client/offline.h"
#include "daemon/client/replay_data.h"
#include "daemon/quantities.h"
#include "model/names.h"

namespace holdfast::client {
namespace json = boost::json;
namespace {

using namespace std::chrono_literals;
using rules::EnsembleSignal;
using rules::PlaceboReport;
using rules::PlaceboSignal;

// ---- JSON

json::object promise_json(const rules::PlaceboPromise& promise) {
    return {{"within_hour", number_json(promise.within_hour)},
            {"within_day", number_json(promise.within_day)},
            {"within_watch", number_json(promise.within_watch)},
            {"watches", promise.watches}};
}

json::value share_of(std::size_t count, std::size_t all, bool is_known = true) {
    return is_known && all > 0 ? json::value(static_cast<double>(count) / static_cast<double>(all))
                               : json::value{};
}

json::object signal_json(const PlaceboSignal& s, const std::string& name, bool proof_is_known) {
    json::object detectors;
    for (const auto& detector : s.detectors) {
        detectors[detector.name] = detector.watches;
    }
    return {{"metric", name},
            {"watches", s.watches},
            {"paged", s.paged},
            {"warned", s.warned},
            {"detectors", std::move(detectors)},
            {"proven_ratio", share_of(s.proven, s.watches, proof_is_known)},
            {"smallest_factor", promise_json(s.promise)},
            {"advice", s.advice}};
}

json::object watch_json(const rules::PlaceboWatch& watch,
                        const std::vector<EnsembleSignal>& signals) {
    json::array alerts;
    for (const auto& alert : watch.alerts) {
        alerts.push_back(alert_json(alert, signals.at(alert.signal)));
    }
    return {{"begin", seconds_json(watch.window.begin)},
            {"end", seconds_json(watch.window.end)},
            {"passed", watch.passed},
            {"judged", watch.judged},
            {"proven", watch.proven},
            {"alerts", std::move(alerts)}};
}

// ---- table

/// `x1.2`; `none` where no factor paged, nothing where none could be tried.
std::string factor_text(double factor, std::size_t watches) {
    return watches == 0 ? "" : std::isnan(factor) ? "none" : fmt::format("x{:g}", factor);
}

std::string of_text(std::size_t count, std::size_t all) {
    return fmt::format("{} of {}", count, all);
}

json::object row_of(const PlaceboSignal& s, const std::string& name, bool proof_is_known) {
    std::string by;
    for (const auto& detector : s.detectors) {
        by += fmt::format("{}{}", by.empty() ? "" : ",", detector.name);
    }
    const auto& p = s.promise;
    return {{"metric", name},
            {"paged", of_text(s.paged, s.watches)},
            {"by", by},
            {"warned", s.warned > 0 ? of_text(s.warned, s.watches) : ""},
            {"hour", factor_text(p.within_hour, p.watches)},
            {"day", factor_text(p.within_day, p.watches)},
            {"watch", factor_text(p.within_watch, p.watches)},
            {"proven", proof_is_known ? of_text(s.proven, s.watches) : ""},
            {"advice", s.advice}};
}

const std::vector<Column> columns{
    {"METRIC", "metric"},   {"PAGED", "paged"},      {"BY", "by"},
    {"WARNED", "warned"},   {"SEEN IN 1 H", "hour"}, {"1 DAY", "day"},
    {"THE WATCH", "watch"}, {"PROVEN", "proven"},    {"ADVICE", "advice"}};

// ---- arguments

/// `text` as a duration of at least an hour; nothing when it is empty.
Result<std::optional<Milliseconds>> duration_of(const std::string& text, const char* option) {
    if (text.empty()) {
        return std::optional<Milliseconds>{};
    }
    const auto duration = daemon::parse_duration(text);
    if (!duration) {
        return tl::unexpected(duration.error().while_doing(option));
    }
    if (*duration < 1h) {
        return failure(Errc::invalid, "{}: {} is too short, placebo needs 1h or more", option,
                       text);
    }
    return std::optional{*duration};
}

Result<ReplayData> load(const PlaceboArguments& arguments, const ReplayOptions& options) {
    const auto wanted = arguments.case_file.empty() ? Result<ReplayCase>{ReplayCase{}}
                                                    : read_case(arguments.case_file);
    if (!wanted) {
        return tl::unexpected(wanted.error());
    }
    const auto baseline = read_recording(arguments.baseline);
    if (!baseline) {
        return tl::unexpected(baseline.error());
    }
    return prepare_baseline(*baseline, *wanted, options);
}

Milliseconds watch_by_default(const rules::EnsemblePlan& plan) {
    return std::min(plan.cycle, Milliseconds{(plan.upgrade - plan.begin) / 3});
}

std::string text_of(const PlaceboReport& report, const std::vector<EnsembleSignal>& signals,
                    Format format) {
    switch (format) {
        case Format::json:
            return as_json(placebo_result(report, signals));
        case Format::yaml:
            return as_yaml(placebo_result(report, signals));
        case Format::table:
            break;
    }
    return placebo_table(report, signals);
}

}  // namespace

json::object placebo_result(const PlaceboReport& report,
                            const std::vector<EnsembleSignal>& signals) {
    const bool proof_is_known = report.proof_missing.empty();
    json::array rows;
    for (std::size_t i = 0; i < report.signals.size(); ++i) {
        rows.push_back(signal_json(report.signals[i], signals.at(i).name, proof_is_known));
    }
    json::array watches;
    for (const auto& watch : report.watches) {
        watches.push_back(watch_json(watch, signals));
    }
    const auto n = report.watches.size();
    return {{"summary", rules::in_words(report, signals)},
            {"notes", json::array(report.notes.begin(), report.notes.end())},
            {"history_seconds", seconds_json(report.history)},
            {"watch_seconds", seconds_json(report.watch)},
            {"cycle_seconds", seconds_json(report.cycle)},
            {"paged", report.paged},
            {"paged_ratio", share_of(report.paged, n)},
            {"paged_lower_ratio", number_json(report.paged_share.lower)},
            {"paged_upper_ratio", number_json(report.paged_share.upper)},
            {"warned", report.warned},
            {"passed_ratio", share_of(report.passed, n, proof_is_known)},
            {"smallest_factor_all_load", promise_json(report.all_load)},
            {"metrics", std::move(rows)},
            {"watches", std::move(watches)}};
}

std::string placebo_table(const PlaceboReport& report, const std::vector<EnsembleSignal>& signals) {
    json::array rows;
    for (std::size_t i = 0; i < report.signals.size(); ++i) {
        rows.push_back(row_of(report.signals[i], signals.at(i).name, report.proof_missing.empty()));
    }
    const auto& all = report.all_load;
    if (all.watches > 0) {
        rows.push_back(json::object{{"metric", "all traffic together"},
                                    {"hour", factor_text(all.within_hour, all.watches)},
                                    {"day", factor_text(all.within_day, all.watches)},
                                    {"watch", factor_text(all.within_watch, all.watches)}});
    }
    std::string out = rows.empty() ? "" : as_table(rows, columns) + "\n";
    for (const auto& note : report.notes) {
        out += "note: " + note + "\n";
    }
    return out + rules::in_words(report, signals) + "\n";
}

int placebo(const PlaceboArguments& arguments) {
    if (arguments.baseline.empty()) {
        return complain_offline({Errc::invalid, "placebo: give --baseline"});
    }
    const auto cycle = duration_of(arguments.cycle, "--cycle");
    if (!cycle) {
        return complain_offline(cycle.error());
    }
    const auto watch = duration_of(arguments.watch, "--watch");
    if (!watch) {
        return complain_offline(watch.error());
    }
    const auto data = load(arguments, {.cycle = *cycle, .timezone = arguments.timezone});
    if (!data) {
        return complain_offline(data.error());
    }
    const auto threads = threads_for(arguments.jobs);
    const auto report = rules::placebo(data->plan, data->signals, data->history,
                                       {.watch = watch->value_or(watch_by_default(data->plan))},
                                       with_threads(threads));
    if (!(std::cout << text_of(report, data->signals, arguments.format) << std::flush)) {
        return complain_offline({Errc::io, "write the report: standard output is closed"});
    }
    return Exit::ok;
}

}  // namespace holdfast::client
