#pragma once
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "daemon/client/output.h"
#include "rules/judging/ensemble.h"

namespace holdfast::client {

/// `holdfast replay`: one case by its files, a folder of them, or an upgrade from the store. Empty
/// is not given.
struct ReplayArguments {
    std::string baseline;   ///< CSV of the time before, see read_recording()
    std::string after;      ///< CSV of the time after
    std::string case_file;  ///< case.json
    std::string config;  ///< a configuration, whose rules are judged; absent: see ensemble_signal()
    std::string output;  ///< of one case; absent or `-`: standard output; of an upgrade: or format
    std::string many;    ///< folder with a folder per case: baseline.csv, after.csv, case.json
    std::string results;            ///< folder that gets CASE/result.json
    std::string cycle;              ///< `7d`
    std::string timezone;           ///< IANA name; absent: UTC
    std::string upgrade;            ///< id: see replay_upgrade()
    std::string storage_path;       ///< of the upgrade, as ReplayUpgradeArguments
    std::string at;                 ///< of the upgrade
    Format format = Format::table;  ///< of the upgrade
    unsigned jobs = 0;              ///< cases at a time; 0: one per core
    bool exit_code = false;         ///< say the verdict by the exit code
};

/// Judges recorded data with the daemon's engine on a simulated clock and writes what it says as
/// JSON. Exit::ok when all was judged, whatever the verdicts; Exit::usage_or_internal when
/// something was not. By the exit code: Exit::rollback for `fail`, Exit::still_watching for
/// `inconclusive`; of many cases the worst.
int replay(const ReplayArguments& arguments);

/// `fail` once something paged, `pass` when every required signal is proven, else `inconclusive`.
/// Without a required signal nothing is proven.
std::string_view replay_verdict(const std::vector<rules::EnsembleSignal>& signals,
                                const std::vector<rules::EnsembleAlert>& alerts,
                                const std::vector<rules::EnsembleJudged>& judged);

/// result.json: `verdict`, `alerts` and `metrics`; times in seconds, numbers that are none null.
/// `reasons`: one per signal. `rules`: names by signal, said of each where there are any. Signals
/// that only explain others are left out.
boost::json::object replay_result(const std::vector<rules::EnsembleSignal>& signals,
                                  const std::vector<rules::EnsembleAlert>& alerts,
                                  const std::vector<rules::EnsembleJudged>& judged,
                                  const std::vector<std::string>& reasons,
                                  const std::vector<std::string>& rules = {});

}  // namespace holdfast::client
