#pragma once
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "rules/judging/regression.h"
#include "rules/judging/rhythm.h"

namespace holdfast::rules {

/// What a signal is expected to be: a season (none, four or eight harmonics of the day, or also
/// three of the cycle), with or without the load.
struct Expectation {
    std::size_t season = 0;  ///< 0 none, 1 four and 2 eight daily harmonics, 3 also three of cycle
    bool with_load = false;
    std::size_t columns = 1;
    Coefficients coefficients{};
    double load_mean = 0;      ///< of the history
    double load_variance = 0;  ///< of the load's coefficient (jackknife over days)
    double growth = 1;         ///< of the variance, by drift from day to day

    /// Missing where it depends on a load that is missing.
    double at(const Rhythm& rhythm, Timestamp time, double load) const;
    /// Variance that the uncertain load coefficient adds at this load.
    double lever(double load) const { return with_load ? load - load_mean : 0; }
};

/// Learns expectations of many signals on one grid that ends at the upgrade. The model is chosen by
/// the error of predicting left-out days (thirds of the history, when it is shorter than two); a
/// bigger one must lower it by 10 % a step. Ref: docs/statistics.md, "Expectation".
class ExpectationLearner {
public:
    /// `load` is empty or as long as the grid; a missing load counts as its median, 0.
    ExpectationLearner(const Grid& grid, Rhythm rhythm, Values load);

    struct Learnt {
        Expectation expectation;
        Values left_out;  ///< residuals of each day under the fit to the others: placebos
    };
    Learnt learn(std::span<const double> values, bool may_use_load) const;

    const Grid& grid() const { return grid_; }

private:
    double drift(const Values& left_out) const;

    Grid grid_;
    Rhythm rhythm_;
    Values load_;
    std::vector<std::size_t> fold_;
    std::size_t folds_ = 1;
    bool whole_days_ = false;
    std::size_t per_hour_ = 1;
    struct Model {
        std::size_t season;
        bool with_load;
        FoldedRegression regression;
    };
    std::vector<Model> models_;
};

/// Mean of squares, winsorised at four robust sigma.
double robust_square(std::span<const double> residuals);

}  // namespace holdfast::rules
