#pragma once
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "daemon/client/output.h"
#include "rules/judging/placebo.h"

namespace holdfast::client {

/// `holdfast placebo`. Empty is not given.
struct PlaceboArguments {
    std::string baseline;   ///< CSV of the past, see read_recording()
    std::string case_file;  ///< case.json
    std::string cycle;      ///< `7d`
    std::string timezone;   ///< IANA name; absent: UTC
    std::string watch;      ///< `24h`; absent: a cycle, at most a third of the history
    unsigned jobs = 0;      ///< threads; 0: one per core
    Format format = Format::table;
};

/// Judges a recorded past as upgrades that did not happen, and says what an upgrade may expect:
/// false pages, the smallest worsening that pages, what can be proven. Exit::ok when it was judged,
/// whatever it says; Exit::usage_or_internal when it was not.
int placebo(const PlaceboArguments& arguments);

/// The whole report: `summary`, the counts, `signals` and `watches`; times and durations in
/// seconds, numbers that are none null. Shares of signals that cannot be measured are null.
boost::json::object placebo_result(const rules::PlaceboReport& report,
                                   const std::vector<rules::EnsembleSignal>& signals);

/// A line per signal, then the notes and the summary.
std::string placebo_table(const rules::PlaceboReport& report,
                          const std::vector<rules::EnsembleSignal>& signals);

}  // namespace holdfast::client
