#include "rules/judging/sudden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/rules/judging/simulated_cells.h"

namespace holdfast::rules {
namespace {

using testing::noise;

constexpr std::size_t day = 288;  // blocks of five minutes
constexpr double pages = 3;       // log10 of evidence that a dozen signals' budget demands

Values scaled(Values v, double factor, double offset = 0) {
    for (double& x : v) {
        x = factor * x + offset;
    }
    return v;
}
SuddenModel model_of(const Values& placebo, std::size_t watch_blocks = 7 * day) {
    return {placebo, Values(placebo.end() - SuddenModel::local, placebo.end()), watch_blocks, day,
            0.05};
}

struct Found {
    double evidence = 0;
    std::size_t block = 0;  ///< the first that pages
};
Found watch(const SuddenModel& model, const Values& residuals, bool up = true) {
    SuddenWatch watching{model};
    Found out;
    for (const double r : residuals) {
        watching.add(r);
        if (!watching.is_look()) {
            continue;
        }
        const double evidence = watching.look(up).evidence;
        if (out.block == 0 && evidence > pages) {
            out.block = watching.count();
        }
        out.evidence = std::max(out.evidence, evidence);
    }
    return out;
}

TEST(Sudden, SeesADoublingWithinTwentyMinutes) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        const auto model = model_of(scaled(noise(5 * day, seed, 0.5), 0.05));
        const auto found = watch(model, scaled(noise(day, 100 + seed, 0.5), 0.05, std::log(2)));
        EXPECT_GE(found.block, 2U) << seed;
        EXPECT_LE(found.block, 4U) << seed;
    }
}

TEST(Sudden, SeesAHalvingOnTheOtherSide) {
    const auto model = model_of(scaled(noise(5 * day, 1, 0.5), 0.05));
    const auto watched = scaled(noise(day, 2, 0.5), 0.05, -std::log(2));
    EXPECT_LE(watch(model, watched, false).block, 4U);
    EXPECT_EQ(watch(model, watched, true).evidence, 0);
}

TEST(Sudden, SeesItWhereItBeginsLater) {
    const auto model = model_of(scaled(noise(5 * day, 1, 0.5), 0.05));
    auto watched = scaled(noise(day, 2, 0.5), 0.05);
    for (std::size_t i = 20; i < watched.size(); ++i) {
        watched[i] += std::log(2);
    }
    const auto found = watch(model, watched);
    EXPECT_GT(found.block, 20U);
    EXPECT_LE(found.block, 24U);
}

TEST(Sudden, IsSilentWhereNothingChanged) {
    int loud = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        const double memory = seed % 2 == 0 ? 0.0 : 0.8;
        const auto model = model_of(scaled(noise(5 * day, seed, memory), 0.2));
        loud += watch(model, scaled(noise(day, 500 + seed, memory), 0.2)).evidence > 1.3 ? 1 : 0;
    }
    EXPECT_LE(loud, 7);  // 5 % of sixty, and two standard deviations
}

TEST(Sudden, OneWildBlockIsNotEnough) {
    const auto model = model_of(scaled(noise(5 * day, 1), 0.05));
    for (const double wild : {1.0, 1000.0, 1e12}) {
        auto watched = scaled(noise(day, 2), 0.05);
        watched[10] = wild;
        EXPECT_LT(watch(model, watched).evidence, pages) << wild;
    }
}

TEST(Sudden, NaturalExcursionsRaiseTheBar) {
    const auto calm = scaled(noise(5 * day, 1), 0.05);
    auto busy = calm;
    for (std::size_t i = 0; i < busy.size(); ++i) {
        busy[i] += i % 40 < 4 ? 0.4 : 0;  // every few hours for twenty minutes
    }
    auto watched = scaled(noise(day, 2), 0.05);
    for (std::size_t i = 10; i < 14; ++i) {
        watched[i] += 0.4;
    }
    EXPECT_GT(watch(model_of(calm), watched).evidence, pages);
    EXPECT_LT(watch(model_of(busy), watched).evidence, 1.5);
}

TEST(Sudden, LargerStepsAreMoreEvidence) {
    const auto model = model_of(scaled(noise(5 * day, 1, 0.5), 0.1));
    double before = -1;
    for (const double effect : {0.0, 0.1, 0.2, 0.4, 0.7}) {
        const double evidence = watch(model, scaled(noise(day, 2, 0.5), 0.1, effect)).evidence;
        EXPECT_GE(evidence, before) << effect;
        before = evidence;
    }
}

TEST(Sudden, EffectsTooSmallAreNotSpokenOf) {
    const auto model = model_of(scaled(noise(5 * day, 1), 1e-4));
    EXPECT_EQ(watch(model, Values(day, 0.049)).evidence, 0);
    EXPECT_GT(watch(model, Values(day, 0.06)).evidence, 0);
}

TEST(Sudden, TellsEffectAndLengthOfTheWindow) {
    const auto model = model_of(scaled(noise(5 * day, 1), 0.05));
    SuddenWatch watching{model};
    for (int i = 0; i < 4; ++i) {
        watching.add(0.5);
    }
    const auto found = watching.look(true);
    EXPECT_DOUBLE_EQ(found.effect, 0.5);
    EXPECT_GE(found.hours, 2.0 / 12);
    EXPECT_LE(found.hours, 4.0 / 12);
}

TEST(Sudden, SpeaksOfTheFirstHoursOnly) {
    const auto model = model_of(scaled(noise(5 * day, 1), 0.05));
    EXPECT_EQ(model.last(), SuddenModel::stage_ends.back());
    SuddenWatch watching{model};
    for (std::size_t i = 0; i < day; ++i) {
        watching.add(i < model.last() ? 0 : 5);
        EXPECT_EQ(watching.is_look(), i < model.last());
        EXPECT_TRUE(watching.look(true).evidence == 0 || i < model.last());
    }
}

TEST(Sudden, IsNoLongerThanTheWatchAndAnEighthOfTheHistory) {
    EXPECT_EQ(model_of(noise(5 * day, 1), 10).last(), 10U);
    EXPECT_EQ(model_of(noise(day, 1)).last(), 24U);        // 36 blocks are an eighth: two hours
    EXPECT_EQ(model_of(noise(5 * day, 1), 1).last(), 0U);  // silent
    EXPECT_EQ(model_of(noise(day - 1, 1)).last(), 0U);
}

TEST(Sudden, OfNothingIsSilent) {
    const SuddenModel nothing{Values(5 * day, missing), Values(6, missing), 7 * day, day, 0.05};
    const auto found = watch(nothing, Values(day, missing));
    EXPECT_EQ(found.evidence, 0);
    EXPECT_EQ(watch(model_of(scaled(noise(5 * day, 1), 0.05)), Values(day, missing)).evidence, 0);
    EXPECT_EQ((SuddenModel{Values{}, Values{}, 7 * day, day, 0.05}.last()), 0U);
}

TEST(Sudden, KnowsTheLevelOfTheHalfHourBefore) {
    // Noise that remembers for hours: a level that was there before the upgrade is not its doing.
    const auto placebo = scaled(noise(5 * day, 3, 0.98), 0.2);
    const auto with_before = [&](double level) {
        return SuddenModel{placebo, Values(SuddenModel::local, level), 7 * day, day, 0.05};
    };
    const Values watched(12, 0.6);
    EXPECT_LT(watch(with_before(0.6), watched).evidence, watch(with_before(0), watched).evidence);
}

}  // namespace
}  // namespace holdfast::rules
