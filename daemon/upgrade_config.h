#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "daemon/config.h"
#include "daemon/config_reader.h"
#include "model/baseline.h"
#include "model/upgrade.h"

namespace holdfast::daemon {

constexpr std::size_t exclusions_max = 1000;
constexpr std::size_t jobs_max = 100;
constexpr std::size_t load_max = 100;

/// `load: [shop_requests_per_second]`: names of signals; that of a scraped counter's metric
/// (`shop_requests_total`) is taken for its rate's.
void read_load(Section& section, std::vector<std::string>& out);

/// `exclude: [{from: 2026-11-24T09:30:00Z, to: 2026-11-24T11:00:00Z, reason: incident 4711}]`.
void read_exclusions(Section& section, std::vector<Exclusion>& out);

/// `jobs: [{name: backup, signal: disk_bytes_per_second, match: {device: sda}, above: 50MiB}]`, or
/// `below`, in the signal's unit. `check_signal` notes an error when there can be no such signal.
void read_jobs(Section& section, std::vector<Job>& out,
               const std::function<void(Section&, const std::string&)>& check_signal);

/// Of the collectors that run: rows are at most so late.
Milliseconds longest_interval(const CollectorsConfig& collectors);

/// An upgrade with all that judges it as `config` and the baseline say, and nothing else.
Upgrade judged_by(const Config& config, const Baseline& baseline);

}  // namespace holdfast::daemon
