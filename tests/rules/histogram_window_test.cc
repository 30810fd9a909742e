#include "rules/histogram_window.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
const Timestamp start{1h};
constexpr double infinite = std::numeric_limits<double>::infinity();

/// Ends a reading with these counts up to each bound.
double read(HistogramWindow& window, Milliseconds after,
            const std::vector<std::pair<double, double>>& up_to, bool usable = true) {
    for (const auto& [bound, count] : up_to) {
        window.add(*window.bucket(bound), count);
    }
    return window.end_reading(start + after, usable);
}

TEST(HistogramWindow, TakesObservationsAsSpreadEvenlyInTheirBucket) {
    HistogramWindow window{1min};
    EXPECT_EQ(read(window, 0s, {{0.1, 50}, {0.2, 90}, {infinite, 100}}), 100);
    EXPECT_DOUBLE_EQ(*window.quantile(0.25), 0.05);
    EXPECT_DOUBLE_EQ(*window.quantile(0.5), 0.1);
    EXPECT_DOUBLE_EQ(*window.quantile(0.7), 0.15);
    EXPECT_DOUBLE_EQ(*window.quantile(0.99), 0.2) << "above it nothing is known";
}

TEST(HistogramWindow, DoesNotDependOnTheOrderInWhichBoundsAreSeen) {
    HistogramWindow window{1min};
    read(window, 0s, {{infinite, 100}, {0.2, 90}});
    read(window, 1s, {{0.1, 50}, {infinite, 100}, {0.2, 90}});
    EXPECT_DOUBLE_EQ(*window.quantile(0.25), 0.1) << "of 200, 50 are up to 0.1 and 180 to 0.2";
}

TEST(HistogramWindow, ForgetsWhatIsOlderThanTheWindow) {
    HistogramWindow window{10s};
    read(window, 0s, {{1, 1000}, {2, 1000}, {infinite, 1000}});
    read(window, 9s, {{1, 0}, {2, 100}, {infinite, 100}});
    EXPECT_LT(*window.quantile(0.5), 1);
    read(window, 10s, {{1, 0}, {2, 100}, {infinite, 100}});
    EXPECT_DOUBLE_EQ(*window.quantile(0.5), 1.5);
}

TEST(HistogramWindow, IsSilentAboutQuantilesOfTooFew) {
    HistogramWindow window{1min};
    read(window, 0s, {{1, 19}, {infinite, 19}});
    EXPECT_FALSE(window.quantile(0.95));
    read(window, 1s, {{1, 1}, {infinite, 1}});
    EXPECT_TRUE(window.quantile(0.95));
    EXPECT_FALSE(window.quantile(0.99));
    EXPECT_TRUE(window.quantile(0.5));
}

TEST(HistogramWindow, NeedsTheBucketOfAllObservations) {
    HistogramWindow window{1min};
    EXPECT_EQ(read(window, 0s, {{1, 50}, {2, 100}}), 0);
    EXPECT_FALSE(window.quantile(0.5));
    HistogramWindow alone{1min};
    read(alone, 0s, {{infinite, 100}});
    EXPECT_FALSE(alone.quantile(0.5)) << "one bucket says nothing of where they are";
}

TEST(HistogramWindow, LeavesOutAReadingThatCannotBeUsed) {
    HistogramWindow window{1min};
    read(window, 0s, {{1, 100}, {2, 100}, {infinite, 100}});
    EXPECT_EQ(read(window, 1s, {{1, 0}, {2, 900}, {infinite, 900}}, false), 0);
    EXPECT_DOUBLE_EQ(*window.quantile(0.5), 0.5);
}

TEST(HistogramWindow, NeverFallsWithTheShareThoughBoundsDoNotNest) {
    HistogramWindow window{1min};
    // Two instances with other bounds: 0.2 has fewer than 0.1.
    read(window, 0s, {{0.1, 80}, {0.2, 60}, {0.5, 150}, {infinite, 200}});
    double before = 0;
    for (double share = 0.01; share < 0.99; share += 0.01) {
        const double value = *window.quantile(share);
        EXPECT_GE(value, before) << share;
        before = value;
    }
}

TEST(HistogramWindow, HoldsSoManyBucketsAndNoMore) {
    HistogramWindow window{1min};
    for (std::size_t k = 0; k < HistogramWindow::buckets_max; ++k) {
        ASSERT_TRUE(window.bucket(static_cast<double>(k)));
    }
    EXPECT_FALSE(window.bucket(1e6));
    EXPECT_TRUE(window.bucket(7));
    EXPECT_FALSE(window.bucket(std::nan("")));
}

TEST(HistogramWindow, TakesNegativeBoundsAsTheyAre) {
    HistogramWindow window{1min};
    read(window, 0s, {{-2, 50}, {-1, 100}, {infinite, 100}});
    EXPECT_DOUBLE_EQ(*window.quantile(0.25), -2) << "what is below the lowest bound is at it";
    EXPECT_DOUBLE_EQ(*window.quantile(0.75), -1.5);
}

}  // namespace
}  // namespace holdfast::rules
