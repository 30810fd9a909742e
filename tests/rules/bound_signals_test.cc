#include "rules/bound_signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::rules {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

SignalBaseline known(std::string name, Labels labels, Kind kind = Kind::gauge) {
    return {.signal = {std::move(name), std::move(labels)}, .kind = kind};
}

/// Three signals with two cells each.
struct BoundSignalsTest : ::testing::Test {
    Baseline baseline;
    BaselineHistory history{.cell = Milliseconds{1000}};
    std::vector<SignalDefinition> definitions{{.name = "requests", .load = true}};

    BoundSignalsTest() {
        baseline.signals = {known("wait", {{"device", "sda"}}),
                            known("wait", {{"device", "sdb"}}),
                            known("failures", {}, Kind::ratio),
                            known("requests", {}),
                            known("visitors", {}),
                            known("noise", {})};
        for (double i = 0; i < 6; ++i) {
            history.signals.push_back({{i, 1}, {i, 1}});
        }
    }
    BoundSignals bind(const std::vector<Rule>& rules) const {
        return bind_signals(rules, definitions, {"visitors"}, baseline, history);
    }
};

std::vector<std::string> names(const BoundSignals& bound) {
    std::vector<std::string> out;
    for (const auto& signal : bound.signals) {
        out.push_back(signal.name);
    }
    return out;
}

TEST_F(BoundSignalsTest, FindsEverySignalOfARuleAndThenTheLoadThatExplains) {
    const auto made = bind({{.name = "failures", .signal = "failures", .required = true},
                            {.name = "wait", .signal = "wait", .worse = Direction::both}});
    EXPECT_THAT(names(made), ElementsAre("failures", R"(wait{device="sda"})",
                                         R"(wait{device="sdb"})", "requests", "visitors"));
    ASSERT_EQ(made.bound.size(), 5);
    EXPECT_TRUE(made.signals[0].is_errors);
    EXPECT_TRUE(made.signals[0].required);
    EXPECT_TRUE(made.signals[0].judged);
    EXPECT_FALSE(made.signals[0].is_load);
    EXPECT_EQ(made.signals[1].worse, Direction::both);
    EXPECT_TRUE(made.signals[3].is_load);
    EXPECT_FALSE(made.signals[3].judged);
    EXPECT_TRUE(made.signals[4].is_load);
    EXPECT_EQ(made.cells[0].front().numerator, 2);
    EXPECT_EQ(made.cells[4].front().numerator, 4);
}

TEST_F(BoundSignalsTest, JudgesLoadThatARuleAsksForOnce) {
    const auto made = bind({{.name = "traffic", .signal = "requests"}});
    EXPECT_THAT(names(made), ElementsAre("requests", "visitors"));
    EXPECT_TRUE(made.signals[0].is_load);
    EXPECT_TRUE(made.signals[0].judged);
}

TEST_F(BoundSignalsTest, GivesTwoRulesOfOneSignalAPlaceEach) {
    const auto made = bind({{.name = "all", .signal = "wait"},
                            {.name = "sdb", .signal = "wait", .match = {{"device", "sdb"}}}});
    EXPECT_THAT(names(made), ElementsAre(R"(wait{device="sda"})", R"(wait{device="sdb"})",
                                         R"(wait{device="sdb"})", "requests", "visitors"));
    EXPECT_EQ(made.bound[1].in_baseline, made.bound[2].in_baseline);
    EXPECT_NE(made.bound[1].in_ensemble, made.bound[2].in_ensemble);
}

TEST_F(BoundSignalsTest, KeepsARuleWithoutASignalUnlessNobodyWroteIt) {
    const auto made = bind({{.name = "gone", .signal = "gone", .match = {{"a", "b"}}},
                            {.name = "default", .signal = "absent", .implicit = true}});
    ASSERT_EQ(made.bound.size(), 3);
    EXPECT_EQ(made.bound[0].rule->name, "gone");
    EXPECT_EQ(to_string(made.bound[0].signal), R"(gone{a="b"})");
    EXPECT_FALSE(made.bound[0].in_baseline);
    EXPECT_FALSE(made.bound[0].in_ensemble);
}

TEST_F(BoundSignalsTest, JudgesATrendByItsGrowthOrByHowFastItShrinks) {
    constexpr Milliseconds day = std::chrono::hours{24};
    baseline.cycle = 7 * day;
    baseline.signals[0].kind = Kind::trend;
    baseline.signals[1].kind = Kind::trend;
    history.cell = day / 2;
    history.signals[0] = {{1, 1}, {4, 1}, {6, 2}, {7, 1}, {8, 1}};
    history.signals[1] = history.signals[0];
    const auto made = bind(
        {{.name = "a", .signal = "wait", .match = {{"device", "sda"}}},
         {.name = "b", .signal = "wait", .match = {{"device", "sdb"}}, .worse = Direction::down}});
    EXPECT_THAT(made.cells[0], ElementsAre(Cell{}, Cell{}, Cell{2, 1}, Cell{3, 1}, Cell{5, 1}));
    EXPECT_FALSE(made.signals[0].shrinks);
    EXPECT_EQ(made.signals[0].worse, Direction::up);
    EXPECT_THAT(made.cells[1], ElementsAre(Cell{}, Cell{}, Cell{-2, 1}, Cell{-3, 1}, Cell{-5, 1}));
    EXPECT_TRUE(made.signals[1].shrinks);
    EXPECT_EQ(made.signals[1].worse, Direction::up);
    EXPECT_EQ(made.signals[1].kind, Kind::trend);
}

TEST_F(BoundSignalsTest, TakesNothingIntoTheEnsembleWithoutCells) {
    history = {};
    const auto made = bind({{.name = "wait", .signal = "wait"}});
    EXPECT_THAT(made.signals, IsEmpty());
    ASSERT_EQ(made.bound.size(), 4);
    EXPECT_EQ(made.bound[0].in_baseline, 0);
    EXPECT_FALSE(made.bound[0].in_ensemble);
}

}  // namespace
}  // namespace holdfast::rules
