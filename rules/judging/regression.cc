#include "rules/judging/regression.h"

#include <algorithm>
#include <cmath>

namespace holdfast::rules {
namespace {

constexpr double ridge_per_row = 1e-3;
constexpr double ridge_constant = 1e-9;
constexpr double cut_sigmas = 5;

void add_outer(std::vector<double>& gram, const Row& row, std::size_t columns, double weight) {
    for (std::size_t i = 0; i < columns; ++i) {
        for (std::size_t j = 0; j <= i; ++j) {
            gram[i * columns + j] += weight * row[i] * row[j];
        }
    }
}

/// Solves the symmetric positive definite system whose lower half is `gram` (Cholesky).
Coefficients solve(std::vector<double> gram, const Coefficients& right, std::size_t columns) {
    const auto at = [&](std::size_t i, std::size_t j) -> double& { return gram[i * columns + j]; };
    for (std::size_t i = 0; i < columns; ++i) {
        for (std::size_t j = 0; j <= i; ++j) {
            double sum = at(i, j);
            for (std::size_t k = 0; k < j; ++k) {
                sum -= at(i, k) * at(j, k);
            }
            at(i, j) = i == j ? std::sqrt(std::max(sum, 1e-300)) : sum / at(j, j);
        }
    }
    Coefficients x = right;
    for (std::size_t i = 0; i < columns; ++i) {
        for (std::size_t k = 0; k < i; ++k) {
            x[i] -= at(i, k) * x[k];
        }
        x[i] /= at(i, i);
    }
    for (std::size_t i = columns; i-- > 0;) {
        for (std::size_t k = i + 1; k < columns; ++k) {
            x[i] -= at(k, i) * x[k];
        }
        x[i] /= at(i, i);
    }
    return x;
}

}  // namespace

FoldedRegression::FoldedRegression(std::vector<Row> rows, std::size_t columns,
                                   std::vector<std::size_t> fold)
    : rows_{std::move(rows)}, columns_{columns}, fold_{std::move(fold)} {
    folds_ = fold_.empty() ? 0 : *std::max_element(fold_.begin(), fold_.end()) + 1;
    gram_.assign(folds_, std::vector<double>(columns_ * columns_, 0.0));
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        add_outer(gram_[fold_[i]], rows_[i], columns_, 1);
    }
}

double FoldedRegression::predict(const Row& row, const Coefficients& c, std::size_t columns) {
    double sum = 0;
    for (std::size_t i = 0; i < columns; ++i) {
        sum += row[i] * c[i];
    }
    return sum;
}

FoldedRegression::Fit FoldedRegression::fit(std::span<const double> values, bool winsorise) const {
    auto fit = fit_once(values, values);
    if (!winsorise) {
        return fit;
    }
    const double limit = cut_sigmas * robust_scale(fit.left_out) + 1e-9;
    Values cut(values.begin(), values.end());
    for (std::size_t i = 0; i < cut.size(); ++i) {
        const double e = fit.left_out[i];
        cut[i] -= e - std::clamp(e, -limit, limit);
    }
    return fit_once(cut, values);
}

/// Fits `target`; the residuals are those of `values`.
FoldedRegression::Fit FoldedRegression::fit_once(std::span<const double> target,
                                                 std::span<const double> values) const {
    auto gram = gram_;
    std::vector<Coefficients> right(folds_, Coefficients{});
    std::vector<double> count(folds_, 0);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        if (std::isnan(target[i])) {
            add_outer(gram[fold_[i]], rows_[i], columns_, -1);
            continue;
        }
        count[fold_[i]] += 1;
        for (std::size_t k = 0; k < columns_; ++k) {
            right[fold_[i]][k] += rows_[i][k] * target[i];
        }
    }
    std::vector<double> all(columns_ * columns_, 0.0);
    Coefficients all_right{};
    double rows = 0;
    for (std::size_t f = 0; f < folds_; ++f) {
        rows += count[f];
        for (std::size_t k = 0; k < all.size(); ++k) {
            all[k] += gram[f][k];
        }
        for (std::size_t k = 0; k < columns_; ++k) {
            all_right[k] += right[f][k];
        }
    }
    for (std::size_t k = 0; k < columns_; ++k) {
        all[k * columns_ + k] += k == 0 ? ridge_constant : ridge_per_row * rows;
    }
    Fit fit;
    fit.full = solve(all, all_right, columns_);
    fit.without.reserve(folds_);
    for (std::size_t f = 0; f < folds_; ++f) {
        auto rest = all;
        auto rest_right = all_right;
        for (std::size_t k = 0; k < rest.size(); ++k) {
            rest[k] -= gram[f][k];
        }
        for (std::size_t k = 0; k < columns_; ++k) {
            rest_right[k] -= right[f][k];
        }
        fit.without.push_back(solve(std::move(rest), rest_right, columns_));
    }
    fit.left_out.resize(values.size(), missing);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        fit.left_out[i] = values[i] - predict(rows_[i], fit.without[fold_[i]], columns_);
    }
    return fit;
}

}  // namespace holdfast::rules
