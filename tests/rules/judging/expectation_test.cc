#include "rules/judging/expectation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "tests/rules/judging/simulated_cells.h"

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
using testing::noise;

constexpr std::size_t per_day = 288;

/// Days of blocks of five minutes that end at an upgrade, some time of a day.
Grid days_of(std::size_t days) {
    const Timestamp upgrade{std::chrono::hours{24 * 20'000 + 10}};
    const auto size = days * per_day;
    return {upgrade - 5min * static_cast<std::int64_t>(size), 5min, size};
}
Rhythm weekly() {
    return Rhythm::of(24h * 7, {});
}

Values with_sine(Values values, const Grid& grid, double amplitude, double periods_a_day = 1) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] += amplitude * std::sin(2 * std::numbers::pi * periods_a_day *
                                          weekly().day_phase(grid.at(i)));
    }
    return values;
}
Values scaled(Values v, double factor) {
    for (double& x : v) {
        x *= factor;
    }
    return v;
}

TEST(Expectation, HasASeasonForADailySine) {
    const auto grid = days_of(5);
    const auto values = with_sine(scaled(noise(grid.size, 1), 0.1), grid, 0.5);
    const auto learnt = ExpectationLearner{grid, weekly(), {}}.learn(values, true);
    EXPECT_EQ(learnt.expectation.season, 1U);
    EXPECT_FALSE(learnt.expectation.with_load);
    for (std::size_t i = 0; i < per_day; ++i) {
        const auto tomorrow = grid.end() + 5min * static_cast<std::int64_t>(i);
        const double expected = 0.5 * std::sin(2 * std::numbers::pi * weekly().day_phase(tomorrow));
        EXPECT_NEAR(learnt.expectation.at(weekly(), tomorrow, 0), expected, 0.06);
    }
    EXPECT_NEAR(deviation_of(learnt.left_out), 0.1, 0.01);
}

TEST(Expectation, HasEightHarmonicsForAFastOne) {
    const auto grid = days_of(5);
    const auto values = with_sine(scaled(noise(grid.size, 1), 0.1), grid, 0.5, 7);
    EXPECT_EQ((ExpectationLearner{grid, weekly(), {}}.learn(values, true).expectation.season), 2U);
}

TEST(Expectation, HasHarmonicsOfTheCycleFromTwoCyclesOn) {
    const auto values_of = [](const Grid& grid) {
        return with_sine(scaled(noise(grid.size, 1), 0.1), grid, 0.5, 0.0);
    };
    for (const std::size_t days : {10U, 14U}) {
        const auto grid = days_of(days);
        auto values = values_of(grid);
        for (std::size_t i = 0; i < grid.size; ++i) {
            values[i] += 0.5 * std::sin(2 * std::numbers::pi * weekly().cycle_phase(grid.at(i)));
        }
        const auto season =
            ExpectationLearner{grid, weekly(), {}}.learn(values, true).expectation.season;
        EXPECT_EQ(season == 3, days == 14U) << season;
    }
}

TEST(Expectation, HasNoSeasonForNoise) {
    const auto grid = days_of(5);
    const ExpectationLearner learner{grid, weekly(), {}};
    int seasons = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        EXPECT_EQ(learner.learn(noise(grid.size, seed), true).expectation.season, 0U) << seed;
        seasons += learner.learn(noise(grid.size, seed, 0.7), true).expectation.season > 0 ? 1 : 0;
    }
    EXPECT_LE(seasons, 1);  // noise that remembers looks like one by chance
}

TEST(Expectation, HasNoSeasonBeforeTwoDays) {
    const auto grid = days_of(1);
    const auto values = with_sine(scaled(noise(grid.size, 1), 0.01), grid, 0.5);
    EXPECT_EQ((ExpectationLearner{grid, weekly(), {}}.learn(values, true).expectation.season), 0U);
}

TEST(Expectation, UsesTheLoadWhereItExplains) {
    const auto grid = days_of(5);
    const auto load = noise(grid.size, 2, 0.99);
    auto values = scaled(noise(grid.size, 1), 0.1);
    for (std::size_t i = 0; i < grid.size; ++i) {
        values[i] += 3 + 0.4 * load[i];
    }
    const ExpectationLearner learner{grid, weekly(), load};
    const auto learnt = learner.learn(values, true);
    ASSERT_TRUE(learnt.expectation.with_load);
    EXPECT_EQ(learnt.expectation.season, 0U);
    EXPECT_NEAR(learnt.expectation.at(weekly(), grid.end(), 2), 3.8, 0.05);
    EXPECT_NEAR(learnt.expectation.load_mean, mean_of(load), 1e-12);
    EXPECT_GT(learnt.expectation.load_variance, 0);
    EXPECT_NEAR(learnt.expectation.lever(2), 2 - mean_of(load), 1e-12);

    const auto forbidden = learner.learn(values, false);
    EXPECT_FALSE(forbidden.expectation.with_load);
    EXPECT_EQ(forbidden.expectation.lever(2), 0);
    EXPECT_GT(deviation_of(forbidden.left_out), 2 * deviation_of(learnt.left_out));
}

