#pragma once
#include <vector>

#include "collectors/metric_info.h"

namespace holdfast::collectors {

/// Every metric that a collector can emit under a name of ours, by collector. Names are unique.
std::vector<MetricInfo> all_metrics();

}  // namespace holdfast::collectors
