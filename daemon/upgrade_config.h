#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "daemon/config_reader.h"

namespace holdfast::daemon {

constexpr std::size_t load_max = 100;

/// `load: [shop_requests_per_second]`: names of signals; that of a scraped counter's metric
/// (`shop_requests_total`) is taken for its rate's.
void read_load(Section& section, std::vector<std::string>& out);

}  // namespace holdfast::daemon
