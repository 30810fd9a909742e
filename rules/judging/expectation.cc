#include "rules/judging/expectation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace holdfast::rules {
namespace {

constexpr std::array<std::size_t, 4> daily_harmonics{0, 4, 8, 8};
constexpr std::size_t cycle_harmonics = 3;
constexpr double step_must_win = 0.1;      // a bigger model lowers the error by this much a step
constexpr double block_error_share = 0.1;  // of single blocks beside the error of hours
constexpr double rounding = 1e-6;          // models of a constant differ by no more
constexpr double prior_windows = 4;        // weight of "no drift", in days

/// One row of the regression; returns the number of columns.
std::size_t fill(Row& row, std::size_t season, bool with_load, const Rhythm& rhythm, Timestamp at,
                 double load) {
    std::size_t n = 0;
    row[n++] = 1;
    const double day = 2 * std::numbers::pi * rhythm.day_phase(at);
    for (std::size_t k = 1; k <= daily_harmonics[season]; ++k) {
        row[n++] = std::cos(static_cast<double>(k) * day);
        row[n++] = std::sin(static_cast<double>(k) * day);
    }
    if (season == 3) {
        const double cycle = 2 * std::numbers::pi * rhythm.cycle_phase(at);
        for (std::size_t k = 1; k <= cycle_harmonics; ++k) {
            row[n++] = std::cos(static_cast<double>(k) * cycle);
            row[n++] = std::sin(static_cast<double>(k) * cycle);
        }
    }
    if (with_load) {
        row[n++] = std::isnan(load) ? 0 : load;
    }
    return n;
}

double jackknife_variance(const std::vector<Coefficients>& fits, std::size_t column) {
    const auto n = static_cast<double>(fits.size());
    double mean = 0;
    for (const auto& fit : fits) {
        mean += fit[column] / n;
    }
    double sum = 0;
    for (const auto& fit : fits) {
        sum += (fit[column] - mean) * (fit[column] - mean);
    }
    return (n - 1) / n * sum;
}

double winsorised_mean(std::vector<double> squares) {
    const double limit = 9 * median_of(squares) + 1e-12;
    for (double& v : squares) {
        v = std::min(v, limit);
    }
    return mean_of(squares);
}

}  // namespace

double robust_square(std::span<const double> residuals) {
    const double sigma = robust_scale(residuals) + 1e-9;
    Values squares(residuals.begin(), residuals.end());
    for (double& v : squares) {
        const double z = std::isnan(v) ? v : std::min(std::abs(v) / sigma, 4.0);
        v = z * z;
    }
    return mean_of(squares) * sigma * sigma;
}

double Expectation::at(const Rhythm& rhythm, Timestamp time, double load) const {
    if (with_load && std::isnan(load)) {
        return missing;
    }
    Row row;
    fill(row, season, with_load, rhythm, time, load);
    return FoldedRegression::predict(row, coefficients, columns);
}

ExpectationLearner::ExpectationLearner(const Grid& grid, Rhythm rhythm, Values load)
    : grid_{grid}, rhythm_{std::move(rhythm)}, load_{std::move(load)} {
    const auto history = grid_.end() - grid_.begin;
    whole_days_ = history >= 2 * rhythm_.day;
    const auto fold = whole_days_ ? rhythm_.day : std::max(Milliseconds{1}, history / 3);
    // Counted back from the upgrade, so that the last fold is a whole one.
    const auto last = (history.count() - 1) / fold.count();
    fold_.reserve(grid_.size);
    for (std::size_t i = 0; i < grid_.size; ++i) {
        const auto back = (grid_.end() - grid_.at(i) - Milliseconds{1}).count() / fold.count();
        fold_.push_back(static_cast<std::size_t>(last - back));
    }
    folds_ = static_cast<std::size_t>(last) + 1;
    per_hour_ = std::max<std::size_t>(
        1, static_cast<std::size_t>(std::llround(1 / rhythm_.hours(grid_.step))));
    std::size_t seasons = 1;
    if (whole_days_) {
        seasons = rhythm_.cycle >= 2 * rhythm_.day && history >= 2 * rhythm_.cycle ? 4 : 3;
    }
    for (const bool with_load : {false, true}) {
        for (std::size_t season = 0; season < seasons && (!with_load || !load_.empty()); ++season) {
            std::vector<Row> rows(grid_.size);
            std::size_t columns = 1;
            for (std::size_t i = 0; i < grid_.size; ++i) {
                columns = fill(rows[i], season, with_load, rhythm_, grid_.at(i),
                               with_load ? load_[i] : 0);
            }
            models_.push_back(
                {season, with_load, FoldedRegression{std::move(rows), columns, fold_}});
        }
    }
}

