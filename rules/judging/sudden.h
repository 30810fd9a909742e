#pragma once
#include <array>
#include <vector>

#include "rules/judging/level.h"

namespace holdfast::rules {

/// The fast channel: sudden breakage in the first hours. Windows of 10 min to 2 h are compared with
/// the maxima of placebo watches of the same length, each cut out of the history with its own half
/// hour before: natural excursions are in the placebos already, so nothing is tempered. Beyond the
/// 90 % quantile u of the placebo maxima a Pareto tail, P = 0.1 (x/u)^(-1/xi) (Pickands 1975; xi
/// shrunk to a prior). Ref: docs/statistics.md, "Sudden".
class SuddenModel {
public:
    static constexpr std::array<std::size_t, 5> windows{2, 4, 8, 12, 24};  ///< blocks of 5 min
    static constexpr std::array<std::size_t, 4> stage_ends{6, 12, 24, 48};
    static constexpr std::size_t local = 6;  ///< blocks before the upgrade that tell its level

    /// `before`: the residuals of the last `local` blocks under the full fit. `effect_min`:
    /// smallest effect that is spoken of. `watch_blocks`: planned.
    SuddenModel(const Values& placebo, const Values& before, std::size_t watch_blocks,
                std::size_t blocks_a_day, double effect_min);

    std::size_t last() const { return stages_.empty() ? 0 : stages_.back().end; }

private:
    friend class SuddenWatch;
    struct Stage {
        std::size_t end;
        double local_share;  ///< rho: what the level before tells of the blocks of this stage
        std::array<double, 2> start;  ///< u, by side: up, down
        std::array<double, 2> tail;   ///< xi
    };
    void learn_side(const std::vector<Values>& placebos, std::size_t side, std::size_t history);

    double sigma_ = 1;
    double effect_min_;
    double level_before_ = 0;
    std::vector<double> noise_;  ///< of each block after the upgrade, relative
    std::vector<Stage> stages_;
    std::vector<std::size_t> lengths_;
    std::array<std::vector<double>, 2> scales_;  ///< by side and length
};

class SuddenWatch {
public:
    explicit SuddenWatch(const SuddenModel& model) : model_{&model} {}
    void add(double residual);
    bool is_look() const { return count() > 0 && count() <= model_->last(); }
    Evidence10 look(bool up) const;
    std::size_t count() const { return effect_.size(); }

private:
    const SuddenModel* model_;
    Prefix score_, high_, low_, effect_;
};

}  // namespace holdfast::rules
