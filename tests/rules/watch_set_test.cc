#include "rules/watch_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
const Timestamp begin{24h * 20'000};

Upgrade upgrade(std::vector<Rule> rules) {
    return {.id = "u1",
            .phase = Phase::watching,
            .window_end_at = begin,
            .cycle = 24h,
            .rules = std::move(rules),
            .signals = {{.name = "queue",
                         .numerator = {{{"holdfast_queue", {}}, Term::Use::value, 1}},
                         .by = {"name"}}}};
}

Baseline baseline(std::vector<std::string> queues) {
    Baseline out{.id = "b1", .cycle = 24h, .block = 5min, .whole_cycles = 4};
    for (auto& name : queues) {
        out.signals.push_back({.signal = {"queue", {{"name", std::move(name)}}},
                               .seasons = {{10, 1000, 1000}},
                               .variances = {{1, 1, 1000}},
                               .step = 10s});
    }
    return out;
}

std::vector<std::string> watched(const WatchSet& watches) {
    std::vector<std::string> out;
    for (const auto& judged : watches.judged(begin)) {
        out.push_back(judged.rule + " " + to_string(judged.signal));
    }
    return out;
}

TEST(WatchSet, WatchesEverySignalOfARule) {
    const Rule rule{.name = "r", .signal = "queue"};
    EXPECT_THAT(watched({upgrade({rule}), baseline({"a", "b"})}),
                ::testing::ElementsAre(R"(r queue{name="a"})", R"(r queue{name="b"})"));
}

TEST(WatchSet, WatchesOnlyWhatTheRuleMatches) {
    const Rule rule{.name = "r", .signal = "queue", .match = {{"name", "b"}}};
    EXPECT_THAT(watched({upgrade({rule}), baseline({"a", "b"})}),
                ::testing::ElementsAre(R"(r queue{name="b"})"));
}

TEST(WatchSet, KeepsAWrittenRuleWithoutASignalAndLeavesADefaultOut) {
    const Rule written{.name = "r", .signal = "other", .required = true};
    auto by_default = written;
    by_default.implicit = true;
    EXPECT_THAT(watched({upgrade({written}), baseline({"a"})}), ::testing::ElementsAre("r other"));
    EXPECT_THAT(watched({upgrade({by_default}), baseline({"a"})}), ::testing::IsEmpty());
}

TEST(WatchSet, IgnoresReadingsFromBeforeTheWindowsEnd) {
    const Rule rule{.name = "r", .signal = "queue"};
    WatchSet watches{upgrade({rule}), baseline({"a"})};
    const auto series = std::make_shared<const Series>(Series{"holdfast_queue", {{"name", "a"}}});
    watches.observe("q", begin - 1s, {.samples = {{series, begin - 1s, 99}}});
    EXPECT_EQ(watches.judged(begin)[0].evidence.observed, 0);
    watches.observe("q", begin, {.samples = {{series, begin, 99}}});
    EXPECT_EQ(watches.judged(begin)[0].evidence.observed, 99);
}

TEST(BandAt, IsTheLevelWithTheSpreadOfABlock) {
    const auto known = baseline({"a"}).signals[0];
    const SeasonClock clock{24h, {}};
    const auto band = band_at(known, clock, begin);
    ASSERT_TRUE(band);
    EXPECT_DOUBLE_EQ(band->middle, 10);
    EXPECT_NEAR(band->upper, 11.645, 1e-3);
    EXPECT_NEAR(band->lower, 8.355, 1e-3);
}

}  // namespace
}  // namespace holdfast::rules
