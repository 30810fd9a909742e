#pragma once
#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "rules/judging/numerics.h"

namespace holdfast::rules {

/// Columns of a regression: constant, up to eight daily and three weekly harmonics, load.
constexpr std::size_t columns_max = 1 + 16 + 6 + 1;
using Row = std::array<double, columns_max>;
using Coefficients = std::array<double, columns_max>;

/// Linear regression with every fold left out once: what each fold looks like to a model that has
/// not seen it. Normal equations per fold, ridge 1e-3 a row on all columns but the constant, which
/// keeps 17 columns on three days solvable. Hastie, Tibshirani, Friedman, "Elements", 3.4.1.
class FoldedRegression {
public:
    /// `rows[i]` and `fold[i]` belong to the i-th value; `columns` of each row are used.
    FoldedRegression(std::vector<Row> rows, std::size_t columns, std::vector<std::size_t> fold);

    struct Fit {
        Values left_out;                    ///< residuals under the fit to the other folds
        Coefficients full{};                ///< of the fit to everything
        std::vector<Coefficients> without;  ///< of the fits without each fold
    };
    /// Missing values have no residual and no weight. With `winsorise` residuals beyond five robust
    /// sigma are cut and the fit is made again: an incident must not bend what is expected.
    Fit fit(std::span<const double> values, bool winsorise = true) const;

    std::size_t columns() const { return columns_; }
    static double predict(const Row& row, const Coefficients& c, std::size_t columns);

private:
    Fit fit_once(std::span<const double> target, std::span<const double> values) const;

    std::vector<Row> rows_;
    std::size_t columns_;
    std::vector<std::size_t> fold_;
    std::size_t folds_ = 0;
    std::vector<std::vector<double>> gram_;  ///< by fold, columns x columns, of all rows
};

}  // namespace holdfast::rules
