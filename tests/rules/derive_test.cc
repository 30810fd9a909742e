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

}  // namespace
}  // namespace holdfast::rules
