#include "rules/judging/level.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/rules/judging/simulated_cells.h"

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
using testing::noise;

constexpr std::size_t per_hour = 12;
constexpr std::size_t day = 24 * per_hour;

Rhythm weekly() {
    return Rhythm::of(24h * 7, {});
}
Grid grid_of(std::size_t blocks) {
    const Timestamp upgrade{std::chrono::hours{24 * 20'000 + 10}};
    return {upgrade - 5min * static_cast<std::int64_t>(blocks), 5min, blocks};
}

Values scaled(Values v, double factor, double offset = 0) {
    for (double& x : v) {
        x = factor * x + offset;
    }
    return v;
}

/// A channel whose placebo residuals are known.
LevelModel model_of(const Values& residuals, double growth = 1,
                    std::size_t watch_blocks = 7 * day) {
    ExpectationLearner::Learnt learnt;
    learnt.left_out = residuals;
    learnt.expectation.growth = growth;
    return {learnt, grid_of(residuals.size()), watch_blocks, weekly(), {}};
}

/// The strongest look of all that `residuals` give.
Evidence10 strongest(const LevelModel& model, const Values& residuals, bool up = true) {
    LevelWatch watch{model};
    Evidence10 best;
    for (const double r : residuals) {
        watch.add(r, 0);
        if (watch.is_look()) {
            const auto found = watch.look(up);
            best = found.evidence > best.evidence ? found : best;
        }
    }
    return best;
}

/// By how much V falls per factor of the length: -1 for independent blocks.
double slope_of(const LevelModel& model, double from, double to) {
    return std::log(model.variance_at(to) / model.variance_at(from)) / std::log(to / from);
}

TEST(LevelModel, VarianceOfWhiteNoiseFallsAboutAsOneOverTheLength) {
    // Shrunk towards h^-0.35 with the weight of four windows: a little slower than -1.
    const auto model = model_of(scaled(noise(28 * day, 1), 0.2));
    EXPECT_NEAR(slope_of(model, per_hour, 12 * per_hour), -1, 0.15);
    EXPECT_NEAR(model.variance_at(per_hour), 1.0 / per_hour, 0.2 / per_hour + 0.005);
    EXPECT_NEAR(model.sigma(), 0.2, 0.01);
}

TEST(LevelModel, VarianceOfRememberingNoiseFallsSlower) {
    const auto white = model_of(scaled(noise(28 * day, 1), 0.2));
    const auto slow = model_of(scaled(noise(28 * day, 1, 0.97), 0.2));
    EXPECT_GT(slope_of(slow, per_hour, 4 * per_hour), -0.6);
    for (const std::size_t hours : {1U, 4U, 12U, 24U}) {
        const auto h = static_cast<double>(hours * per_hour);
        EXPECT_GT(slow.variance_at(h), 4 * white.variance_at(h)) << hours;
    }
}

TEST(LevelModel, VarianceNeverFallsFasterThanOneOverTheLength) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto model = model_of(scaled(noise(5 * day, seed, 0.5), 0.3));
        const auto& lengths = model.lengths();
        for (std::size_t i = 1; i < lengths.size(); ++i) {
            const double ratio =
                static_cast<double>(lengths[i - 1].blocks) / static_cast<double>(lengths[i].blocks);
            EXPECT_GE(lengths[i].variance, 0.999 * ratio * lengths[i - 1].variance);
        }
    }
}

TEST(LevelModel, LevelsThatDifferFromDayToDayStayInTheVariance) {
    auto residuals = scaled(noise(14 * day, 1), 0.1);
    const auto days = noise(14, 2);
    for (std::size_t i = 0; i < residuals.size(); ++i) {
        residuals[i] += 0.1 * days[i / day];
    }
    EXPECT_GT(slope_of(model_of(residuals), 4 * per_hour, day), -0.25);
}

TEST(LevelModel, DriftWidensEveryLength) {
    const auto residuals = noise(5 * day, 1);
    const auto still = model_of(residuals);
    const auto drifting = model_of(residuals, 2);
    for (std::size_t i = 0; i < still.lengths().size(); ++i) {
        EXPECT_GT(drifting.lengths()[i].variance, 1.5 * still.lengths()[i].variance);
    }
}

TEST(LevelModel, LengthsNeverSeenAreAsUncertainAsTheLongestThatWas) {
    const auto model = model_of(scaled(noise(2 * day, 1), 0.2));  // 24 h fits twice, 48 h does not
    const auto& last = model.lengths().back();
    EXPECT_EQ(last.hours, 72);
    EXPECT_NEAR(model.variance_at(3.0 * day), model.variance_at(2.0 * day), 1e-9);
    EXPECT_GE(model.variance_at(2.0 * day), 0.9 * model.variance_at(1.0 * day));
    EXPECT_LE(last.freedom, 4);
}

