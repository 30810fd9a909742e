#include "daemon/default_signals.h"

namespace holdfast::daemon {
namespace {

using Use = Term::Use;

Term value(const char* metric, Labels labels = {}, double factor = 1) {
    return {{metric, std::move(labels)}, Use::value, factor};
}
Term increase(const char* metric, Labels labels = {}, double factor = 1) {
    return {{metric, std::move(labels)}, Use::increase, factor};
}

constexpr double kibi = 1024;
constexpr double mebi = 1024 * kibi;

/// A signal with its rule: one row of the table.
struct Default {
    SignalDefinition signal;
    Allowance tolerated;
    Allowance margin;
    bool required = false;
    std::vector<Threshold> thresholds{};
};

Threshold above(double limit, Milliseconds duration, Severity action) {
    return {Threshold::Side::above, limit, duration, action};
}

std::vector<Default> defaults() {
    using std::chrono::minutes;
    const auto cpu = "holdfast_cpu_seconds_total";
    const auto up = Direction::up;
    const auto both = Direction::both;
    return {
        {{"cpu_busy_ratio",
          Kind::gauge,
          up,
          "Share of all processor time that was worked",
          {increase(cpu), increase(cpu, {{"mode", "idle"}}, -1),
           increase(cpu, {{"mode", "iowait"}}, -1)},
          {increase(cpu)},
          {}},
         {0.02, 0.02},
         {0.10, 0.10},
         false,
         {above(0.98, minutes{30}, Severity::warn)}},
        {{"cpu_iowait_ratio",
          Kind::gauge,
          up,
          "Share of all processor time idle with input or output outstanding",
          {increase(cpu, {{"mode", "iowait"}})},
          {increase(cpu)},
          {}},
         {0.02, 0.01},
         {0.10, 0.05}},
        {{"cpu_steal_ratio",
          Kind::gauge,
          up,
          "Share of all processor time that the hypervisor gave to others",
          {increase(cpu, {{"mode", "steal"}})},
          {increase(cpu)},
          {}},
         {0.02, 0.01},
         {0.10, 0.05}},
        {{"pressure_stalled_ratio",
          Kind::gauge,
          up,
          "Share of time that tasks were stalled for want of the resource",
          {increase("holdfast_pressure_seconds_total")},
          {},
          {"resource", "kind"}},
         {0.02, 0.01},
         {0.10, 0.05},
         true},
        {{"memory_used_ratio",
          Kind::gauge,
          up,
          "Share of memory that is not available",
          {value("holdfast_memory_total_bytes"), value("holdfast_memory_available_bytes", {}, -1)},
          {value("holdfast_memory_total_bytes")},
          {}},
         {0.02, 0.01},
         {0.10, 0.05},
         true,
         {above(0.98, minutes{5}, Severity::page)}},
        {{"swap_used_bytes",
          Kind::gauge,
          up,
          "Swap space in use",
          {value("holdfast_memory_swap_used_bytes")},
          {},
          {}},
         {0.05, 16 * mebi},
         {0.20, 128 * mebi}},
        {{"major_faults_per_second",
          Kind::rate,
          up,
          "Page faults that had to read a disk",
          {increase("holdfast_major_faults_total")},
          {},
          {}},
         {0.05, 1},
         {0.50, 20}},
        {{"oom_kills_per_second",
          Kind::count,
          up,
          "Processes killed for want of memory",
          {increase("holdfast_oom_kills_total")},
          {},
          {}},
         {0.05, 0},
         {0.50, 1.0 / 3600},
         false,
         {above(0, minutes{0}, Severity::page)}},
        {{"disk_wait_seconds",
          Kind::latency,
          up,
          "Mean time of a disk operation, queue included",
          {increase("holdfast_disk_time_seconds_total")},
          {increase("holdfast_disk_ops_total")},
          {"device"}},
         {0.02, 0.002},
         {0.10, 0.020}},
        {{"disk_busy_ratio",
          Kind::gauge,
          up,
          "Share of time that the disk was at work",
          {increase("holdfast_disk_io_time_seconds_total")},
          {},
          {"device"}},
         {0.02, 0.02},
         {0.10, 0.10}},
        {{"disk_bytes_per_second",
          Kind::rate,
          both,
          "Throughput of the disk",
          {increase("holdfast_disk_bytes_total")},
          {},
          {"device", "dir"}},
         {0.20, mebi},
         {0.50, 16 * mebi}},
        {{"network_bytes_per_second",
          Kind::rate,
          both,
          "Throughput of the network interface",
          {increase("holdfast_network_bytes_total")},
          {},
          {"device", "dir"},
          true},
         {0.20, mebi},
         {0.50, 16 * mebi}},
        {{"network_errors_per_second",
          Kind::count,
          up,
          "Packets that were damaged or dropped",
          {increase("holdfast_network_errors_total"), increase("holdfast_network_drops_total")},
          {},
          {"device"}},
         {0.05, 0.1},
         {0.50, 1}},
        {{"filesystem_used_ratio",
          Kind::gauge,
          up,
          "Share of the file system that is used",
          {value("holdfast_filesystem_size_bytes"),
           value("holdfast_filesystem_avail_bytes", {}, -1)},
          {value("holdfast_filesystem_size_bytes")},
          {"mountpoint"}},
         {0.02, 0.01},
         {0.10, 0.05},
         false,
         {above(0.97, minutes{5}, Severity::page)}},
        {{"process_cpu_ratio",
          Kind::rate,
          up,
          "Processors that the group keeps busy",
          {increase("holdfast_process_cpu_seconds_total")},
          {},
          {"group"}},
         {0.02, 0.05},
         {0.10, 0.20}},
        {{"process_resident_bytes",
          Kind::gauge,
          up,
          "Resident memory of the group",
          {value("holdfast_process_resident_bytes")},
          {},
          {"group"}},
         {0.05, 8 * mebi},
         {0.20, 64 * mebi}},
        {{"process_restarts_per_second",
          Kind::count,
          up,
          "Restarts of the group's main process",
          {increase("holdfast_process_restarts_total")},
          {},
          {"group"}},
         {0.05, 0.1 / 3600},
         {0.50, 1.0 / 3600}},
        {{"probe_failure_ratio",
          Kind::ratio,
          up,
          "Share of attempts that failed",
          {increase("holdfast_probe_failures_total")},
          {increase("holdfast_probe_attempts_total")},
          {"probe"}},
         {0.05, 0.002},
         {0.50, 0.01},
         true},
        {{"probe_latency_seconds",
          Kind::latency,
          up,
          "Mean time until the answer was complete",
          {increase("holdfast_probe_latency_seconds_total")},
          {increase("holdfast_probe_latency_observations_total")},
          {"probe"}},
         {0.02, 0.001},
         {0.10, 0.005},
         true},
        {{"log_error_lines_per_second",
          Kind::count,
          up,
          "Lines of severity error or fatal",
          {increase("holdfast_log_lines_total", {{"severity", "error"}}),
           increase("holdfast_log_lines_total", {{"severity", "fatal"}})},
          {},
          {"source"}},
         {0.05, 0.001},
         {0.50, 0.01},
         true},
        {{"log_lines_per_second",
          Kind::rate,
          both,
          "Lines of any severity",
          {increase("holdfast_log_lines_total")},
          {},
          {"source"}},
         {0.20, 0.1},
         {0.50, 1}},
    };
}

}  // namespace

std::vector<SignalDefinition> default_signals() {
    std::vector<SignalDefinition> out;
    for (auto& row : defaults()) {
        out.push_back(std::move(row.signal));
    }
    return out;
}

std::vector<Rule> default_rules() {
    std::vector<Rule> out;
    for (auto& row : defaults()) {
        out.push_back({.name = row.signal.name,
                       .signal = row.signal.name,
                       .match = {},
                       .worse = row.signal.worse,
                       .tolerated = row.tolerated,
                       .margin = row.margin,
                       .thresholds = std::move(row.thresholds),
                       .required = row.required,
                       .implicit = true});
    }
    return out;
}

}  // namespace holdfast::daemon
