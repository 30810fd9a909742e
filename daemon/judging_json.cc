#include "daemon/judging_json.h"

#include <cmath>

#include "model/names.h"

namespace holdfast::daemon {
namespace json = boost::json;
using rules::EnsembleSignal;
using rules::PlaceboReport;
using rules::PlaceboSignal;
namespace {

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
            {"hopeless", s.hopeless},
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

}  // namespace

json::value number_json(double value) {
    return std::isfinite(value) ? json::value(value) : json::value{};
}

json::value seconds_json(Milliseconds time) {
    const auto ms = time.count();
    return ms % 1000 == 0 ? json::value(ms / 1000) : json::value(static_cast<double>(ms) / 1000);
}

json::value seconds_json(Timestamp at) {
    return seconds_json(at.time_since_epoch());
}

json::object alert_json(const rules::EnsembleAlert& alert, const rules::EnsembleSignal& signal) {
    return {{"metric", signal.name},        {"severity", name_of(alert.severity)},
            {"at", seconds_json(alert.at)}, {"until", seconds_json(alert.until)},
            {"detector", alert.detector},   {"effect_ratio", number_json(alert.effect_ratio)}};
}

json::object placebo_json(const PlaceboReport& report, const std::vector<EnsembleSignal>& signals,
                          const std::vector<std::string>& rule_names) {
    const bool proof_is_known = report.proof_missing.empty();
    json::array rows;
    for (std::size_t i = 0; i < report.signals.size(); ++i) {
        if (!signals.at(i).judged) {
            continue;
        }
        auto row = signal_json(report.signals[i], signals[i].name, proof_is_known);
        if (!rule_names.empty()) {
            row["rule"] = rule_names.at(i);
        }
        rows.push_back(std::move(row));
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

}  // namespace holdfast::daemon
