#pragma once
#include <cstddef>
#include <vector>

#include "rules/judging/level.h"

namespace holdfast::rules {

/// Half-hours with a cell far above the running median, against what the history has of them: a
/// negative binomial whose overdispersion is measured from window to window and shrunk to a prior
/// (0.4, weight three windows). Ref: docs/statistics.md, "Tails".
class TailModel {
public:
    /// `quantile`: of the history's deviations, beyond which a cell is an event. `least`: smaller
    /// deviations never are.
    TailModel(const Values& deviations, std::size_t watch_cells, double cell_hours, double quantile,
              double least = 0);

private:
    friend class TailWatch;
    struct Length {
        std::size_t cells;
        double hours;
        double mean;      ///< events expected
        double variance;  ///< of them
        double most;      ///< events of the history's worst window
        double temper;
        double looks;  ///< log10 of windows times lengths
    };
    double limit_ = 0;
    std::size_t gap_ = 1;
    std::size_t look_cells_ = 1;
    std::vector<Length> lengths_;
};

class TailWatch {
public:
    explicit TailWatch(const TailModel& model) : model_{&model} {}
    void add(double deviation);
    bool is_look() const { return cells_ > 0 && cells_ % model_->look_cells_ == 0; }
    /// `effect` is the log of events seen over events expected.
    Evidence10 look() const;

private:
    double events_in(std::size_t first, std::size_t last) const;

    const TailModel* model_;
    std::size_t cells_ = 0;
    std::vector<std::size_t> events_;
};

}  // namespace holdfast::rules
