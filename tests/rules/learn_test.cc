#include "rules/learn.h"

#include <gtest/gtest.h>

#include "tests/rules/simulated.h"

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
using testing::gauge;
using testing::Noise;
using testing::World;

World::Level with_season(double amplitude, double sd, std::uint64_t seed) {
    auto noise = std::make_shared<Noise>(seed);
    return [=](Timestamp at) {
        const auto hour = static_cast<double>((at.time_since_epoch() / 1h) % 24);
        return gauge(at, 10 + amplitude * std::sin(hour / 24 * 6.2832) + sd * noise->next());
    };
}

TEST(SignalLearner, FindsNoSeasonWhereThereIsNone) {
    const World world;
    EXPECT_EQ(world.learn(with_season(0, 1, 1))->level, SeasonLevel::all);
}

TEST(SignalLearner, FindsTheSeasonThatIsThere) {
    const World world;
    const auto baseline = world.learn(with_season(5, 1, 1));
    EXPECT_EQ(baseline->level, SeasonLevel::slot);
    EXPECT_EQ(baseline->seasons.size(), 24);
    EXPECT_NEAR(baseline->seasons[6].mean, 15, 0.5);
    EXPECT_NEAR(baseline->seasons[18].mean, 5, 0.5);
}

TEST(SignalLearner, TellsWeekendsFromWorkingDaysOnlyWhereTheyDiffer) {
    World world;
    world.cycle = 7 * 24h;
    world.step = 5min;
    const auto weekly = [](double weekend) -> World::Level {
        auto noise = std::make_shared<Noise>(3);
        return [=](Timestamp at) {
            const auto day = (at.time_since_epoch() / 24h + 3) % 7;
            return gauge(at, (day >= 5 ? weekend : 10.0) + noise->next());
        };
    };
    EXPECT_EQ(world.learn(weekly(10))->level, SeasonLevel::all);
    const auto differing = world.learn(weekly(4));
    EXPECT_TRUE(differing->level == SeasonLevel::slot ||
                differing->level == SeasonLevel::hour_of_daytype);
}

TEST(SignalLearner, DoesNotClaimSeasonsFromASingleCycle) {
    World world;
    world.cycles_before = 1;
    EXPECT_EQ(world.learn(with_season(5, 1, 1))->level, SeasonLevel::all);
}

TEST(SignalLearner, MeasuresThatNoiseWithMemoryDoesNotAverageOut) {
    const auto variances = [](double memory) {
        const World world{.cycles_before = 20};
        auto noise = std::make_shared<Noise>(5, memory);
        return world.learn([=](Timestamp at) { return gauge(at, noise->next()); })->variances;
    };
    const auto independent = variances(0);
    const auto remembering = variances(0.95);
    EXPECT_NEAR(independent.front().variance, 1, 0.2);
    EXPECT_NEAR(remembering.front().variance, 1, 0.3);
    EXPECT_LT(variance_of_mean(independent, 12), 0.2);  // 1/12 in theory
    EXPECT_GT(variance_of_mean(remembering, 12), 0.5);  // 0.75 in theory
}

TEST(SignalLearner, IsExactForLargeLevelsWithLittleNoise) {
    const World world;
    auto noise = std::make_shared<Noise>(7);
    const auto baseline =
        world.learn([=](Timestamp at) { return gauge(at, 1e12 + noise->next()); });
    EXPECT_NEAR(baseline->variances.front().variance, 1, 0.2);
}

TEST(SignalLearner, HasNothingToSayWithoutPoints) {
    const SeasonClock clock{24h, {}};
    SignalLearner learner{{"x", {}}, Kind::gauge, clock, 5min};
    EXPECT_FALSE(learner.finish(Timestamp{24h}));
}

TEST(SignalLearner, WeighsRatiosByTheirEvents) {
    World world;
    world.kind = Kind::ratio;
    const auto baseline = world.learn([](Timestamp at) {
        const bool busy = (at.time_since_epoch() / 1h) % 2 == 0;
        return busy ? Point{at, 90, 900} : Point{at, 0, 100};
    });
    double mean = 0;
    double weight = 0;
    for (const auto& season : baseline->seasons) {
        mean += season.mean * season.weight;
        weight += season.weight;
    }
    EXPECT_NEAR(mean / weight, 0.09, 1e-9);  // 90 of 1000; the mean of the ratios would be 0.05
}

TEST(VarianceOfMean, InterpolatesBetweenWhatWasMeasuredAndFallsBeyond) {
    const std::vector<WindowVariance> v{{1, 4, 1000}, {16, 1, 60}};
    EXPECT_DOUBLE_EQ(variance_of_mean(v, 1), 4);
    EXPECT_NEAR(variance_of_mean(v, 4), 2, 1e-12);
    EXPECT_DOUBLE_EQ(variance_of_mean(v, 16), 1);
    EXPECT_DOUBLE_EQ(variance_of_mean(v, 32), 0.5);
    EXPECT_DOUBLE_EQ(degrees_of_freedom({{1, 4, 1000}, {16, 1, 5}}, 16), 8);
    EXPECT_DOUBLE_EQ(degrees_of_freedom(v, 1), 30);
}

}  // namespace
}  // namespace holdfast::rules
