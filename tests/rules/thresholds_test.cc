#include "rules/thresholds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using Side = Threshold::Side;
using Sort = Threshold::Sort;

const Timestamp start{24h * 20'000};
constexpr Milliseconds step = 10s;

Threshold above(double value, Milliseconds duration, Severity action = Severity::page) {
    return {Side::above, value, duration, action};
}
Threshold above_usual(double share, Milliseconds duration) {
    return {Side::above, share, duration, Severity::page, Sort::relative};
}
Threshold burn_rate() {
    return {.value = 14.4,
            .sort = Sort::burn_rate,
            .objective = 0.999,
            .window = 1h,
            .short_window = 5min};
}

ThresholdWatch watch(const std::vector<Threshold>& thresholds,
                     const char* name = "shop_failures_ratio") {
    return {thresholds, name, std::string{name} + R"({app="shop"})"};
}
/// Points of `value` every 10 s from `from` on, up to before `to`.
void feed(ThresholdWatch& w, Milliseconds from, Milliseconds to, double value) {
    for (auto at = from; at < to; at += step) {
        w.add({start + at, value, 1});
    }
}
/// 1,000 events at each, of which `bad` are.
void feed_events(ThresholdWatch& w, Milliseconds from, Milliseconds to, double bad) {
    for (auto at = from; at < to; at += step) {
        w.add({start + at, bad, 1000});
    }
}

TEST(ThresholdWatch, FiresWhenTheValueWasBeyondForTheWholeDuration) {
    auto w = watch({above(0.05, 2min)});
    feed(w, 0s, 2min, 0.072);
    EXPECT_FALSE(w.breach());
    feed(w, 2min, 2min + 10s, 0.072);
    ASSERT_TRUE(w.breach());
    EXPECT_EQ(w.breach()->severity, Severity::page);
    EXPECT_EQ(w.breach()->since, start + 2min);
    EXPECT_EQ(w.breach()->window_begin, start);
    EXPECT_DOUBLE_EQ(w.breach()->observed, 0.072);
    EXPECT_DOUBLE_EQ(w.breach()->limit, 0.05);
    feed(w, 2min + 10s, 3min + 10s, 0.072);
    EXPECT_EQ(
        w.breach()->cause,
        R"(shop_failures_ratio{app="shop"} is 7.2 % (above 5 % for 3 min; limit 5 % for 2 min))");
    EXPECT_EQ(w.breach()->since, start + 2min);
}

TEST(ThresholdWatch, TakesTheLimitItselfForWithin) {
    auto w = watch({above(0.05, 0s), {Side::below, 0.01, 0s, Severity::page}});
    feed(w, 0s, 1min, 0.05);
    feed(w, 1min, 2min, 0.01);
    EXPECT_FALSE(w.breach());
    feed(w, 2min, 2min + 10s, 0.009);
    ASSERT_TRUE(w.breach());
    EXPECT_THAT(w.breach()->cause, HasSubstr("is 0.9 % (below 1 %; limit 1 %)"));
}

TEST(ThresholdWatch, FiresAtOnceWithoutADuration) {
    auto w = watch({above(0, 0s)}, "oom_kills_per_second");
    feed(w, 0s, 1h, 0);
    EXPECT_FALSE(w.breach());
    w.add({start + 1h, 1, 5});
    ASSERT_TRUE(w.breach());
    EXPECT_THAT(w.breach()->cause, HasSubstr("is 0.2/s (above 0/s; limit 0/s)"));
}

TEST(ThresholdWatch, IsInterruptedByAValueWithin) {
    auto w = watch({above(0.9, 5min)});
    for (auto round = 0min; round < 60min; round += 5min) {  // flaps
        feed(w, round, round + 4min + 50s, 0.95);
        feed(w, round + 4min + 50s, round + 5min, 0.5);
    }
    EXPECT_FALSE(w.breach());
}

TEST(ThresholdWatch, IsInterruptedByAGapOfMoreThanTenStepsAndAMinute) {
    for (const auto& [gap, fires] : {std::pair{100s, true}, std::pair{110s, false}}) {
        auto w = watch({above(0.9, 5min)});
        feed(w, 0s, 4min, 0.95);
        feed(w, 3min + 50s + gap, 7min, 0.95);
        EXPECT_EQ(w.breach().has_value(), fires) << gap.count();
    }
    for (const auto& [gap, fires] : {std::pair{60s, true}, std::pair{61s, false}}) {
        auto w = watch({above(0.9, 5min)});  // steps of a second: a minute rules
        for (auto at = 0s; at < 4min; at += 1s) {
            w.add({start + at, 0.95, 1});
        }
        for (auto at = 4min - 1s + gap; at < 6min; at += 1s) {
            w.add({start + at, 0.95, 1});
        }
        EXPECT_EQ(w.breach().has_value(), fires) << gap.count();
    }
}

TEST(ThresholdWatch, RisesInSeverityButKeepsWhenItBegan) {
    auto w = watch({above(0.5, 10min, Severity::rollback), above(0.05, 1min, Severity::warn),
                    above(0.2, 1min, Severity::page)});
    feed(w, 0s, 2min, 0.1);
    EXPECT_EQ(w.breach()->severity, Severity::warn);
    feed(w, 2min, 4min, 0.3);
    EXPECT_EQ(w.breach()->severity, Severity::page);
    EXPECT_EQ(w.breach()->since, start + 1min);
    feed(w, 4min, 15min, 0.6);
    EXPECT_EQ(w.breach()->severity, Severity::rollback);
    EXPECT_EQ(w.breach()->since, start + 1min);
    EXPECT_EQ(w.breach()->window_begin, start);
    EXPECT_THAT(w.breach()->cause, HasSubstr("limit 50.0 % for 10 min"));
    // Falling back below the worst limit is not the end, and not less severe.
    feed(w, 15min, 60min, 0.1);
    EXPECT_EQ(w.breach()->severity, Severity::rollback);
    EXPECT_THAT(w.breach()->cause, HasSubstr("is 60.0 %"));
}

TEST(ThresholdWatch, EndsWhenCalmForAsLongAsItsDuration) {
    auto w = watch({above(0.9, 5min)});
    feed(w, 0s, 10min, 0.95);
    feed(w, 10min, 15min, 0.5);
    EXPECT_TRUE(w.breach());
    EXPECT_FALSE(w.ended_at());
    feed(w, 15min, 15min + 10s, 0.5);
    EXPECT_FALSE(w.breach());
    EXPECT_EQ(w.ended_at(), start + 15min);
    feed(w, 15min + 10s, 25min, 0.95);
    ASSERT_TRUE(w.breach());
    EXPECT_EQ(w.breach()->since, start + 20min + 10s);
    EXPECT_EQ(w.ended_at(), start + 15min);  // of the last one that ended
}

TEST(ThresholdWatch, StartsItsCalmAnewWhenAnyThresholdIsBeyond) {
    auto w = watch({above(0.9, 5min), above(0.7, 1h, Severity::warn)});
    feed(w, 0s, 10min, 0.95);
    feed(w, 10min, 14min, 0.5);
    feed(w, 14min, 14min + 10s, 0.8);  // within the limit that fired, beyond the other
    feed(w, 14min + 10s, 19min, 0.5);
    EXPECT_TRUE(w.breach());
    feed(w, 19min, 20min, 0.5);
    EXPECT_FALSE(w.breach());
}

TEST(ThresholdWatch, NeedsThreePointsOfCalmHoweverShortItsDuration) {
    auto w = watch({above(0.9, 0s)});
    feed(w, 0s, 10s, 0.95);
    feed(w, 10s, 30s, 0.5);
    EXPECT_TRUE(w.breach());
    feed(w, 30s, 40s, 0.5);
    EXPECT_FALSE(w.breach());
}

TEST(ThresholdWatch, NeverEndsForWantOfData) {
    auto w = watch({above(0.9, 5min)});
    feed(w, 0s, 10min, 0.95);
    feed(w, 10min, 14min, 0.5);
    feed(w, 3h, 3h + 4min, 0.5);  // the calm begins anew after the gap
    EXPECT_TRUE(w.breach());
    feed(w, 3h + 4min, 3h + 6min, 0.5);
    EXPECT_FALSE(w.breach());
}

TEST(ThresholdWatch, IgnoresWhatIsNoNumberAndWhatComesTooLate) {
    constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
    constexpr auto infinite = std::numeric_limits<double>::infinity();
    auto w = watch({above(0.9, 5min)});
    feed(w, 0s, 3min, 0.95);
    for (const Point& odd : {Point{start + 3min, nan, 1}, Point{start + 3min, infinite, 1},
                             Point{start + 3min, 0.5, 0}, Point{start + 3min, 0.5, nan},
                             Point{start + 3min, 0.5, infinite}, Point{start + 1min, 0.5, 1}}) {
        w.add(odd);
    }
    feed(w, 3min, 5min + 10s, 0.95);
    EXPECT_TRUE(w.breach());
}

TEST(ThresholdWatch, DoesNotWatchAThresholdWithoutAnAction) {
    auto w = watch({above(0.9, 0s, Severity::none)});
    feed(w, 0s, 10min, 0.95);
    EXPECT_FALSE(w.breach());
}

TEST(ThresholdWatch, SaysTheSameForTheSamePoints) {
    const auto run = [] {
        auto w = watch({above(0.9, 1min),
                        above_usual(0.5, 2min),
                        burn_rate(),
                        {.value = 3, .sort = Sort::projected, .within = 1h, .over = 30min}});
        std::string said;
        for (int i = 0; i < 2'000; ++i) {
            if (i % 60 == 0) {
                w.usual(start + i * step, i % 7 == 0 ? std::nullopt : std::optional{0.4});
            }
            w.add({start + i * step, (i * 7919 % 1000) * 0.001 + (i / 400 % 2), 1});
            said += w.breach() ? w.breach()->cause + "\n" : "\n";
        }
        return said;
    };
    const auto once = run();
    EXPECT_EQ(once, run());
    EXPECT_THAT(once, Not(HasSubstr("nan")));
}

// ---- relative to the usual level

TEST(RelativeThreshold, FiresBeyondAShareOfTheUsualLevel) {
    auto w = watch({above_usual(0.5, 10min)}, "shop_latency_seconds");
    w.usual(start, 0.020);
    feed(w, 0s, 20min, 0.0299);
    EXPECT_FALSE(w.breach());
    feed(w, 20min, 32min + 10s, 0.031);
    ASSERT_TRUE(w.breach());
    EXPECT_EQ(
        w.breach()->cause,
        R"(shop_latency_seconds{app="shop"} is 31.0 ms, 55 % above its usual 20.0 ms for 12 min; limit 50 % for 10 min)");
    EXPECT_DOUBLE_EQ(w.breach()->observed, 0.031);
    EXPECT_DOUBLE_EQ(w.breach()->limit, 0.030);
}

TEST(RelativeThreshold, KnowsBothSides) {
    auto below = above_usual(0.5, 1min);
    below.side = Side::below;
    auto w = watch({below}, "shop_requests_per_second");
    w.usual(start, 100);
    feed(w, 0s, 5min, 51);
    EXPECT_FALSE(w.breach());
    feed(w, 5min, 7min, 25);
    ASSERT_TRUE(w.breach());
    EXPECT_THAT(w.breach()->cause, HasSubstr("is 25.0/s, 75 % below its usual 100/s for 1 min"));
}

TEST(RelativeThreshold, FollowsTheUsualLevelFromItsTimeOn) {
    auto w = watch({above_usual(0.5, 1min)});
    w.usual(start, 100);
    w.usual(start + 10min, 10);
    w.usual(start + 20min, 1'000);
    feed(w, 0s, 10min, 120);
    EXPECT_FALSE(w.breach());
    feed(w, 10min, 12min, 120);
    ASSERT_TRUE(w.breach());
    EXPECT_DOUBLE_EQ(w.breach()->limit, 15);
    feed(w, 12min, 20min, 120);
    EXPECT_TRUE(w.breach());
    feed(w, 20min, 21min + 20s, 120);
    EXPECT_FALSE(w.breach());
}

TEST(RelativeThreshold, ForgetsWhatWasSaidOfLaterTimesWhenItIsSaidAgain) {
    auto w = watch({above_usual(0.5, 1min)});
    w.usual(start, 100);
    w.usual(start + 10min, 10);
    w.usual(start + 5min, 100);
    feed(w, 0s, 20min, 120);
    EXPECT_FALSE(w.breach());
}

TEST(RelativeThreshold, SaysNothingWhileTheUsualLevelIsUnknown) {
    auto w = watch({above_usual(0.5, 1min)});
    feed(w, 0s, 10min, 1e9);
    EXPECT_FALSE(w.breach());
    w.usual(start + 10min, std::numeric_limits<double>::quiet_NaN());
    feed(w, 10min, 20min, 1e9);
    EXPECT_FALSE(w.breach());
}

TEST(RelativeThreshold, NeitherEndsNorFiresByTimeOfWhichTheLevelIsUnknown) {
    auto w = watch({above_usual(0.5, 5min)});
    w.usual(start, 10);
    feed(w, 0s, 4min, 20);
    w.usual(start + 4min, std::nullopt);
    feed(w, 4min, 10min, 20);
    w.usual(start + 10min, 10);
    feed(w, 10min, 14min, 20);
    EXPECT_FALSE(w.breach());  // the run was interrupted
    feed(w, 14min, 16min, 20);
    EXPECT_TRUE(w.breach());
    feed(w, 16min, 19min, 10);
    w.usual(start + 19min, std::nullopt);
    feed(w, 19min, 60min, 10);
    EXPECT_TRUE(w.breach());
    w.usual(start + 60min, 10);
    feed(w, 60min, 65min, 10);
    EXPECT_TRUE(w.breach());
    feed(w, 65min, 65min + 10s, 10);
    EXPECT_FALSE(w.breach());
}

TEST(RelativeThreshold, DoesNotHoldUpTheEndOfWhatItHadNoPartIn) {
    auto w = watch({above(0.9, 1min), above_usual(0.5, 1min)});  // its level is never known
    feed(w, 0s, 5min, 0.95);
    EXPECT_TRUE(w.breach());
    feed(w, 5min, 7min, 0.5);
    EXPECT_FALSE(w.breach());
}

TEST(RelativeThreshold, TakesAnythingForBeyondAUsualZero) {
    auto w = watch({above_usual(0.5, 1min)}, "shop_errors_per_second");
    w.usual(start, 0);
    feed(w, 0s, 5min, 0);
    EXPECT_FALSE(w.breach());
    feed(w, 5min, 7min, 3);
    ASSERT_TRUE(w.breach());
    EXPECT_THAT(w.breach()->cause,
                HasSubstr("is 3/s, above its usual 0/s for 1 min 50 s; limit 50 %"));
}

TEST(RelativeThreshold, TakesTheShareOfTheSizeOfANegativeLevel) {
    auto w = watch({above_usual(0.5, 0s)}, "balance");
    w.usual(start, -10);
    feed(w, 0s, 5min, -5);
    EXPECT_FALSE(w.breach());
    feed(w, 5min, 6min, -4);
    ASSERT_TRUE(w.breach());
    EXPECT_THAT(w.breach()->cause, HasSubstr("is -4, 60 % above its usual -10"));
}

TEST(RelativeThreshold, KeepsABoundedNumberOfLevelsAheadAndIsThenUnknown) {
    auto w = watch({above_usual(0.5, 0s)});
    for (std::size_t i = 0; i < 2 * ThresholdWatch::levels_ahead_max; ++i) {
        w.usual(start + static_cast<int>(i) * 1min, 10);
    }
    const auto last = (static_cast<int>(ThresholdWatch::levels_ahead_max) - 1) * 1min;
    feed(w, last, last + 1h, 100);
    EXPECT_FALSE(w.breach());
    w.usual(start + last + 1h, 10);
    feed(w, last + 1h, last + 2h, 100);
    EXPECT_TRUE(w.breach());
}

// ---- burn rates

TEST(BurnRate, FiresWhenBothWindowsBurnTooFast) {
    auto w = watch({burn_rate()});
    feed_events(w, 0s, 2h, 0);
    feed_events(w, 2h, 2h + 8min, 100);
    EXPECT_FALSE(w.breach());  // 10 % for 8 min are 1.33 % of the hour: below 1.44 %
    feed_events(w, 2h + 8min, 2h + 9min, 100);
    ASSERT_TRUE(w.breach());
    EXPECT_GT(w.breach()->since, start + 2h + 8min);
    EXPECT_NEAR(w.breach()->limit, 0.0144, 1e-12);
    EXPECT_NEAR(w.breach()->observed, 0.015, 0.0005);
    EXPECT_EQ(w.breach()->since - w.breach()->window_begin, 1h);
}

TEST(BurnRate, SaysHowFastAndOverWhat) {
    auto w = watch({burn_rate()});
    feed_events(w, 0s, 55min, 70);
    feed_events(w, 55min, 1h + 10s, 91);
    ASSERT_TRUE(w.breach());
    EXPECT_EQ(w.breach()->cause,
              R"(shop_failures_ratio{app="shop"} burns its error budget 71.8 times too fast )"
              "(7.18 % bad in 1 h, 9.1 % in 5 min; objective 99.9 %, limit 14.4)");
}

TEST(BurnRate, ForgivesABurstThatIsOver) {
    auto w = watch({burn_rate()});
    feed_events(w, 0s, 2h, 0);
    feed_events(w, 2h, 2h + 2min, 300);  // 1 % of the hour: not enough yet
    feed_events(w, 2h + 2min, 2h + 20min, 0);
    feed_events(w, 2h + 20min, 2h + 22min, 300);
    ASSERT_TRUE(w.breach());
    feed_events(w, 2h + 22min, 2h + 26min, 0);
    EXPECT_TRUE(w.breach());
    // The hour is still beyond, the five minutes are not: over after five minutes of that.
    feed_events(w, 2h + 26min, 2h + 33min, 0);
    EXPECT_FALSE(w.breach());
}

TEST(BurnRate, AddsEventsUpAndNeverTheirShares) {
    auto w = watch({burn_rate()});
    for (auto at = 0s; at < 2h; at += 20s) {  // half of the points all bad, of next to no events
        w.add({start + at, 1, 1});
        w.add({start + at + 10s, 0, 1000});
    }
    EXPECT_FALSE(w.breach());
}

TEST(BurnRate, SpeaksBeforeTheLongWindowHasPassedButNotBeforeTheShortOne) {
    auto w = watch({burn_rate()});
    feed_events(w, 0s, 5min, 1000);
    EXPECT_FALSE(w.breach());
    feed_events(w, 5min, 5min + 10s, 1000);
    ASSERT_TRUE(w.breach());
    EXPECT_THAT(w.breach()->cause, HasSubstr("1000 times too fast (100 % bad in 5 min, 100 % in"));
}

TEST(BurnRate, NeedsDataAgainAfterAGap) {
    auto w = watch({burn_rate()});
    feed_events(w, 0s, 30min, 0);
    feed_events(w, 50min, 52min, 1000);  // the hour would do, two of the five minutes do not
    EXPECT_FALSE(w.breach());
    feed_events(w, 52min, 53min, 1000);
    EXPECT_TRUE(w.breach());
    feed_events(w, 5h, 5h + 4min, 0);  // nothing is known yet, so nothing is calm
    feed_events(w, 5h + 4min, 5h + 9min, 0);
    EXPECT_TRUE(w.breach());
    feed_events(w, 5h + 9min, 5h + 11min, 0);
    EXPECT_FALSE(w.breach());
}

// ---- levels that are going to be reached

/// Above 95 % within three days, at the pace of six hours.
Threshold reaches_95(Milliseconds duration = 0s) {
    return {
        .value = 0.95, .duration = duration, .sort = Sort::projected, .within = 72h, .over = 6h};
}
using Curve = std::function<double(double hours)>;

/// A point a minute of `curve`, from `from` on, up to before `to`.
void feed_curve(ThresholdWatch& w, Milliseconds from, Milliseconds to, const Curve& curve,
                double unit = 1) {
    for (auto at = from; at < to; at += 1min) {
        w.add({start + at, unit * curve(static_cast<double>(at.count()) / 3.6e6), 1});
    }
}
Curve grows(double from, double per_day) {
    return [=](double hours) { return from + per_day * hours / 24; };
}
/// Between -1 and 1, the same for the same hour.
double noise(double hours) {
    const auto minute = static_cast<std::uint64_t>(std::lround(hours * 60));
    return static_cast<double>(minute * 2'654'435'761U % 20'011) / 10'005.0 - 1;
}

TEST(ProjectedThreshold, FiresWhenTheLimitIsReachedWithinTheHorizonAtThePresentPace) {
    auto w = watch({reaches_95(10min)}, "shop_used_ratio");
    feed_curve(w, 0h, 12h + 9min, grows(0.6001, 0.1));  // 65 % at 11:58:34
    EXPECT_FALSE(w.breach());
    feed_curve(w, 12h + 9min, 12h + 10min, grows(0.6001, 0.1));
    ASSERT_TRUE(w.breach());
    EXPECT_EQ(w.breach()->severity, Severity::page);
    EXPECT_EQ(w.breach()->since, start + 12h + 9min);
    EXPECT_EQ(w.breach()->window_begin, start + 6h + 9min);
    EXPECT_NEAR(w.breach()->observed, 0.6507, 0.0001);
    EXPECT_DOUBLE_EQ(w.breach()->limit, 0.95);
    EXPECT_EQ(w.breach()->cause,
              R"(shop_used_ratio{app="shop"} reaches 95.0 % in about 3 d: it is at 65.1 % and )"
              "grows by 10 points a day; limit 95.0 % within 3 d for 10 min");
    feed_curve(w, 12h + 10min, 82h, grows(0.6001, 0.1));
    EXPECT_EQ(w.breach()->since, start + 12h + 9min);
    EXPECT_THAT(w.breach()->cause,
                HasSubstr("reaches 95.0 % in about 2 h: it is at 94.2 % and grows by 0.417 points "
                          "an hour; limit"));
}

TEST(ProjectedThreshold, SaysNothingBeforePointsCoverHalfOfItsWindow) {
    auto w = watch({reaches_95()});
    feed_curve(w, 0h, 3h, grows(0.9, 0.1));
    EXPECT_FALSE(w.breach());
    feed_curve(w, 3h, 3h + 1min, grows(0.9, 0.1));
    EXPECT_TRUE(w.breach());
}

TEST(ProjectedThreshold, IsAHardOneForWhatIsBeyondAlready) {
    auto w = watch({reaches_95(2min), above(0.95, 2min, Severity::warn)});
    feed_curve(w, 0h, 2min, grows(0.96, 0));
    EXPECT_FALSE(w.breach());
    feed_curve(w, 2min, 3min, grows(0.96, 0));
    ASSERT_TRUE(w.breach());  // the pace is not known
    EXPECT_EQ(w.breach()->severity, Severity::page);
    EXPECT_THAT(w.breach()->cause, HasSubstr("is 96.0 % (above 95.0 % for 2 min; limit 95.0 %"));
    auto falling = watch({reaches_95()});  // it will not be beyond for long
    feed_curve(falling, 0h, 9h, grows(1.2, -0.5));
    EXPECT_TRUE(falling.breach());
    feed_curve(falling, 9h, 12h + 2min, grows(1.2, -0.5));  // 95 % at 12:00
    EXPECT_TRUE(falling.breach());
    feed_curve(falling, 12h + 2min, 12h + 3min, grows(1.2, -0.5));
    EXPECT_FALSE(falling.breach());
}

TEST(ProjectedThreshold, CallsALevelBeyondByItsLineWhateverTheNewestPointIs) {
    auto w = watch({reaches_95()});
    feed_curve(w, 0h, 5h, grows(0.96, 0.1));
    w.add({start + 5h, 0.5, 1});
    ASSERT_TRUE(w.breach());
    EXPECT_THAT(w.breach()->cause, HasSubstr("is 98.1 % (above 95.0 %"));
}

TEST(ProjectedThreshold, TakesNeitherNoiseNorLoneWildValuesForGrowth) {
    auto w = watch({reaches_95()});
    feed_curve(w, 0h, 72h, [](double hours) {
        const bool wild = std::lround(hours * 60) % 50 == 49;
        return 0.88 + (wild ? 0.06 : 0.01 * noise(hours));
    });
    EXPECT_FALSE(w.breach());
}

TEST(ProjectedThreshold, TakesTheTeethOfALogThatIsRotatedForNoGrowth) {
    const auto teeth = [](double hours) { return 0.6 + 0.02 * (hours - std::floor(hours)); };
    auto w = watch({reaches_95()});
    feed_curve(w, 0h, 72h, teeth);
    EXPECT_FALSE(w.breach());
    // A tooth as such would reach it within a day; and beside them growth is seen as without.
    feed_curve(w, 72h, 96h, [&](double hours) { return teeth(hours) + 0.2 * (hours - 72) / 24; });
    EXPECT_TRUE(w.breach());
}

TEST(ProjectedThreshold, IsTheSameInEveryUnit) {
    for (const double unit : {1e-9, 1.0, 1e9}) {
        auto threshold = reaches_95(10min);
        threshold.value *= unit;
        auto w = watch({threshold}, "shop_things");
        const auto curve = [](double hours) { return 0.6 + hours / 240 + 0.003 * noise(hours); };
        std::optional<Timestamp> fired;
        for (auto at = 0min; at < 24h && !fired; at += 1min) {
            feed_curve(w, at, at + 1min, curve, unit);
            fired = w.breach() ? std::optional{w.breach()->since} : std::nullopt;
        }
        ASSERT_TRUE(fired) << unit;
        EXPECT_EQ(*fired, start + 12h + 20min) << unit;
    }
}

TEST(ProjectedThreshold, KnowsBothSides) {
    constexpr double gib = 1024.0 * 1024 * 1024;
    auto w = watch({{.side = Side::below,
                     .value = 10 * gib,
                     .sort = Sort::projected,
                     .within = 48h,
                     .over = 6h}},
                   "shop_free_bytes");
    feed_curve(w, 0h, 24h + 1min, grows(40 * gib, -10 * gib));  // 30 GiB at 24:00
    EXPECT_FALSE(w.breach());
    feed_curve(w, 24h + 1min, 24h + 4min, grows(40 * gib, -10 * gib));
    ASSERT_TRUE(w.breach());
    EXPECT_EQ(w.breach()->cause,
              R"(shop_free_bytes{app="shop"} reaches 10.0 GiB in about 2 d: it is at 30.0 GiB and )"
              "falls by 10.0 GiB a day; limit 10.0 GiB within 2 d");
    auto growing = watch(
        {{.side = Side::below, .value = 10, .sort = Sort::projected, .within = 48h, .over = 6h}});
    feed_curve(growing, 0h, 24h, grows(11, 10));
    EXPECT_FALSE(growing.breach());
}

TEST(ProjectedThreshold, EndsWhenItHasStoppedGrowing) {
    auto w = watch({reaches_95()});
    feed_curve(w, 0h, 12h, grows(0.7, 0.2));
    ASSERT_TRUE(w.breach());
    feed_curve(w, 12h, 13h, grows(0.8, 0));
    EXPECT_TRUE(w.breach());
    feed_curve(w, 13h, 18h, grows(0.8, 0));
    EXPECT_FALSE(w.breach());
}

TEST(ProjectedThreshold, IsInterruptedByAGapLikeTheOthers) {
    for (const auto& [gap, fires] : {std::pair{10min, true}, std::pair{11min, false}}) {
        auto w = watch({reaches_95(30min)});
        feed_curve(w, 0h, 3h + 20min, grows(0.9, 0.1));  // beyond since 3:00
        feed_curve(w, 3h + 19min + gap, 3h + 35min, grows(0.9, 0.1));
        EXPECT_EQ(w.breach().has_value(), fires) << gap.count();
    }
}

TEST(ProjectedThreshold, NeitherEndsNorFiresWhileThePaceIsUnknown) {
    auto w = watch({reaches_95()});
    feed_curve(w, 0h, 12h, grows(0.7, 0.2));
    ASSERT_TRUE(w.breach());
    feed_curve(w, 24h, 27h, grows(0.8, 0));  // nothing grows any more, as far as can be told
    EXPECT_TRUE(w.breach());
    feed_curve(w, 27h, 27h + 3min, grows(0.8, 0));
    EXPECT_FALSE(w.breach());
    auto other = watch({reaches_95()});
    feed_curve(other, 0h, 3h, grows(0.5, 0));
    feed_curve(other, 24h, 27h, grows(0, 0.8));
    EXPECT_FALSE(other.breach());
    feed_curve(other, 27h, 27h + 1min, grows(0, 0.8));
    EXPECT_TRUE(other.breach());
}

}  // namespace
}  // namespace holdfast::rules
