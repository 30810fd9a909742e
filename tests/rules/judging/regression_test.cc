#include "rules/judging/regression.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <utility>

#include "tests/rules/judging/simulated_cells.h"

namespace holdfast::rules {
namespace {

using testing::noise;

constexpr std::size_t columns = 4;
constexpr std::size_t size = 120;
constexpr std::size_t folds = 5;

/// Rows of a constant and three columns of noise.
std::vector<Row> some_rows(std::size_t n) {
    const auto v = noise(n * columns, 11);
    std::vector<Row> rows(n);
    for (std::size_t i = 0; i < n; ++i) {
        rows[i][0] = 1;
        for (std::size_t k = 1; k < columns; ++k) {
            rows[i][k] = v[i * columns + k];
        }
    }
    return rows;
}

std::vector<std::size_t> in_runs(std::size_t n) {
    std::vector<std::size_t> fold(n);
    for (std::size_t i = 0; i < n; ++i) {
        fold[i] = i * folds / n;
    }
    return fold;
}

/// 3 - 2 x + 0.5 y, and noise.
Values some_values(const std::vector<Row>& rows, double deviation) {
    auto v = noise(rows.size(), 12);
    for (std::size_t i = 0; i < v.size(); ++i) {
        v[i] = 3 - 2 * rows[i][1] + 0.5 * rows[i][2] + deviation * v[i];
    }
    return v;
}

/// Gauss-Jordan with pivots on the normal equations of the rows that `use` allows; the ridge is
/// that of the rows with a value, of all folds.
Coefficients refit(const std::vector<Row>& rows, const Values& values,
                   const std::vector<bool>& use) {
    std::array<std::array<double, columns + 1>, columns> a{};
    double there = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        there += std::isnan(values[i]) ? 0 : 1;
        if (!use[i] || std::isnan(values[i])) {
            continue;
        }
        for (std::size_t r = 0; r < columns; ++r) {
            for (std::size_t c = 0; c < columns; ++c) {
                a[r][c] += rows[i][r] * rows[i][c];
            }
            a[r][columns] += rows[i][r] * values[i];
        }
    }
    for (std::size_t k = 0; k < columns; ++k) {
        a[k][k] += k == 0 ? 1e-9 : 1e-3 * there;
    }
    for (std::size_t p = 0; p < columns; ++p) {
        std::size_t best = p;
        for (auto r = p; r < columns; ++r) {
            best = std::abs(a[r][p]) > std::abs(a[best][p]) ? r : best;
        }
        std::swap(a[p], a[best]);
        for (std::size_t r = 0; r < columns; ++r) {
            if (r != p) {
                const double factor = a[r][p] / a[p][p];
                for (std::size_t c = p; c <= columns; ++c) {
                    a[r][c] -= factor * a[p][c];
                }
            }
        }
    }
    Coefficients out{};
    for (std::size_t k = 0; k < columns; ++k) {
        out[k] = a[k][columns] / a[k][k];
    }
    return out;
}

void expect_is_refitted(const std::vector<Row>& rows, const std::vector<std::size_t>& fold,
                        const Values& values) {
    const auto fit = FoldedRegression{rows, columns, fold}.fit(values, false);
    const auto all = refit(rows, values, std::vector<bool>(rows.size(), true));
    ASSERT_EQ(fit.without.size(), folds);
    for (std::size_t f = 0; f < folds; ++f) {
        std::vector<bool> use(rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            use[i] = fold[i] != f;
        }
        const auto expected = refit(rows, values, use);
        for (std::size_t k = 0; k < columns; ++k) {
            EXPECT_NEAR(fit.full[k], all[k], 1e-9);
            EXPECT_NEAR(fit.without[f][k], expected[k], 1e-9) << "fold " << f << ", column " << k;
        }
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (fold[i] != f) {
                continue;
            }
            const double predicted = FoldedRegression::predict(rows[i], expected, columns);
            if (std::isnan(values[i])) {
                EXPECT_TRUE(std::isnan(fit.left_out[i]));
            } else {
                EXPECT_NEAR(fit.left_out[i], values[i] - predicted, 1e-9);
            }
        }
    }
}

