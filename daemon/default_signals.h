#pragma once
#include <vector>

#include "model/signal.h"

namespace holdfast::daemon {

/// The signals that every holdfast derives from its own collectors' samples: docs/signals.md.
std::vector<SignalDefinition> default_signals();

/// A rule per signal of the above. Success, latency, errors and saturation are required; all others
/// warn and page, but do not hold up closing.
std::vector<Rule> default_rules();

}  // namespace holdfast::daemon
