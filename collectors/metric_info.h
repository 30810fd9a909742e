#pragma once
#include <string_view>

#include "model/sample.h"

namespace holdfast::collectors {

/// What an exposition says of a metric: its # TYPE and # HELP.
struct MetricInfo {
    std::string_view name;
    SeriesType type;
    std::string_view help;  ///< one sentence, no full stop
};

}  // namespace holdfast::collectors
