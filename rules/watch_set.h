#pragma once
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/baseline.h"
#include "model/upgrade.h"
#include "rules/derive.h"
#include "rules/watch.h"

namespace holdfast::rules {

/// All that judges one upgrade: its own copy of the signal definitions, and a watch per rule and
/// signal of the baseline. Fed with the readings since the window's end, live or from the store,
/// it gives the same judgements.
class WatchSet {
public:
    /// A rule whose signal the baseline does not have gets one watch without a baseline; an
    /// implicit one gets none.
    /// Precondition: `upgrade.window_end_at` is set.
    WatchSet(const Upgrade& upgrade, const Baseline& baseline);

    /// Readings of one source in time order.
    void observe(std::string_view source, Timestamp at, const Reading& reading);
    /// Every rule's judgement, in the order of the rules.
    std::vector<Judged> judged(Timestamp now) const;
    /// Judging was interrupted until `at` (a restart): silence is measured from then on.
    void resume(Timestamp at);
    /// A person says that the regressions of `rule` are over.
    void acknowledge(std::string_view rule, Timestamp at);

private:
    void bind(std::size_t signal);

    Timestamp begin_;
    SignalDeriver deriver_;
    std::vector<Watch> watches_;
    std::vector<std::vector<std::size_t>> by_signal_;  ///< watches of each of the deriver's signals
};

/// The band of a baseline for charts: level and the 5 % and 95 % limits of a
/// single block at `at`; nothing where the season was not seen.
struct Band {
    double lower;
    double middle;
    double upper;
};
std::optional<Band> band_at(const SignalBaseline& baseline, const SeasonClock& clock, Timestamp at);

}  // namespace holdfast::rules
