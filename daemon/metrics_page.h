#pragma once
#include <string>

#include "daemon/live_board.h"
#include "daemon/live_signals.h"
#include "daemon/self_metrics.h"
#include "daemon/upgrades.h"

namespace holdfast::daemon {

/// The page at /metrics: the daemon's own counters, the latest samples and signals, and what the
/// open upgrades (and the last closed ones) say. Ref: docs/operators-guide.md.
std::string metrics_page(SelfMetrics& self, LiveBoard& board, const LiveSignals& signals,
                         const Upgrades& upgrades, Timestamp now);

}  // namespace holdfast::daemon
