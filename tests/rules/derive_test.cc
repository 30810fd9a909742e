#include "rules/derive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
const Timestamp start{std::chrono::hours{1}};

std::shared_ptr<const Series> counter(std::string metric, Labels labels = {}) {
    return std::make_shared<const Series>(
        Series{std::move(metric), std::move(labels), SeriesType::counter});
}

Term increase(std::string metric, Labels labels = {}, double factor = 1) {
    return {{std::move(metric), std::move(labels)}, Term::Use::increase, factor};
}

SignalDefinition failures_of_all() {
    return {.name = "failure_ratio",
            .kind = Kind::ratio,
            .numerator = {increase("holdfast_x_failures_total")},
            .denominator = {increase("holdfast_x_attempts_total")},
            .by = {"probe"}};
}

struct Deriver : ::testing::Test {
    SignalDeriver deriver{{failures_of_all(),
                           {.name = "bytes_per_second",
                            .kind = Kind::rate,
                            .numerator = {increase("holdfast_x_bytes_total")}}}};
    std::shared_ptr<const Series> failures = counter("holdfast_x_failures_total", {{"probe", "a"}});
    std::shared_ptr<const Series> attempts = counter("holdfast_x_attempts_total", {{"probe", "a"}});
    std::shared_ptr<const Series> bytes = counter("holdfast_x_bytes_total");

    std::vector<SignalDeriver::Derived> read(
        Milliseconds after, std::vector<std::pair<std::shared_ptr<const Series>, double>> values,
        std::uint64_t epoch = 7) {
        Reading reading{.epoch = epoch};
        for (const auto& [series, value] : values) {
            reading.samples.push_back({series, start + after, value});
        }
        return deriver.derive("x", start + after, reading);
    }
};

TEST_F(Deriver, GivesNoRateOnFirstSightAndPerSecondAfterwards) {
    EXPECT_TRUE(read(0s, {{bytes, 1000}}).empty());
    const auto derived = read(5s, {{bytes, 1500}});
    ASSERT_EQ(derived.size(), 1);
    EXPECT_DOUBLE_EQ(derived[0].point.value(), 100);
    EXPECT_EQ(deriver.id(derived[0].index).name, "bytes_per_second");
}

TEST_F(Deriver, KeepsTheCountsOfARatio) {
    read(0s, {{failures, 0}, {attempts, 0}});
    const auto derived = read(1s, {{failures, 1}, {attempts, 4}});
    ASSERT_EQ(derived.size(), 1);
    EXPECT_DOUBLE_EQ(derived[0].point.numerator, 1);
    EXPECT_DOUBLE_EQ(derived[0].point.denominator, 4);
    EXPECT_EQ(deriver.id(derived[0].index).labels, (Labels{{"probe", "a"}}));
}

TEST_F(Deriver, TakesAFallOfACounterForAGapAndNotForARate) {
    read(0s, {{bytes, 1000}});
    EXPECT_TRUE(read(5s, {{bytes, 10}}).empty());
    const auto derived = read(10s, {{bytes, 60}});
    ASSERT_EQ(derived.size(), 1);
    EXPECT_DOUBLE_EQ(derived[0].point.value(), 10);
}

TEST_F(Deriver, TakesANewEpochForAGapEvenWhenTheCounterIsHigher) {
    read(0s, {{bytes, 1000}}, 7);
    EXPECT_TRUE(read(5s, {{bytes, 9000}}, 8).empty());
    EXPECT_EQ(read(10s, {{bytes, 9500}}, 8).size(), 1);
}

TEST_F(Deriver, TakesMoreThanFiveMinutesForAGap) {
    read(0s, {{bytes, 0}});
    EXPECT_EQ(read(5min, {{bytes, 1}}).size(), 1);
    EXPECT_TRUE(read(10min + 1ms, {{bytes, 2}}).empty());
}

TEST_F(Deriver, GivesNoRatioWithoutTraffic) {
    read(0s, {{failures, 0}, {attempts, 4}});
    EXPECT_TRUE(read(1s, {{failures, 0}, {attempts, 4}}).empty());
}

TEST_F(Deriver, GivesNothingWhenATermIsMissingFromTheReading) {
    read(0s, {{failures, 0}, {attempts, 0}});
    EXPECT_TRUE(read(1s, {{attempts, 4}}).empty());
}

TEST_F(Deriver, LeavesOutValuesThatAreNoNumbers) {
    read(0s, {{bytes, 0}});
    EXPECT_TRUE(read(1s, {{bytes, std::numeric_limits<double>::quiet_NaN()}}).empty());
    EXPECT_EQ(read(2s, {{bytes, 4}}).size(), 1);
}

TEST_F(Deriver, IgnoresAReadingThatIsNotLaterThanTheOneBefore) {
    read(5s, {{bytes, 0}});
    EXPECT_TRUE(read(5s, {{bytes, 100}}).empty());
    EXPECT_TRUE(read(4s, {{bytes, 100}}).empty());
}