TEST(LevelModel, WindowsAreNoLongerThanTheWatch) {
    const auto residuals = scaled(noise(5 * day, 1), 0.2);
    EXPECT_EQ(model_of(residuals, 1, 5 * per_hour).lengths().back().hours, 4);
    EXPECT_TRUE(model_of(residuals, 1, 2).lengths().empty());
    EXPECT_EQ(model_of(residuals, 1, 2).variance_at(5), 1);
    EXPECT_GE(model_of(residuals, 1, 2).freedom_at(5), 1);
}

TEST(LevelModel, VarianceBetweenMeasuredLengthsLiesBetweenTheirs) {
    const auto model = model_of(scaled(noise(14 * day, 1), 0.2));
    double before = model.variance_at(1);
    for (double blocks = 1; blocks < 2000; blocks *= 1.1) {
        const double v = model.variance_at(blocks);
        EXPECT_LE(v, before * (1 + 1e-9)) << blocks;
        EXPECT_GT(v, 0);
        before = v;
    }
}

TEST(LevelWatch, AShiftPages) {
    const auto model = model_of(scaled(noise(5 * day, 1, 0.5), 0.1));
    const auto found = strongest(model, scaled(noise(6 * per_hour, 2, 0.5), 0.1, 0.5));
    EXPECT_GT(found.evidence, 2.5);
    EXPECT_NEAR(found.effect, 0.5, 0.1);
    EXPECT_EQ(strongest(model, scaled(noise(6 * per_hour, 2, 0.5), 0.1, 0.5), false).evidence, 0);
    EXPECT_GT(strongest(model, scaled(noise(6 * per_hour, 2, 0.5), 0.1, -0.5), false).evidence,
              2.5);
}

TEST(LevelWatch, NothingChangedIsNoEvidence) {
    int loud = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        const auto model = model_of(scaled(noise(5 * day, seed, 0.8), 0.2));
        const auto watched = scaled(noise(7 * day, 1000 + seed, 0.8), 0.2);
        loud += strongest(model, watched).evidence > 1.3 ? 1 : 0;
    }
    EXPECT_LE(loud, 4);  // 5 % of forty, and two standard deviations
}

TEST(LevelWatch, OneWildBlockDoesNotCarryAWindow) {
    const auto model = model_of(scaled(noise(5 * day, 1), 0.1));
    for (const double wild : {1.0, 100.0, 1e9}) {
        auto watched = scaled(noise(day, 2), 0.1);
        watched[100] = wild;
        EXPECT_LT(strongest(model, watched).evidence, 0.5) << wild;
    }
}

TEST(LevelWatch, ASpikeOfTwentyMinutesIsNoShift) {
    const auto model = model_of(scaled(noise(5 * day, 1), 0.1));
    auto watched = scaled(noise(day, 2), 0.1);
    for (std::size_t i = 100; i < 104; ++i) {
        watched[i] = 3;
    }
    EXPECT_LT(strongest(model, watched).evidence, 0.5);
}

TEST(LevelWatch, AnExcursionThatReturnsIsForgotten) {
    const auto model = model_of(scaled(noise(5 * day, 1), 0.1));
    LevelWatch watch{model};
    for (std::size_t i = 0; i < 3 * per_hour; ++i) {
        watch.add(0.5, 0);
    }
    EXPECT_GT(watch.look(true).evidence, 1);
    for (std::size_t i = 0; i < 2 * per_hour; ++i) {
        watch.add(0, 0);
    }
    EXPECT_EQ(watch.look(true).evidence, 0);
}

TEST(LevelWatch, WhatIsToleratedOrTooSmallIsNotSpokenOf) {
    const auto model = model_of(scaled(noise(14 * day, 1), 0.001));  // sigma has a floor of 0.01
    EXPECT_EQ(strongest(model, Values(3 * day, 0.02)).evidence, 0);
    EXPECT_EQ(strongest(model, Values(3 * day, 0.049)).evidence, 0);
    EXPECT_GT(strongest(model, Values(3 * day, 0.06)).evidence, 1);
}

TEST(LevelWatch, LargerEffectsAreMoreEvidence) {
    const auto model = model_of(scaled(noise(5 * day, 1, 0.5), 0.1));
    double before = -1;
    for (const double effect : {0.0, 0.1, 0.2, 0.4, 0.8}) {
        const auto found = strongest(model, scaled(noise(day, 2, 0.5), 0.1, effect));
        EXPECT_GE(found.evidence, before) << effect;
        before = found.evidence;
    }
}

