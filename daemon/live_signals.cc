#include "daemon/live_signals.h"

#include "daemon/exposition.h"

namespace holdfast::daemon {

Labels signal_labels(const SignalId& id) {
    return merged({{"signal", id.name}}, id.labels);
}

void LiveSignals::configure(const std::vector<SignalDefinition>& definitions) {
    deriver_ = std::make_unique<rules::SignalDeriver>(definitions);
    latest_.clear();
}

void LiveSignals::observe(const storage::Row& row) {
    for (const auto& [index, point] : deriver_->derive(row.source, row.at, row.reading)) {
        while (latest_.size() <= index) {
            const auto& id = deriver_->id(latest_.size());
            const auto kind = deriver_->definition(latest_.size()).kind;
            latest_.push_back(
                {id, kind, to_string(Series{"holdfast_signal_value", signal_labels(id)}), {}});
        }
        latest_[index].point = point;
    }
}

}  // namespace holdfast::daemon
