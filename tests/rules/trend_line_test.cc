#include "rules/trend_line.h"

#include <gtest/gtest.h>

#include <vector>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;

const Timestamp start{24h * 20'000};

/// `from` and `per_day` more a day.
double line_at(double from, double per_day, Milliseconds at) {
    return from + per_day * static_cast<double>(at.count()) / 86.4e6;
}

TEST(TrendLine, FindsALineExactlyHoweverUnevenItsPointsAre) {
    TrendLine trend{6h};
    Milliseconds at = 0s;
    for (int i = 0; i < 500; ++i) {
        const auto step = Milliseconds{1'000 * (20 + i * 37 % 90)};
        at += step;
        const double weight = 1 + i % 13;
        trend.add({start + at, weight * line_at(70, -3, at), weight}, step);
    }
    const auto line = trend.line();
    ASSERT_TRUE(line);
    EXPECT_NEAR(line->per_day, -3, 1e-6);
    EXPECT_NEAR(line->level, line_at(70, -3, at), 1e-9);
    EXPECT_NEAR(line->after(48h), line_at(70, -3, at + 48h), 1e-6);
}

TEST(TrendLine, IsNotMovedByAQuarterOfTheTimeBeingAnything) {
    TrendLine trend{6h};
    for (Milliseconds at = 0s; at < 6h; at += 1min) {
        const bool wild = at / 20min % 4 == 3;
        trend.add({start + at, wild ? 1e6 : line_at(10, 2, at), 1}, 1min);
    }
    const auto line = trend.line();
    ASSERT_TRUE(line);
    EXPECT_NEAR(line->per_day, 2, 1e-3);
    EXPECT_NEAR(line->level, line_at(10, 2, 6h), 0.01);
}

TEST(TrendLine, KnowsNothingBeforeHalfOfItsWindowIsCovered) {
    TrendLine trend{1h};
    for (Milliseconds at = 0s; at < 2h; at += 1min) {
        trend.add({start + at, 1, 1}, at > 0s ? 1min : 0min);
        EXPECT_EQ(trend.line().has_value(), at >= 30min) << at.count();
    }
    trend.add({start + 2h + 35min, 1, 1}, 0min);  // a gap covers nothing: 25 minutes are left
    EXPECT_FALSE(trend.line());
    for (Milliseconds at = 2h + 36min; at < 3h + 5min; at += 1min) {
        trend.add({start + at, 1, 1}, 1min);
    }
    EXPECT_FALSE(trend.line());
    trend.add({start + 3h + 5min, 1, 1}, 1min);
    EXPECT_TRUE(trend.line());
}

TEST(TrendLine, NeedsFiveBuckets) {
    TrendLine trend{1h};
    for (int i = 0; i < 4; ++i) {
        trend.add({start + i * 14min, 1, 1}, 14min);
        EXPECT_FALSE(trend.line());
    }
    trend.add({start + 4 * 14min, 1, 1}, 14min);
    EXPECT_TRUE(trend.line());
}

TEST(TrendLine, KeepsAtMostSixtyFourBucketsHoweverManyPointsThereAre) {
    for (const Milliseconds window : std::vector<Milliseconds>{1ms, 65ms, 1s, 1h, 31 * 24h}) {
        TrendLine trend{window};
        for (int i = 0; i < 5'000; ++i) {
            trend.add({start + i * (window / 1'000 + 1ms), 1, 1}, 1ms);
            EXPECT_LE(trend.buckets(), TrendLine::buckets_max) << window.count();
        }
        EXPECT_GE(trend.buckets(), 1) << window.count();
    }
}

TEST(TrendLine, HasNoLineThroughWhatIsTooLargeToAdd) {
    TrendLine trend{1h};
    for (int i = 0; i < 60; ++i) {
        trend.add({start + i * 1min, i % 2 == 0 ? 1.7e308 : -1.7e308, 1}, 1min);
    }
    EXPECT_FALSE(trend.line());
}

}  // namespace
}  // namespace holdfast::rules
