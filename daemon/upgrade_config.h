#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "daemon/config_reader.h"
#include "model/baseline.h"

namespace holdfast::daemon {

constexpr std::size_t exclusions_max = 1000;
constexpr std::size_t load_max = 100;

/// `load: [shop_requests_per_second]`: names of signals; that of a scraped counter's metric
/// (`shop_requests_total`) is taken for its rate's.
void read_load(Section& section, std::vector<std::string>& out);

/// `exclude: [{from: 2026-11-24T09:30:00Z, to: 2026-11-24T11:00:00Z, reason: incident 4711}]`.
void read_exclusions(Section& section, std::vector<Exclusion>& out);

}  // namespace holdfast::daemon