TEST(LevelWatch, MissingBlocksSayNothing) {
    const auto model = model_of(scaled(noise(5 * day, 1), 0.1));
    EXPECT_EQ(strongest(model, Values(day, missing)).evidence, 0);
    auto watched = Values(day, 0.5);
    for (std::size_t i = 0; i < day; ++i) {  // 60 % of every window is there: 70 % are needed
        watched[i] = i % 10 < 4 ? missing : watched[i];
    }
    EXPECT_EQ(strongest(model, watched).evidence, 0);
    LevelWatch watch{model};
    watch.add(missing, 1);
    EXPECT_FALSE(watch.within_margin(true, 0.05));
    EXPECT_EQ(watch.since_start(0.05).blocks, 0);
    EXPECT_EQ(watch.count(), 1U);
}

TEST(LevelWatch, AnUncertainLoadCoefficientWeakensFarFromTheUsualLoad) {
    ExpectationLearner::Learnt learnt;
    learnt.left_out = scaled(noise(5 * day, 1), 0.1);
    learnt.expectation.load_variance = 0.01;
    const LevelModel model{learnt, grid_of(5 * day), 7 * day, weekly(), {}};
    const auto evidence_at = [&](double lever) {
        LevelWatch watch{model};
        for (std::size_t i = 0; i < 6 * per_hour; ++i) {
            watch.add(0.3, lever);
        }
        return watch.look(true).evidence;
    };
    EXPECT_GT(evidence_at(0), evidence_at(2) + 1);
    EXPECT_EQ(evidence_at(2), evidence_at(-2));
}

TEST(LevelWatch, RulesOutAMarginOfManySigmas) {  // noise is clipped, not the distance
    constexpr std::size_t hours = 6 * per_hour;  // so little that intervals are wide
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        ExpectationLearner::Learnt learnt;
        learnt.left_out = scaled(noise(hours, seed, 0.9), 0.1);
        learnt.expectation.growth = 4;
        const LevelSettings settings{.tolerated = 1, .margin = 10};
        const LevelModel model{learnt, grid_of(hours), hours, weekly(), settings};
        LevelWatch watch{model};
        for (const double v : scaled(noise(hours, 1000 + seed, 0.9), 0.1)) {
            watch.add(v, 0);
        }
        EXPECT_EQ(watch.within_margin(true, 0.05), watch.since_start(0.05).upper < 10) << seed;
    }
}

TEST(LevelWatch, RulesOutTheMarginOnlyWhereTheEffectIsWithinIt) {
    int wrong = 0;
    int ruled_out = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        const auto model = model_of(scaled(noise(14 * day, seed, 0.5), 0.1));  // margin 0.1
        LevelWatch same{model};
        LevelWatch shifted{model};
        bool once = false;
        for (const double v : scaled(noise(day, 1000 + seed, 0.5), 0.1)) {
            same.add(v, 0);
            shifted.add(v + 0.1, 0);
            once = once || shifted.within_margin(true, 0.05);
        }
        wrong += once ? 1 : 0;
        ruled_out += same.within_margin(true, 0.05) && same.within_margin(false, 0.05) ? 1 : 0;
        EXPECT_TRUE(shifted.within_margin(false, 0.05));
    }
    EXPECT_LE(wrong, 5);  // 5 % at any moment, of forty, and two standard deviations
    EXPECT_GE(ruled_out, 36);
}

TEST(LevelWatch, TheIntervalHoldsTheEffectAtAllTimes) {
    int missed = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        const auto model = model_of(scaled(noise(5 * day, seed, 0.5), 0.1));
        LevelWatch watch{model};
        double width = 1e9;
        bool held = true;
        const auto watched = scaled(noise(3 * day, 1000 + seed, 0.5), 0.1, 0.15);
        for (std::size_t i = 0; i < watched.size(); ++i) {
            watch.add(watched[i], 0);
            const auto interval = watch.since_start(0.05);
            EXPECT_LT(interval.lower, interval.upper);
            EXPECT_GT(interval.effect, interval.lower);
            EXPECT_LT(interval.effect, interval.upper);
            held = held && interval.lower < 0.15 && interval.upper > 0.15;
            if (i == 3 || i == per_hour || i == 4 * per_hour) {
                EXPECT_LT(interval.upper - interval.lower, width);
                width = interval.upper - interval.lower;
            }
        }
        missed += held ? 0 : 1;
    }
    EXPECT_LE(missed, 8);  // any-time: 5 % a side, of forty, and two standard deviations
}

}  // namespace
}  // namespace holdfast::rules