TEST(FoldedRegression, LeavesAFoldOutAsIfItHadNeverBeenThere) {
    const auto rows = some_rows(size);
    expect_is_refitted(rows, in_runs(size), some_values(rows, 0.3));
}

TEST(FoldedRegression, DoesSoForScatteredFoldsAndMissingValues) {
    const auto rows = some_rows(size);
    auto values = some_values(rows, 0.3);
    std::vector<std::size_t> fold(size);
    for (std::size_t i = 0; i < size; ++i) {
        fold[i] = i * 7 % folds;
        if (i % 3 == 0 || (i > 40 && i < 60)) {
            values[i] = missing;
        }
    }
    expect_is_refitted(rows, fold, values);
}

TEST(FoldedRegression, DoesSoWhenAWholeFoldIsMissing) {
    const auto rows = some_rows(size);
    const auto fold = in_runs(size);
    auto values = some_values(rows, 0.3);
    for (std::size_t i = 0; i < size; ++i) {
        values[i] = fold[i] == 2 ? missing : values[i];
    }
    expect_is_refitted(rows, fold, values);
}

TEST(FoldedRegression, WhatIsMissingHasNoWeight) {
    const auto rows = some_rows(size);
    const auto fold = in_runs(size);
    auto values = some_values(rows, 0);
    values[3] = values[70] = missing;
    const auto fit = FoldedRegression{rows, columns, fold}.fit(values);
    EXPECT_NEAR(fit.full[0], 3, 0.02);  // of the ridge
    EXPECT_NEAR(fit.full[1], -2, 0.02);
    EXPECT_NEAR(fit.full[2], 0.5, 0.02);
    EXPECT_TRUE(std::isnan(fit.left_out[3]));
    EXPECT_TRUE(std::isnan(fit.left_out[70]));
}

TEST(FoldedRegression, WinsorisingKeepsAnIncidentFromBendingTheFit) {
    constexpr std::size_t many = 1200;
    const auto rows = some_rows(many);
    const auto clean = some_values(rows, 0.1);
    auto broken = clean;
    for (std::size_t i = 500; i < 506; ++i) {
        broken[i] += 1000;
    }
    const FoldedRegression regression{rows, columns, in_runs(many)};
    const auto bent = regression.fit(broken, false);
    const auto cut = regression.fit(broken, true);
    const auto expected = regression.fit(clean, true);
    EXPECT_GT(std::abs(bent.full[0] - expected.full[0]), 4);
    EXPECT_LT(std::abs(cut.full[0] - expected.full[0]), 0.5);
    EXPECT_LT(std::abs(cut.full[1] - expected.full[1]), 0.5);
    // The residuals are those of the values as they were: an incident is not hidden.
    EXPECT_GT(cut.left_out[502], 990);
}

TEST(FoldedRegression, WinsorisingChangesNothingWhereNothingIsWild) {
    const auto rows = some_rows(size);
    const auto values = some_values(rows, 0.1);
    const FoldedRegression regression{rows, columns, in_runs(size)};
    const auto plain = regression.fit(values, false);
    const auto cut = regression.fit(values, true);
    for (std::size_t k = 0; k < columns; ++k) {
        EXPECT_DOUBLE_EQ(plain.full[k], cut.full[k]);
    }
}

TEST(FoldedRegression, SolvesMoreColumnsThanTheRowsTellApart) {
    auto rows = some_rows(size);
    for (auto& row : rows) {
        row[3] = row[2] = 2 * row[1];
    }
    const auto fit = FoldedRegression{rows, columns, in_runs(size)}.fit(some_values(rows, 0.1));
    for (std::size_t k = 0; k < columns; ++k) {
        EXPECT_TRUE(std::isfinite(fit.full[k]));
        EXPECT_LT(std::abs(fit.full[k]), 10);
    }
}

TEST(FoldedRegression, HasNoOpinionOnNothing) {
    const auto rows = some_rows(size);
    const auto fit = FoldedRegression{rows, columns, in_runs(size)}.fit(Values(size, missing));
    ASSERT_EQ(fit.left_out.size(), size);
    for (const double v : fit.left_out) {
        EXPECT_TRUE(std::isnan(v));
    }
    EXPECT_TRUE((FoldedRegression{{}, columns, {}}.fit(Values{}).left_out.empty()));
}

}  // namespace
}  // namespace holdfast::rules
