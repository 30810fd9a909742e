#include "daemon/client/placebo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <optional>

#include "daemon/client/connection.h"
#include "daemon/client/offline.h"
#include "daemon/client/replay_data.h"
#include "daemon/judging_json.h"
#include "daemon/quantities.h"
#include "rules/judging/placebo.h"

namespace holdfast::client {
namespace json = boost::json;
namespace {

using namespace std::chrono_literals;

// ---- table

/// `x1.2`; `none` where no factor paged, nothing where none could be tried.
std::string factor_text(const json::object& promise, const char* horizon) {
    const auto& factor = promise.at(horizon);
    return promise.at("watches").to_number<std::size_t>() == 0 ? ""
           : factor.is_null()                                  ? "none"
                              : fmt::format("x{:g}", factor.to_number<double>());
}

json::object factors_of(const json::object& promise) {
    return {{"hour", factor_text(promise, "within_hour")},
            {"day", factor_text(promise, "within_day")},
            {"watch", factor_text(promise, "within_watch")}};
}

std::string of_text(std::size_t count, std::size_t all) {
    return fmt::format("{} of {}", count, all);
}

json::object row_of(const json::object& signal, bool proof_is_known) {
    const auto count = [&signal](const char* name) {
        return signal.at(name).to_number<std::size_t>();
    };
    const auto watches = count("watches");
    std::string by;
    for (const auto& detector : signal.at("detectors").as_object()) {
        by += fmt::format("{}{}", by.empty() ? "" : ",", std::string_view{detector.key()});
    }
    const auto& share = signal.at("proven_ratio");  // of whole watches: rounding gives them back
    const auto proven =
        share.is_null() ? 0
                        : std::llround(share.to_number<double>() * static_cast<double>(watches));
    auto out = factors_of(signal.at("smallest_factor").as_object());
    out["metric"] = signal.at("metric");
    out["paged"] = of_text(count("paged"), watches);
    out["by"] = by;
    out["warned"] = count("warned") > 0 ? of_text(count("warned"), watches) : "";
    out["proven"] = proof_is_known ? of_text(static_cast<std::size_t>(proven), watches) : "";
    out["hopeless"] = signal.at("hopeless").as_bool() ? "yes" : "";
    out["advice"] = signal.at("advice");
    if (const auto* const rule = signal.if_contains("rule")) {
        out["rule"] = *rule;
    }
    return out;
}

const std::vector<Column> columns{
    {"METRIC", "metric"},     {"PAGED", "paged"},  {"BY", "by"},           {"WARNED", "warned"},
    {"SEEN IN 1 H", "hour"},  {"1 DAY", "day"},    {"THE WATCH", "watch"}, {"PROVEN", "proven"},
    {"HOPELESS", "hopeless"}, {"ADVICE", "advice"}};

/// Recorded data has no rules: a column for them only where they are named.
std::vector<Column> columns_for(const json::array& rows) {
    auto out = columns;
    if (!rows.empty() && rows.front().as_object().contains("rule")) {
        out.insert(out.begin(), {"RULE", "rule"});
    }
    return out;
}

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

}  // namespace

std::string placebo_table(const json::object& result) {
    const bool proof_is_known = !result.at("passed_ratio").is_null();
    json::array rows;
    for (const auto& signal : result.at("metrics").as_array()) {
        rows.push_back(row_of(signal.as_object(), proof_is_known));
    }
    const auto& all = result.at("smallest_factor_all_load").as_object();
    if (all.at("watches").to_number<std::size_t>() > 0) {
        auto row = factors_of(all);
        row["metric"] = "all traffic together";
        rows.push_back(std::move(row));
    }
    std::string out = rows.empty() ? "" : as_table(rows, columns_for(rows)) + "\n";
    for (const auto& note : result.at("notes").as_array()) {
        out += fmt::format("note: {}\n", std::string_view{note.as_string()});
    }
    return out + fmt::format("{}\n", std::string_view{result.at("summary").as_string()});
}

std::string placebo_text(const json::object& result, Format format) {
    switch (format) {
        case Format::json:
            return as_json(result);
        case Format::yaml:
            return as_yaml(result);
        case Format::table:
            break;
    }
    return placebo_table(result);
}

int placebo(const PlaceboArguments& arguments) {
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
    const auto result = daemon::placebo_json(report, data->signals);
    if (!(std::cout << placebo_text(result, arguments.format) << std::flush)) {
        return complain_offline({Errc::io, "write the report: standard output is closed"});
    }
    return Exit::ok;
}

}  // namespace holdfast::client