ExpectationLearner::Learnt ExpectationLearner::learn(std::span<const double> values,
                                                     bool may_use_load) const {
    Learnt best;
    double best_error = std::numeric_limits<double>::infinity();
    for (const auto& model : models_) {
        if (model.with_load && !may_use_load) {
            continue;
        }
        auto fit = model.regression.fit(values);
        const double steps = static_cast<double>(model.season) + (model.with_load ? 1.0 : 0.0);
        const double error = (robust_square(block_means(fit.left_out, per_hour_)) +
                              block_error_share * robust_square(fit.left_out)) *
                             (1 + step_must_win * steps);
        if (!(error < best_error * (1 - rounding))) {
            continue;
        }
        best_error = error;
        const auto columns = model.regression.columns();
        best.expectation = {
            .season = model.season,
            .with_load = model.with_load,
            .columns = columns,
            .coefficients = fit.full,
            .load_mean = model.with_load ? mean_of(load_) : 0,
            .load_variance = model.with_load ? jackknife_variance(fit.without, columns - 1) : 0};
        best.left_out = std::move(fit.left_out);
    }
    if (best.left_out.empty()) {
        best.left_out.assign(grid_.size, missing);
    }
    best.expectation.growth = drift(best.left_out);
    return best;
}

/// How much more a later day differs from all before it than a left-out day from all others: 1 for
/// independent days, more under drift; shrunk towards 1. Days of the second half only: the watch
/// lies at the end, and early days have not drifted far.
double ExpectationLearner::drift(const Values& left_out) const {
    if (!whole_days_ || folds_ < 3) {
        return 1;
    }
    const auto days = static_cast<double>(folds_);
    Values level;
    for (std::size_t day = 0; day < folds_; ++day) {
        Values of_day;
        for (std::size_t i = 0; i < left_out.size(); ++i) {
            if (fold_[i] == day) {
                of_day.push_back(left_out[i]);
            }
        }
        const auto length = std::max<std::size_t>(1, of_day.size() / 24);
        // Left-out residuals of independent days are too large by D / (D - 1).
        const double middle = median_of(block_means(of_day, length)) * (days - 1) / days;
        if (std::isnan(middle)) {
            return 1;
        }
        level.push_back(middle);
    }
    double total = 0;
    for (const double v : level) {
        total += v;
    }
    std::vector<double> forward;
    std::vector<double> both;
    double before = 0;
    double expected = 0;
    for (std::size_t i = 0; i < folds_; ++i) {
        const double others = (total - level[i]) / (days - 1);
        both.push_back((level[i] - others) * (level[i] - others));
        if (i > 0 && 2 * i >= folds_) {
            const auto n = static_cast<double>(i);
            forward.push_back((level[i] - before / n) * (level[i] - before / n));
            expected += 1 + 1 / n;
        }
        before += level[i];
    }
    expected *= (days - 1) / days / static_cast<double>(forward.size());
    const double ratio = winsorised_mean(forward) / (winsorised_mean(both) + 1e-12) / expected;
    const auto seen = static_cast<double>(forward.size());
    const double weight = seen / (seen + prior_windows);
    return std::max(1.0, std::pow(std::max(ratio, 1e-3), weight));
}

}  // namespace holdfast::rules
