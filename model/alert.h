#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "model/sample.h"
#include "model/time.h"

namespace holdfast {

/// One alert as Alertmanager knows it. The label set is its identity and never changes.
struct Alert {
    std::string key;  ///< canonical text of the labels
    std::string upgrade;
    Labels labels;
    Labels annotations;
    std::string generator_url;
    Timestamp starts_at{};
    std::optional<Timestamp> ended_at;  ///< resolved then; still resent for a while
    bool delivered = false;             ///< some Alertmanager has said 2xx to its present state
};

}  // namespace holdfast
