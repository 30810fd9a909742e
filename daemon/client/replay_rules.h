#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/client/replay_data.h"
#include "model/signal.h"
#include "rules/judging/ensemble.h"
#include "rules/seasons.h"
#include "rules/thresholds.h"

namespace holdfast::daemon {
struct Config;
}

namespace holdfast::client {

// What a configuration adds to a replay: its rules instead of one per metric, and their thresholds.

/// A recorded metric as it is judged: a metric that two rules name is there twice.
struct RuledMetric {
    std::string metric;
    std::optional<Rule> rule;  ///< nothing: it only explains the others, or nobody gave rules
    rules::EnsembleSignal signal;
};

/// The metrics of `baseline` that a rule names, in the order of the rules: its `signal` is the
/// metric's name and its `match` are some of its labels. A rule that names none is there with what
/// it asks for, unless it is a default. Then the metrics that no rule names and that may explain
/// the others: those of type `traffic` in `wanted`, and the load of the configuration.
/// Errc::invalid where no rule names a metric of the baseline.
Result<std::vector<RuledMetric>> ruled_metrics(const Recording& baseline, const ReplayCase& wanted,
                                               const daemon::Config& config);

/// Names of the configuration's jobs of which `after` has no run from `upgrade` on.
std::vector<std::string> unseen_jobs(const Recording& after, Timestamp upgrade,
                                     const std::vector<Job>& jobs);

/// Watches what the engine does not: the thresholds of the rules, with the mean of every cell at
/// its end. Without rules it says nothing.
class RuleWatch {
public:
    explicit RuleWatch(const ReplayData& data);  ///< which must outlive it

    /// The next cell of every signal. Gives the signals whose breach has ended: what came before
    /// proves nothing for them.
    std::vector<std::size_t> take(std::span<const Cell> cells);
    /// One per breach and severity that it rose to, with detector `threshold`.
    const std::vector<rules::EnsembleAlert>& alerts() const { return alerts_; }
    /// Puts into `judged` and its `reasons` what rules say beside the engine, as the daemon does:
    /// breaches, a baseline shorter than one business cycle, jobs that were not seen.
    void judge(std::vector<rules::EnsembleJudged>& judged, std::vector<std::string>& reasons) const;
    /// The signals with what is required of them now: not of one without data that may lack it.
    std::vector<rules::EnsembleSignal> demanded(
        const std::vector<rules::EnsembleJudged>& judged) const;

private:
    struct Watched {
        std::size_t signal;
        SignalBaseline baseline;
        rules::ThresholdWatch thresholds;
        std::vector<std::size_t> open;  ///< alerts of the breach that holds
    };
    bool take(Watched& watched, const Cell& cell);
    void alert(Watched& watched, const rules::Breach& breach, std::optional<double> usual);

    const ReplayData& data_;
    rules::SeasonClock clock_;
    Timestamp now_;
    std::vector<Watched> watched_;
    std::vector<rules::EnsembleAlert> alerts_;
};

}  // namespace holdfast::client
