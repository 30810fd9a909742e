#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/signal.h"
#include "rules/derive.h"
#include "storage/store.h"

namespace holdfast::daemon {

/// The newest point of every signal, by the definitions of the running configuration.
class LiveSignals {
public:
    struct Latest {
        SignalId id;
        Kind kind;
        std::string rendered;  ///< `holdfast_signal_value{signal="…",…}`
        std::optional<Point> point;
    };

    void configure(const std::vector<SignalDefinition>& definitions);
    void observe(const storage::Row& row);

    const std::vector<Latest>& latest() const { return latest_; }
    std::uint64_t dropped() const { return deriver_ ? deriver_->dropped() : 0; }

private:
    std::unique_ptr<rules::SignalDeriver> deriver_;
    std::vector<Latest> latest_;
};

/// The labels of a signal as /metrics shows them: `signal` and its own.
Labels signal_labels(const SignalId& id);

}  // namespace holdfast::daemon
