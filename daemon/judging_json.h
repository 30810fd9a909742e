#pragma once
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "rules/judging/placebo.h"

/// JSON of what the engine says, in the form of the offline results (not of the API's records):
/// times and durations in seconds, numbers that are none or not finite null.
namespace holdfast::daemon {

/// A JSON number, null for one that is none or not finite.
boost::json::value number_json(double value);
/// Seconds, whole where they are.
boost::json::value seconds_json(Milliseconds time);
boost::json::value seconds_json(Timestamp at);
boost::json::object alert_json(const rules::EnsembleAlert& alert,
                               const rules::EnsembleSignal& signal);

/// The whole report: `summary`, the counts, `metrics` (those that are judged) and `watches`. Shares
/// that cannot be measured are null. `rule_names` has the rule of every signal, or is empty: then
/// none is said.
boost::json::object placebo_json(const rules::PlaceboReport& report,
                                 const std::vector<rules::EnsembleSignal>& signals,
                                 const std::vector<std::string>& rule_names = {});

}  // namespace holdfast::daemon
