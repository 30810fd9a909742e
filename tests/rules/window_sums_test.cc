#include "rules/window_sums.h"

#include <gtest/gtest.h>

#include <vector>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;

const Timestamp start{24h * 20'000};

TEST(WindowSums, SumsTheWindowAndForgetsWhatIsOlder) {
    WindowSums sums{60s};
    for (auto at = 0s; at < 10min; at += 1s) {
        sums.add({start + at, at < 9min ? 5.0 : 1.0, 2}, 1s);
    }
    EXPECT_DOUBLE_EQ(sums.sums().numerator, 60);
    EXPECT_DOUBLE_EQ(sums.sums().denominator, 120);
    EXPECT_EQ(sums.sums().covered, 60s);
}

TEST(WindowSums, KeepsAtMostSixtyBucketsHoweverManyPointsThereAre) {
    for (const Milliseconds window : std::vector<Milliseconds>{1ms, 61ms, 1s, 1h, 31 * 24h}) {
        WindowSums sums{window};
        for (int i = 0; i < 5'000; ++i) {
            sums.add({start + i * (window / 1'000 + 1ms), 1, 1}, 1ms);
        }
        EXPECT_LE(sums.buckets(), WindowSums::buckets_max) << window.count();
        EXPECT_GE(sums.buckets(), 1) << window.count();
    }
}

TEST(WindowSums, SpansAtLeastFiftyNineSixtiethsOfTheWindow) {
    WindowSums sums{60min};
    for (auto at = 0s; at < 3h; at += 10s) {
        sums.add({start + at, 1, 1}, 10s);
        if (at > 1h) {
            EXPECT_GE(sums.sums().covered, 59min);
            EXPECT_LE(sums.sums().covered, 60min);
        }
    }
}

TEST(WindowSums, ForgetsEverythingOverALongGap) {
    WindowSums sums{60s};
    sums.add({start, 7, 9}, 1s);
    sums.add({start + 10min, 1, 2}, 0s);
    EXPECT_DOUBLE_EQ(sums.sums().numerator, 1);
    EXPECT_EQ(sums.sums().covered, 0s);
}

}  // namespace
}  // namespace holdfast::rules
