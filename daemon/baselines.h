#pragma once
#include <functional>
#include <vector>

#include "model/baseline.h"
#include "model/cells.h"
#include "model/result.h"
#include "model/signal.h"
#include "storage/store.h"

namespace holdfast::daemon {

/// What a baseline is to be learnt from.
struct BaselineRequest {
    Timestamp end{};  ///< behaviour before this
    /// 0: the last four whole cycles, fewer where there are not so many; more, up to 64, where so
    /// much is excluded that four are not left.
    Milliseconds range{0};
    Milliseconds cycle{};
    std::string timezone;
    Milliseconds step{};  ///< longest interval of the collectors
    std::vector<SignalDefinition> signals;
    std::vector<Exclusion> exclude;  ///< time that is not learnt
};

struct LearntBaseline {
    Baseline baseline;  ///< without id and digests
    BaselineHistory history;
};

/// Learns a baseline from the stored samples: one streaming pass. Memory: 16 bytes a cell and
/// signal, up to a bound; signals beyond it are left out, and the note says so. What is excluded is
/// as if it had not been recorded; the note names it. Blocks on the disk; stops early with
/// Errc::cancelled when `cancelled` says so. Errc::invalid for a range of more than 64 cycles,
/// Errc::not_found without any sample.
Result<LearntBaseline> learn_baseline(const storage::SampleSource& store,
                                      const BaselineRequest& request,
                                      const std::function<bool()>& cancelled);

}  // namespace holdfast::daemon