TEST_F(Deriver, MakesASignalOfEachScrapedSeries) {
    const auto total = counter("shop_requests_total", {{"code", "200"}, {"source", "shop"}});
    const auto queue = std::make_shared<const Series>(Series{"shop_queue", {{"source", "shop"}}});
    const auto bucket = counter("shop_seconds_bucket", {{"le", "1"}, {"source", "shop"}});
    auto derived = read(0s, {{total, 0}, {queue, 3}, {bucket, 0}});
    ASSERT_EQ(derived.size(), 1);
    EXPECT_EQ(to_string(deriver.id(derived[0].index)), R"(shop_queue{source="shop"})");
    derived = read(2s, {{total, 10}, {queue, 4}, {bucket, 9}});
    ASSERT_EQ(derived.size(), 2);
    EXPECT_EQ(to_string(deriver.id(derived[0].index)),
              R"(shop_requests_per_second{code="200",source="shop"})");
    EXPECT_DOUBLE_EQ(derived[0].point.value(), 5);
}

TEST_F(Deriver, KeepsScrapedSeriesOfOneMetricApart) {
    const auto good = counter("shop_requests_total", {{"code", "200"}});
    const auto bad = counter("shop_requests_total", {{"code", "500"}});
    read(0s, {{good, 0}, {bad, 0}});
    const auto derived = read(1s, {{good, 10}, {bad, 1}});
    ASSERT_EQ(derived.size(), 2);
    EXPECT_DOUBLE_EQ(derived[0].point.value(), 10);
    EXPECT_DOUBLE_EQ(derived[1].point.value(), 1);
}

TEST(SignalDeriver, CountsSignalsBeyondTheBoundAndKeepsTheOthers) {
    SignalDeriver deriver{{}, 1};
    Reading reading{.samples = {{std::make_shared<const Series>(Series{"a"}), start, 1},
                                {std::make_shared<const Series>(Series{"b"}), start, 2}}};
    EXPECT_EQ(deriver.derive("x", start, reading).size(), 1);
    EXPECT_EQ(deriver.dropped(), 1);
}

struct HistogramDeriver : ::testing::Test {
    SignalDeriver deriver{{{.name = "pay_seconds",
                            .kind = Kind::latency,
                            .numerator = {increase("pay_seconds_bucket")},
                            .by = {"source"},
                            .quantiles = {0.5, 0.9},
                            .window = 60s}}};
    std::map<std::string, std::shared_ptr<const Series>> bounds;
    double seen[3] = {0, 0, 0};

    /// So many observations up to 0.1 s, between 0.1 and 1 s, and above it.
    std::vector<SignalDeriver::Derived> read(Milliseconds after, double quick, double slow,
                                             double beyond, const std::string& source = "a") {
        seen[0] += quick;
        seen[1] += quick + slow;
        seen[2] += quick + slow + beyond;
        Reading reading{.epoch = 7};
        int i = 0;
        for (const auto* le : {"0.1", "1", "+Inf"}) {
            auto& series = bounds[source + le];
            if (!series) {
                series = counter("pay_seconds_bucket", {{"le", le}, {"source", source}});
            }
            reading.samples.push_back({series, start + after, seen[i++]});
        }
        return deriver.derive("x", start + after, reading);
    }
};

TEST_F(HistogramDeriver, GivesASignalPerQuantileWeightedByItsObservations) {
    EXPECT_TRUE(read(0s, 5, 5, 5).empty());
    const auto derived = read(5s, 40, 60, 0);
    ASSERT_EQ(derived.size(), 2);
    EXPECT_EQ(to_string(deriver.id(derived[0].index)), R"(pay_seconds{quantile="0.5",source="a"})");
    EXPECT_EQ(to_string(deriver.id(derived[1].index)), R"(pay_seconds{quantile="0.9",source="a"})");
    EXPECT_DOUBLE_EQ(derived[0].point.value(), 0.1 + 0.9 * 10 / 60);
    EXPECT_DOUBLE_EQ(derived[1].point.value(), 0.1 + 0.9 * 50 / 60);
    EXPECT_DOUBLE_EQ(derived[1].point.denominator, 100);
}

TEST_F(HistogramDeriver, TakesTheWholeWindowAndForgetsWhatIsOlder) {
    read(0s, 0, 0, 0);
    read(5s, 100, 0, 0);
    EXPECT_DOUBLE_EQ(read(10s, 0, 100, 0)[0].point.value(), 0.1);
    EXPECT_DOUBLE_EQ(read(65s, 0, 100, 0)[0].point.value(), 0.1 + 0.9 / 2);
}

TEST_F(HistogramDeriver, GivesNothingWithoutObservationsAndAfterARestart) {
    read(0s, 0, 0, 0);
    ASSERT_EQ(read(5s, 100, 100, 0).size(), 2);
    EXPECT_TRUE(read(10s, 0, 0, 0).empty());
    seen[0] = seen[1] = seen[2] = 0;
    EXPECT_TRUE(read(15s, 1, 1, 0).empty());
    EXPECT_EQ(read(20s, 1, 1, 0).size(), 2) << "the window still holds what was before";
}

TEST_F(HistogramDeriver, IgnoresSeriesWithoutABound) {
    const auto odd = counter("pay_seconds_bucket", {{"le", "much"}, {"source", "a"}});
    const auto none = counter("pay_seconds_bucket", {{"source", "a"}});
    for (const auto at : {0s, 5s}) {
        Reading reading{.epoch = 7};
        const auto value = static_cast<double>(at.count());
        reading.samples = {{odd, start + at, value}, {none, start + at, value}};
        EXPECT_TRUE(deriver.derive("x", start + at, reading).empty());
    }
    EXPECT_EQ(deriver.size(), 0);
}

}  // namespace
}  // namespace holdfast::rules
