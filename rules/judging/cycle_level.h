#pragma once
#include <array>
#include <optional>
#include <vector>

#include "rules/judging/cycle_curves.h"

namespace holdfast::rules {

/// The level channel where the history holds two whole business cycles and more: each past cycle,
/// left out and judged by the others, is an upgrade that did not happen. Ref: docs/statistics.md,
/// "Whole cycles".

/// One signal of the history, in blocks that end at the upgrade, whole cycles of them.
struct CycleSignal {
    bool is_ratio = false;
    Values x;    ///< gauge: the block's value on a scale on which effects add
    Values bad;  ///< ratio: events that are bad, and all, by block; all = 0 is missing
    Values all;
    bool up = true;  ///< sides that are judged
    bool down = false;
    double tolerated = 0;  ///< on the scale of x; for a ratio a share of the bad share
    double margin = 0;
    bool may_use_load = true;
    double level_alpha = 0;  ///< share of each level that this signal's channel may spend, a side
};

/// What a watch needs of one signal.
struct CycleModel {
    struct Tables {
        /// log of the boundary of a window's mean score, by severity (warn, page, rollback).
        std::array<Curve, 3> start{};
        std::array<Curve, 3> restart{};
        Curve close{};     ///< at the closing level
        Curve interval{};  ///< two-sided interval at the closing level
    };

    bool known = false;  ///< the history holds enough of it
    bool is_ratio = false;
    bool never_bad = false;  ///< a ratio without one bad event
    Values profile;          ///< expected x or bad share, by position in the cycle
    Values lower;            ///< band near schedule edges (gauge); equal where there is none
    Values upper;
    Values sigma;  ///< scale of residuals, by position
    double load_slope = 0;
    double clip = 5;
    double centre = 0;
    double sigma_middle = 1;
    double tolerated = 0;
    double margin = 0;
    std::array<Tables, 2> sides;  ///< up, down

    double residual(double value, std::size_t position, double load_residual) const;
};

struct CycleSettings {
    std::array<double, 3> alpha{0.20, 0.05, 0.01};  ///< warn, page, rollback
    double close = 0.05;
    std::size_t settle = 3;  ///< blocks after the upgrade that are not judged
    std::size_t watch_blocks = 2016;
};

struct CycleTaught {
    std::vector<CycleModel> signals;
    Values load_profile;  ///< by position; empty without a load
};

/// Learns all signals together: tails and slow variances are pooled. `load` is empty or a block
/// series like the signals'.
CycleTaught teach_cycles(const std::vector<CycleSignal>& signals, const Values& load,
                         const CycleClock& clock, const CycleSettings& settings);

/// Watches one signal. Windows: since the upgrade, and restarted every hour, each up to a day long.
class CycleWatch {
public:
    CycleWatch(const CycleModel& model, const CycleClock& clock, const CycleSettings& settings,
               bool up, bool down);

    /// The next block; `value` NaN: missing. For a ratio the share of bad events. Gives the
    /// residual; NaN where nothing is judged.
    double add(double value, std::size_t position, double load_residual);

    struct Crossing {
        int severity = -1;  ///< 0 warn, 1 page, 2 rollback
        bool up = true;
        double effect = 0;  ///< mean residual over the window
        double blocks = 0;  ///< of the window
        double ratio = 0;   ///< mean over its boundary
    };
    /// The worst that the windows ending now say.
    Crossing crossing() const;
    /// What came before proves nothing any more: the proof starts here.
    void restart_proof() { proof_ = effect_.size(); }
    bool proven() const;  ///< the upper limit of the effect is below the margin
    /// How many blocks the proof needs in all if things go on as they are; nothing when the effect
    /// itself is not below the margin, or 64 times what is there would not do.
    std::optional<double> blocks_for_proof() const;
    /// Of the effect's interval at 95 %, for a window of so many blocks; on the residuals' scale.
    double half_width(bool up, double blocks) const;
    struct Interval {
        double effect = 0, lower = 0, upper = 0, blocks = 0;
    };
    Interval since_start() const;
    /// Mean residual of the last blocks; positive is up.
    double recent(std::size_t blocks) const;
    std::size_t count() const { return seen_; }
    std::size_t proof_begin() const { return proof_; }  ///< of the blocks after the settling ones
    /// What the blocks since the proof's start are worth, in independent ones.
    double effective_blocks() const;

private:
    struct Side {
        bool judged = false;
        Prefix tolerated;
        Prefix margin;
    };
    void check(Crossing& worst, bool up, std::size_t first, bool restart) const;

    const CycleModel* model_;
    CycleSettings settings_;
    std::size_t per_hour_;
    std::size_t per_day_;
    std::size_t seen_ = 0;
    std::size_t proof_ = 0;  ///< first block of the proof
    std::array<Side, 2> sides_;
    Prefix effect_;
};

}  // namespace holdfast::rules
