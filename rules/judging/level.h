#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "rules/judging/expectation.h"

namespace holdfast::rules {

/// Evidence of one look at one signal, for one side.
struct Evidence10 {
    double evidence = 0;  ///< log10 of how much one look is against "nothing worse than tolerated"
    double effect = 0;    ///< mean over the window, on the scale of the residuals
    double hours = 0;     ///< of the window
    double half_width = 0;  ///< of the effect's interval at 95 %
};

/// How far a block may be from the margin, in sigmas: noise is clipped and not the distance, or a
/// margin of many sigmas could never be ruled out.
inline double proof_clip(double clip, double margin) {
    return std::max(clip, margin + 1);
}

/// What the placebo windows of one channel say: how large a window's mean may be by chance.
struct LevelSettings {
    double hours_min = 1;      ///< shortest window
    double look_hours = 0.5;   ///< time between two looks
    double tolerated = 0.02;   ///< effect that is nobody's business, on the scale of the residuals
    double margin = 0.1;       ///< effect that has to be ruled out
    double effect_min = 0.05;  ///< smallest effect that is spoken of
    double temper_hours = 6;   ///< a window of so many hours counts half: incidents last hours
};

/// Learnt: the scale of a channel, and the variance of the means of its placebo windows. V(h) holds
/// autocorrelation, misfit, day effects and the short baseline without naming any of them.
class LevelModel {
public:
    LevelModel(const ExpectationLearner::Learnt& learnt, const Grid& history,
               std::size_t watch_blocks, const Rhythm& rhythm, LevelSettings settings);

    struct Length {
        std::size_t blocks;
        double hours;
        double variance;  ///< of the mean score, drift included
        double freedom;   ///< degrees of it
        double temper;    ///< exponent of the evidence: hours / (hours + temper_hours)
        double looks;     ///< log10 of how many independent windows the watch has, times lengths
    };
    const std::vector<Length>& lengths() const { return lengths_; }
    double sigma() const { return sigma_; }
    double clip() const { return clip_; }
    const LevelSettings& settings() const { return settings_; }
    std::size_t look_blocks() const { return look_blocks_; }
    double load_variance() const { return load_variance_; }
    /// V(h) and its degrees of freedom at any length, log-log between the measured ones.
    double variance_at(double blocks) const;
    double freedom_at(double blocks) const;

private:
    LevelSettings settings_;
    double sigma_ = 1;
    double clip_ = 5;  ///< of scores
    double load_variance_ = 0;
    std::size_t look_blocks_ = 1;
    std::vector<Length> lengths_;
};

/// Watches one channel: residuals come block by block, and each look weighs the windows that end
/// now. A window speaks only when its effect is large enough to matter, 70 % of its blocks are on
/// that side, and its last quarter is still half as far out: natural excursions return.
class LevelWatch {
public:
    explicit LevelWatch(const LevelModel& model) : model_{&model} {}

    /// `lever`: distance of the load from the history's mean, or 0.
    void add(double residual, double lever);
    bool is_look() const { return count() > 0 && count() % model_->look_blocks() == 0; }
    /// The strongest evidence of the windows that end now; `up` is the side.
    Evidence10 look(bool up) const;

    struct Interval {
        double effect = 0;
        double lower = 0;
        double upper = 0;
        double blocks = 0;
    };
    /// What came before proves nothing any more: the proof starts here.
    void restart_proof() { proof_ = count(); }
    /// The mean effect since the proof's start with its any-time valid interval; positive is up.
    Interval since_start(double alpha) const;
    /// Mean residual of the last blocks; positive is up.
    double recent(std::size_t blocks) const;
    /// Whether an effect of the margin to that side is ruled out at level `alpha`, at any moment.
    bool within_margin(bool up, double alpha) const;
    /// How many blocks the proof needs in all if things go on as they are; nothing when the effect
    /// itself is not below the margin, or 64 times what is there would not do.
    std::optional<double> blocks_for_proof(bool up, double alpha) const;
    /// What the blocks since the proof's start are worth, in independent ones.
    double effective_blocks() const;
    std::size_t proof_begin() const { return proof_; }
    std::size_t count() const { return effect_.size(); }

private:
    struct Side {
        Prefix score;  ///< against tolerated
        Prefix high;
        Prefix margin;  ///< against the margin
    };
    double half_width(double blocks, double alpha) const;

    const LevelModel* model_;
    std::size_t proof_ = 0;
    Side up_, down_;
    Prefix effect_, lever_;
};

}  // namespace holdfast::rules
