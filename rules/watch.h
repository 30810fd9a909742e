#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "model/baseline.h"
#include "model/judgement.h"
#include "model/upgrade.h"
#include "rules/blocks.h"
#include "rules/seasons.h"

namespace holdfast::rules {

/// What all rules of one upgrade share.
struct WatchPlan {
    Timestamp begin{};      ///< judging starts here
    Milliseconds cycle{};   ///< > 0
    Milliseconds block{};   ///< > 0: as the baseline's
    Milliseconds warmup{};  ///< only thresholds speak before begin + warmup
    UtcOffsets offsets;
    double whole_cycles = 0;  ///< of the baseline; with less than one the rules stay `learning`
    Levels levels;
    std::size_t rules = 1;  ///< how many share the levels' alarms
};

/// Judges one signal by one rule for as long as an upgrade is watched.
///
/// Points come in time order; each completed block is judged at once, so that the same points give
/// the same judgements, live, replayed or after a restart. No clock: `judged` is told the time only
/// to notice that data has stopped. Method and sources: docs/statistics.md.
///
/// - *Alarm*: over the window since the start and over windows restarted along the cycle, the
///   any-time valid lower limit of the mean worsening is above `tolerated` (and above the margin at
///   the rollback level). The upgrade's levels are split over rules, windows and restarts.
/// - *Proof*: in every season the upper limit at the closing level is below the margin, and every
///   slot of a whole cycle was seen since the proof began. Not firing proves nothing.
/// - *End of a regression*: the mean worsening over as long as it took to fire is at most
///   `tolerated`, no window fires and no threshold holds. The proof then starts anew.
class Watch {
public:
    /// `baseline` may be absent: the signal was not there; the rule stays `learning`.
    Watch(Rule rule, SignalId signal, std::optional<SignalBaseline> baseline, WatchPlan plan);

    void add(const Point& point);
    /// A person says that the regression is over: watching again, the proof starts anew.
    void acknowledge(Timestamp at);
    /// The watcher itself was away until `at`: silence is measured from then on.
    void resume(Timestamp at) { resumed_at_ = at; }
    /// What the rule says at `now`, which is not before the last point.
    Judged judged(Timestamp now) const;

    const SignalId& signal() const { return signal_; }
    const Rule& rule() const { return rule_; }

private:
    /// Sums over the blocks before an index: any window's mean is a difference of two.
    struct Prefix {
        Timestamp at{};       ///< begin of the block
        double residual = 0;  ///< Σ (numerator - season mean · denominator), worse is positive
        double residual_square = 0;  ///< Σ of squares of the block's own mean residual
        double denominator = 0;
        double observed = 0;  ///< Σ numerators
        double expected = 0;  ///< Σ season mean · denominator
    };
    struct SeasonProof {
        double blocks = 0, residual = 0, residual_square = 0, denominator = 0;
    };
    struct Mean {
        double blocks = 0;
        double effect = 0;
        double variance = 0;  ///< of the effect
        double baseline = 0, observed = 0;
        double denominator = 0;
        Window window{};
    };
    struct Regression {
        Severity severity = Severity::none;
        Timestamp since{};
        Timestamp window_begin{};
        bool by_threshold = false;
        std::string cause;
        Evidence evidence;
    };
    struct ThresholdState {
        std::optional<Timestamp> since;  ///< beyond it without interruption since
        std::optional<Timestamp> last;
        bool holds = false;
    };

    void take(const Block& block);
    void judge_windows(Timestamp now);
    void judge_thresholds(const Point& point, Timestamp before);
    void raise(Severity severity, Timestamp now, Regression regression);
    void check_recovery(Timestamp now);
    void start_proof(Timestamp at);
    Mean mean_since(std::size_t first) const;
    Mean season_mean(const SeasonProof& season) const;
    double predictive_variance(double blocks, double denominator) const;
    double half_width(const Mean& mean, double alpha) const;
    double prior_scale() const;
    double coverage() const;
    Evidence evidence_of(const Mean& mean, double alpha) const;
    std::string missing_proof(Timestamp now) const;
    std::string sentence(const Evidence& evidence) const;
    bool silent(Timestamp now) const;
    Milliseconds step() const;
    double sign() const { return rule_.worse == Direction::down ? -1 : 1; }

    Rule rule_;
    SignalId signal_;
    std::optional<SignalBaseline> baseline_;
    WatchPlan plan_;
    SeasonClock clock_;
    BlockBuilder builder_;
    double baseline_level_ = 0;
    double baseline_blocks_ = 0;
    double tolerated_ = 0, margin_ = 0;  ///< in the unit, at the baseline's level

    std::vector<Prefix> prefix_;        ///< prefix_[i]: sums before block i
    std::deque<std::size_t> restarts_;  ///< first block of each restarted window
    std::optional<Timestamp> last_restart_;
    std::size_t start_ = 0;  ///< first block of the window since the start

    Timestamp proof_begin_{};
    std::vector<SeasonProof> proof_;   ///< by season
    std::vector<double> slot_blocks_;  ///< by slot, since the proof began
    std::vector<bool> required_slots_;

    std::vector<ThresholdState> thresholds_;
    std::optional<Regression> regression_;
    std::optional<Timestamp> recovered_at_;
    std::optional<Timestamp> resumed_at_;
    std::optional<Timestamp> calm_since_;  ///< beyond no threshold, without a gap, since
    std::optional<Timestamp> last_point_;
    std::optional<Milliseconds> step_;  ///< smallest time between two points
    double last_value_ = 0;
};

}  // namespace holdfast::rules