TEST(Expectation, LeavesTheLoadAloneWhereItDoesNotExplain) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        const auto grid = days_of(5);
        const ExpectationLearner learner{grid, weekly(), noise(grid.size, seed + 100, 0.9)};
        EXPECT_FALSE(learner.learn(noise(grid.size, seed, 0.9), true).expectation.with_load);
    }
}

TEST(Expectation, LearnsPastHolesInTheLoadButNeedsItToExpect) {
    const auto grid = days_of(5);
    auto load = noise(grid.size, 2, 0.99);
    auto values = scaled(noise(grid.size, 1), 0.1);
    for (std::size_t i = 0; i < grid.size; ++i) {
        values[i] += 3 + 0.4 * load[i];
    }
    for (std::size_t i = 0; i < grid.size; i += 10) {
        load[i] = missing;
    }
    const ExpectationLearner learner{grid, weekly(), load};
    const auto learnt = learner.learn(values, true);
    ASSERT_TRUE(learnt.expectation.with_load);
    EXPECT_TRUE(std::isnan(learnt.expectation.at(weekly(), grid.end(), missing)));
    EXPECT_NEAR(learnt.expectation.at(weekly(), grid.end(), 1), 3.4, 0.1);
    EXPECT_FALSE(
        std::isnan(learner.learn(values, false).expectation.at(weekly(), grid.end(), missing)));
}

/// Mean growth over seeds; `next` tells a day's level from the one before and a step of its own.
double mean_growth(std::size_t days,
                   const std::function<double(double before, double step)>& next) {
    constexpr std::uint64_t seeds = 20;
    const auto grid = days_of(days);
    const ExpectationLearner learner{grid, weekly(), {}};
    double sum = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const auto steps = noise(days, seed);
        auto values = scaled(noise(grid.size, seed + 50), 0.1);
        double level = 0;
        for (std::size_t i = 0; i < grid.size; ++i) {
            level = i % per_day == 0 ? next(level, steps[i / per_day]) : level;
            values[i] += level;
        }
        const double growth = learner.learn(values, true).expectation.growth;
        EXPECT_GE(growth, 1);
        sum += growth;
    }
    return sum / seeds;
}

TEST(Expectation, TheVarianceDoesNotGrowOfIndependentDays) {
    for (const std::size_t days : {3U, 5U, 8U, 14U}) {
        EXPECT_LT(mean_growth(days, [](double, double step) { return step; }), 1.3) << days;
    }
}

TEST(Expectation, TheVarianceGrowsUnderDrift) {
    EXPECT_GT(mean_growth(14, [](double before, double step) { return before + step; }), 1.2);
    EXPECT_GT(mean_growth(14, [](double before, double) { return before + 1; }), 1.2);
}

TEST(Expectation, TheVarianceDoesNotGrowWithoutDays) {
    const auto grid = days_of(1);
    EXPECT_EQ((ExpectationLearner{grid, weekly(), {}}
                   .learn(noise(grid.size, 1), true)
                   .expectation.growth),
              1);
}

TEST(Expectation, ALeftOutDayIsPredictedByTheOthers) {
    const auto grid = days_of(5);
    auto values = scaled(noise(grid.size, 1), 0.01);
    for (std::size_t i = 2 * per_day; i < 3 * per_day; ++i) {
        values[i] += 0.03;  // one day off the others, too little to be cut
    }
    const auto left_out = ExpectationLearner{grid, weekly(), {}}.learn(values, true).left_out;
    const Prefix sums{left_out};
    EXPECT_NEAR(sums.mean(2 * per_day, 3 * per_day), 0.03, 0.003);
    EXPECT_NEAR(sums.mean(0, per_day), -0.03 / 4, 0.003);
}

TEST(Expectation, OfNothingIsNothing) {
    const auto grid = days_of(3);
    const auto learnt =
        ExpectationLearner{grid, weekly(), {}}.learn(Values(grid.size, missing), true);
    EXPECT_EQ(learnt.left_out.size(), grid.size);
    EXPECT_EQ(learnt.expectation.growth, 1);
    EXPECT_EQ(learnt.expectation.at(weekly(), grid.end(), 0), 0);
    const ExpectationLearner empty{{grid.begin, 5min, 0}, weekly(), {}};
    EXPECT_TRUE(empty.learn(Values{}, true).left_out.empty());
}

TEST(RobustSquare, IsTheVarianceOfANormalAndForgetsTheWild) {
    auto v = noise(20'000, 3);
    EXPECT_NEAR(robust_square(v), 1, 0.05);
    for (std::size_t i = 0; i < 100; ++i) {
        v[i * 31] = 1e6;
        v[i * 31 + 1] = missing;
    }
    EXPECT_NEAR(robust_square(v), 1.08, 0.08);
}

}  // namespace
}  // namespace holdfast::rules
