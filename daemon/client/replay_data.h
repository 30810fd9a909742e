#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/result.h"
#include "model/signal.h"
#include "model/time.h"
#include "rules/judging/ensemble.h"

namespace holdfast::daemon {
struct Config;
}

namespace holdfast::client {

/// Bounds on what one replay may hold in memory; beyond them reading fails and says so.
constexpr std::size_t replay_line_bytes_max = std::size_t{64} << 10U;
constexpr std::size_t replay_metrics_max = 10'000;
constexpr std::size_t replay_samples_max = 100'000'000;  ///< in one file; 16 bytes each
constexpr std::int64_t replay_cells_max = 100'000'000;   ///< of all metrics; 16 bytes each

/// One value of a metric as it was recorded; finite.
struct RecordedSample {
    Timestamp at;
    double value = 0;
};

/// One metric of a file. `samples` is in order of time; equal times keep the file's order.
struct RecordedSeries {
    std::string metric;  ///< as written, labels included: `name{a="b,c"}`
    std::vector<RecordedSample> samples;
};

/// What one file holds.
struct Recording {
    std::vector<RecordedSeries> series;  ///< in order of first appearance
    std::optional<Timestamp> first;      ///< of all rows, those without a value too
    std::optional<Timestamp> last;
};

/// Reads CSV `timestamp_seconds,metric,value`, plain or gzip, whatever its name; where `file` does
/// not exist, `file`.gz. Times in seconds since the epoch, with or without decimals. A metric may
/// be quoted as in RFC 4180 or carry labels, whose commas do not end it. An empty value, NaN and
/// Inf are missing data. The header, CRLF and the final newline are optional, blank lines are
/// skipped, and times may go back: samples are sorted. Names are compared as written.
/// Errc::io when it cannot be read, Errc::parse with `file:line: what` at the first wrong line.
Result<Recording> read_recording(const std::filesystem::path& file);

/// The file that read_recording() would open: `file`, or `file`.gz where only that exists.
std::filesystem::path recorded_file(const std::filesystem::path& file);

/// One metric to judge.
struct ReplayMetric {
    std::string name;
    std::string type;  ///< a word of the design: cpu, latency, errors, traffic, …; may be empty
    Direction worse = Direction::both;
};

/// What is known of a case before it is replayed.
struct ReplayCase {
    std::string name;
    std::optional<Milliseconds> step;     ///< absent: the median of the baseline's
    std::optional<Timestamp> upgrade_at;  ///< absent: the first row of the after file
    std::vector<ReplayMetric> metrics;    ///< empty: all of the baseline, by guess_metric()
};

/// case.json: `format` (1), `name`, `step_seconds`, `upgrade_at` and `metrics`, each with `name`,
/// `type` and `direction`. All but a metric's name may be absent or null; what a metric lacks is
/// guessed from its name. Unknown fields are ignored. Errc::parse names the file and the field.
Result<ReplayCase> parse_case(std::string_view text, std::string_view file);
Result<ReplayCase> read_case(const std::filesystem::path& file);

/// Type and bad direction from the words of a name, labels left out. The first type that has one:
///
///     errors       up    error(s) err fail(s) failed failure(s) fault(s) drop(s) dropped
///                        timeout(s) retrans 5xx
///     success      down  success(es) successful ok availability available
///     queue        up    queue queued backlog pending
///     latency      up    latency duration delay wait lag response p50 p90 p95 p99
///     cpu          up    cpu
///     load         up    load load1 load5 load15
///     memory       up    memory mem rss heap swap
///     utilisation  up    util utilisation utilization usage used busy pressure
///     connections  up    connections conns sockets sessions
///     latency      up    seconds milliseconds ms
///     traffic      both  throughput request(s) traffic rps qps tps bytes packets received sent
///     kpi          both  anything else
ReplayMetric guess_metric(std::string_view name);

/// The signal that the engine judges: always a gauge, and required.
rules::EnsembleSignal ensemble_signal(const ReplayMetric& metric);

/// What the operator may set for all cases.
struct ReplayOptions {
    std::optional<Milliseconds> cycle;  ///< absent: 7 d from a baseline of 14 d on, else 1 d
    std::string timezone;               ///< IANA name; empty is UTC
    /// Whose rules are judged (replay_rules.h), with its levels, warm-up, jobs and exclusions;
    /// null: a rule for every metric.
    std::shared_ptr<const daemon::Config> config;
};

/// A case as the engine takes it.
struct ReplayData {
    rules::EnsemblePlan plan;
    std::vector<rules::EnsembleSignal> signals;
    std::vector<Cells> history;  ///< by signal: plan.begin to plan.upgrade
    std::vector<Cells> after;    ///< by signal: plan.upgrade to plan.planned_end
    /// By signal what the configuration demands, nothing where it only explains others. Empty
    /// without one.
    std::vector<std::optional<Rule>> rules;
    std::vector<std::string> unseen_jobs;  ///< of the configuration
};

/// Puts both recordings onto one grid of cells. A cell is the step, at least 30 s, and one begins
/// at the upgrade; samples go by their time, whichever file they are from. A cell's value is the
/// mean of its samples. One or two empty cells between two that have samples are interpolated on
/// a line (publishing jitters), never across the upgrade; longer gaps stay missing. The history
/// begins with the first value of a judged metric; the watch ends with the last row, also one
/// without a value. A cycle by default is no longer than the history.
/// Errc::invalid where there is nothing to learn from or to judge, or more than replay_cells_max;
/// Errc::config for an unknown time zone.
Result<ReplayData> prepare_replay(const Recording& baseline, const Recording& after,
                                  const ReplayCase& wanted, const ReplayOptions& options);

/// The same of a baseline alone, for placebo(): its history ends at the case's upgrade or with its
/// last row, whichever is first, and nothing comes after it.
Result<ReplayData> prepare_baseline(const Recording& baseline, const ReplayCase& wanted,
                                    const ReplayOptions& options);

}  // namespace holdfast::client
