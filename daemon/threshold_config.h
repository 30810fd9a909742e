#pragma once
#include <string>

#include "daemon/config_reader.h"
#include "model/signal.h"

namespace holdfast::daemon {

/// One item of `rules[].thresholds`, for `signal`, whose definition is null where nobody wrote one:
///
///     {above: 2s}                         or below, in the signal's unit
///     {above: 95%, within: 3d, over: 6h}  the same, reached within 3 d at the pace of 6 h
///     {above_usual: 50%}                  or below_usual, a share of what the baseline expects
///     {burn_rate: 14.4, objective: 99.9%, window: 1h, short_window: 5m}
///
/// with `for` (not for a burn rate, which has its windows) and `action`. What is contradictory or
/// can never be reached is an error at its place.
Threshold read_threshold(Section& section, const std::string& signal,
                         const SignalDefinition* definition);

}  // namespace holdfast::daemon
