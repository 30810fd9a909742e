#include "daemon/client/replay_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "daemon/client/connection.h"
#include "daemon/client/replay.h"
#include "daemon/config.h"
#include "tests/support/temp_dir.h"

namespace holdfast::client {
namespace {

using namespace std::chrono_literals;
using rules::EnsembleJudged;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Timestamp upgrade{24h * 20'000};

std::shared_ptr<const daemon::Config> config(const std::string& text) {
    auto read = daemon::parse_config("default_rules: false\n" + text, "rules.yaml",
                                     daemon::SignalNames::any);
    EXPECT_TRUE(read) << read.error().message();
    return std::make_shared<const daemon::Config>(read ? std::move(*read) : daemon::Config{});
}

/// A day by minutes that ends at `end`, all of value 10.
Recording a_day(const std::vector<std::string>& metrics, Timestamp end = upgrade) {
    Recording out{.series = {}, .first = end - 24h, .last = end - 1min};
    for (const auto& metric : metrics) {
        auto& series = out.series.emplace_back(RecordedSeries{metric, {}});
        for (auto at = end - 24h; at < end; at += 1min) {
            series.samples.push_back({at, 10});
        }
    }
    return out;
}

ReplayData prepared(const std::string& rules, const Recording& baseline, const Recording& after,
                    const ReplayCase& wanted = {}) {
    auto out = prepare_replay(baseline, after, wanted,
                              {.cycle = 24h, .timezone = {}, .config = config(rules)});
    EXPECT_TRUE(out) << out.error().message();
    return out ? std::move(*out) : ReplayData{};
}

ReplayData prepared(const std::string& rules, const std::vector<std::string>& metrics,
                    const ReplayCase& wanted = {}) {
    return prepared(rules, a_day(metrics), a_day(metrics, upgrade + 24h), wanted);
}

std::vector<std::string> told(const ReplayData& data) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < data.signals.size(); ++i) {
        const auto& s = data.signals[i];
        out.push_back(fmt::format("{} {}{}{}{}", data.rules[i] ? data.rules[i]->name : "-", s.name,
                                  s.required ? " required" : "", s.judged ? "" : " unjudged",
                                  s.is_load ? " load" : ""));
    }
    return out;
}

// ---- which metrics

TEST(RuledMetrics, AreThoseThatARuleNamesWithAllOfItsLabels) {
    const auto data = prepared(R"(
rules:
  - {name: sales, signal: orders, match: {shop: a}, worse: down, required: true,
     tolerated: {absolute: 1}, margin: {relative: 30%, absolute: 3}}
  - {name: queue_length})",
                               {R"(orders{shop="a",till="1"})", R"(orders{shop="b"})", "other",
                                "queue_length", R"(orders{till="2",shop="a"})"});
    EXPECT_THAT(told(data), ElementsAre(R"(sales orders{shop="a",till="1"} required)",
                                        R"(sales orders{till="2",shop="a"} required)",
                                        "queue_length queue_length"));
    EXPECT_EQ(data.signals[0].worse, Direction::down);
    EXPECT_EQ(data.signals[0].tolerated, (Allowance{0, 1}));
    EXPECT_EQ(data.signals[0].margin, (Allowance{0.3, 3}));
    EXPECT_EQ(data.signals[2].worse, Direction::up);
}

TEST(RuledMetrics, HaveTheDirectionOfTheirDefinition) {
    const auto data = prepared(R"(
signals: [{name: good_ratio, kind: ratio, worse: down, numerator: [{metric: a}], denominator: [{metric: b}]}]
rules: [{name: good, signal: good_ratio}])",
                               {"good_ratio"});
    EXPECT_EQ(data.signals.at(0).worse, Direction::down);
    EXPECT_EQ(data.signals.at(0).margin, (Allowance{0.5, 0}));
    EXPECT_TRUE(data.signals.at(0).is_errors);
    EXPECT_EQ(data.signals.at(0).kind, Kind::gauge);
}

TEST(RuledMetrics, ThatAreLoadExplainTheOthersThoughNoRuleNamesThem) {
    const std::vector<std::string> metrics{"cpu", "orders", "requests_total", "visits", "sessions"};
    const ReplayCase wanted{.metrics = {{"visits", "traffic", Direction::both},
                                        {"sessions", "connections", Direction::up}}};
    const auto data = prepared(R"(
upgrades: {load: [orders, requests_total]}
rules: [{name: cpu}, {name: orders, worse: both}])",
                               metrics, wanted);
    EXPECT_THAT(told(data),
                ElementsAre("cpu cpu", "orders orders load", "- requests_total unjudged load",
                            "- visits unjudged load"));
}

TEST(RuledMetrics, ThatAreNotThereAreLearningUnlessTheRuleIsADefault) {
    const auto data =
        prepared("rules: [{name: a}, {name: b, match: {x: y}, required: true}]", {"a"});
    EXPECT_THAT(told(data), ElementsAre("a a", R"(b b{x="y"} required)"));
    auto defaults = daemon::parse_config("rules: [{name: a}]", "t", daemon::SignalNames::any);
    ASSERT_TRUE(defaults);
    const auto ruled = ruled_metrics(a_day({"a", "memory_used_ratio"}), {}, *defaults);
    ASSERT_TRUE(ruled);
    std::vector<std::string> names;
    for (const auto& metric : *ruled) {
        names.push_back(metric.metric);
    }
    EXPECT_THAT(names, ElementsAre("memory_used_ratio", "a"));
}

TEST(RuledMetrics, AreRefusedWhereNoRuleNamesAny) {
    const auto none = prepare_replay(a_day({"a"}), a_day({"a"}, upgrade + 24h), {},
                                     {.config = config("rules: [{name: b}]")});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code(), Errc::invalid);
    EXPECT_THAT(none.error().message(), HasSubstr("no rule names a metric of the baseline"));
}

TEST(ReplayPlan, HasLevelsWarmUpAndExclusionsOfTheConfiguration) {
    const auto data = prepared(R"(
levels: {warn: 0.3, page: 0.1, rollback: 0.02}
upgrades:
  warmup: 7m
  exclude: [{from: 2024-10-03T06:00:00Z, to: 2024-10-03T07:00:00Z, reason: incident}]
rules: [{name: a}])",
                               {"a"});
    EXPECT_EQ(data.plan.levels.page, 0.1);
    EXPECT_EQ(data.plan.warmup, 7min);
    const auto missing = [](const Cells& cells) {
        return std::count_if(cells.begin(), cells.end(),
                             [](auto& c) { return c.denominator == 0; });
    };
    EXPECT_EQ(missing(data.history.at(0)), 60);
    EXPECT_EQ(missing(data.after.at(0)), 0);
}

// ---- thresholds, jobs, short baselines

const std::vector<std::string> orders{R"(orders{shop="a"})"};

/// Takes a cell per value.
std::vector<std::size_t> take(RuleWatch& watch, const std::vector<double>& values) {
    std::vector<std::size_t> ended;
    for (const double value : values) {
        const Cell cell = std::isnan(value) ? Cell{} : Cell{value, 1};
        for (const auto signal : watch.take({&cell, 1})) {
            ended.push_back(signal);
        }
    }
    return ended;
}

TEST(RuleWatch, AlertsWhileAThresholdIsPassedAndSaysWhenItEnded) {
    const auto data = prepared(
        "rules: [{name: sales, signal: orders, thresholds: [{above: 15, for: 2m, action: page}]}]",
        orders);
    RuleWatch watch{data};
    EXPECT_THAT(take(watch, {10, 20, 20}), IsEmpty());
    EXPECT_THAT(watch.alerts(), IsEmpty());
    EXPECT_THAT(take(watch, {25, 20}), IsEmpty());
    ASSERT_THAT(watch.alerts(), SizeIs(1));
    EXPECT_THAT(take(watch, {10, 10, 10}), ElementsAre(0));
    ASSERT_THAT(watch.alerts(), SizeIs(1));
    const auto& alert = watch.alerts().front();
    EXPECT_EQ(alert.severity, Severity::page);
    EXPECT_EQ(alert.detector, "threshold");
    EXPECT_EQ(alert.at, upgrade + 4min) << "the end of the third cell beyond";
    EXPECT_GE(alert.until, upgrade + 5min);
    EXPECT_EQ(alert.effect_ratio, 1.5) << "at its strongest, of the usual 10";
    EXPECT_TRUE(alert.up);
}

TEST(RuleWatch, AlertsOncePerSeverityThatABreachRisesTo) {
    const auto data = prepared(R"(
rules:
  - {name: sales, signal: orders, worse: down, thresholds:
     [{below_usual: 20%, action: warn}, {below: 4, action: rollback}]})",
                               orders);
    RuleWatch watch{data};
    take(watch, {10, 7, 7, 3, 7});
    ASSERT_THAT(watch.alerts(), SizeIs(2));
    EXPECT_EQ(watch.alerts()[0].severity, Severity::warn);
    EXPECT_EQ(watch.alerts()[0].at, upgrade + 2min);
    EXPECT_EQ(watch.alerts()[0].level, 0);
    EXPECT_EQ(watch.alerts()[1].severity, Severity::rollback);
    EXPECT_EQ(watch.alerts()[1].at, upgrade + 4min);
    EXPECT_EQ(watch.alerts()[1].level, 2);
    EXPECT_FALSE(watch.alerts()[1].up);
    EXPECT_EQ(watch.alerts()[1].effect_ratio, -0.7);
}

TEST(RuleWatch, KnowsBurnRatesOfRecordedShares) {
    const auto data = prepared(R"(
signals: [{name: orders, kind: ratio, numerator: [{metric: a}], denominator: [{metric: b}]}]
rules:
  - {name: budget, signal: orders, thresholds: [{burn_rate: 10, objective: 99%, window: 1h, action: page}]})",
                               orders);
    RuleWatch watch{data};
    take(watch, std::vector<double>(60, 0.01));
    EXPECT_THAT(watch.alerts(), IsEmpty());
    take(watch, std::vector<double>(30, 0.5));
    ASSERT_THAT(watch.alerts(), SizeIs(1));
    EXPECT_EQ(watch.alerts()[0].severity, Severity::page);
}

EnsembleJudged said(Judgement judgement) {
    EnsembleJudged out;
    out.judgement = judgement;
    return out;
}

struct Said {
    Judgement judgement;
    Severity severity;
    std::string reason;
};

/// What becomes of an engine's judgement.
Said judged(const RuleWatch& watch, Judgement judgement) {
    std::vector<EnsembleJudged> of_engine{said(judgement)};
    std::vector<std::string> reasons{"fine"};
    watch.judge(of_engine, reasons);
    return {of_engine[0].judgement, of_engine[0].severity, reasons[0]};
}

TEST(RuleWatch, CallsABreachARegressionWhateverTheEngineSays) {
    const auto data = prepared(
        "rules: [{name: sales, signal: orders, thresholds: [{above: 15, action: rollback}]}]",
        orders);
    RuleWatch watch{data};
    take(watch, {10});
    EXPECT_EQ(judged(watch, Judgement::proven).judgement, Judgement::proven);
    take(watch, {20});
    const auto breached = judged(watch, Judgement::proven);
    EXPECT_EQ(breached.judgement, Judgement::regressed);
    EXPECT_EQ(breached.severity, Severity::rollback);
    EXPECT_THAT(breached.reason, HasSubstr(R"(orders{shop="a"} is 20.0 (above 15.0)"));
}

TEST(RuleWatch, ProvesNothingRequiredBeforeEveryJobWasSeen) {
    const std::string rules = R"(
upgrades: {jobs: [{name: sale, signal: orders, match: {shop: a}, above: 50}, {name: rest, signal: orders, below: 5}]}
rules: [{name: sales, signal: orders, required: true}])";
    const auto before = a_day(orders);
    auto after = a_day(orders, upgrade + 24h);
    after.series[0].samples[3].value = 4;
    const auto unseen = prepared(rules, before, after);
    EXPECT_THAT(unseen.unseen_jobs, ElementsAre("sale"));
    const auto watching = judged(RuleWatch{unseen}, Judgement::proven);
    EXPECT_EQ(watching.judgement, Judgement::watching);
    EXPECT_THAT(watching.reason, EndsWith("not yet seen: a run of sale"));
    after.series[0].samples[9].value = 60;
    const auto seen = prepared(rules, before, after);
    EXPECT_EQ(judged(RuleWatch{seen}, Judgement::proven).judgement, Judgement::proven);
}

TEST(RuleWatch, IsLearningWithLessThanACycleOfBaseline) {
    auto options = ReplayOptions{.cycle = 48h, .timezone = {}, .config = {}};
    options.config = config("rules: [{name: sales, signal: orders, required: true}]");
    const auto data = prepare_replay(a_day(orders), a_day(orders, upgrade + 24h), {}, options);
    ASSERT_TRUE(data);
    EXPECT_EQ(judged(RuleWatch{*data}, Judgement::proven).judgement, Judgement::learning);
    EXPECT_EQ(judged(RuleWatch{*data}, Judgement::regressed).judgement, Judgement::regressed);
}

TEST(RuleWatch, RequiresNothingOfASignalThatMayLackData) {
    const auto data =
        prepared("rules: [{name: sales, signal: orders, required: true, no_data: ignore}]", orders);
    const RuleWatch watch{data};
    EXPECT_FALSE(watch.demanded({said(Judgement::no_data)})[0].required);
    EXPECT_TRUE(watch.demanded({said(Judgement::watching)})[0].required);
}

// ---- the whole of it

class ReplayConfig : public ::testing::Test {
protected:
    /// A fortnight and three days by five minutes, with a swing a day.
    void write(double level_after, double last_after) {
        write("before.csv", upgrade - 14 * 24h, upgrade, 1, 1);
        write("after.csv", upgrade, upgrade + 72h, level_after, last_after);
    }
    void write(const std::string& name, Timestamp begin, Timestamp end, double level, double last) {
        std::ofstream out{folder_.path() / name};
        for (auto at = begin; at < end; at += 5min) {
            const auto n = static_cast<double>(at.time_since_epoch() / 5min);
            const double day = 1 + 0.2 * std::sin(n * 2 * 3.141592653589793 / 288);
            const double wobble = 0.02 * std::sin(n * 12.9898) * std::cos(n * 78.233);
            const double value = 100 * (day + wobble) * (at + 1h < end ? level : last);
            out << at.time_since_epoch() / 1s << ",latency," << value << '\n';
            out << at.time_since_epoch() / 1s << ",unnamed," << 5 * value << '\n';
        }
    }
    boost::json::value replayed(const std::string& rules) {
        std::ofstream{folder_.path() / "rules.yaml"} << rules;
        const auto result = (folder_.path() / "result.json").string();
        const int code = replay({.baseline = (folder_.path() / "before.csv").string(),
                                 .after = (folder_.path() / "after.csv").string(),
                                 .config = (folder_.path() / "rules.yaml").string(),
                                 .output = result});
        EXPECT_EQ(code, Exit::ok);
        std::ifstream in{result};
        return boost::json::parse(std::string{std::istreambuf_iterator<char>{in}, {}});
    }
    holdfast::testing::TempDir folder_;
};

constexpr auto one_rule = R"(
default_rules: false
upgrades: {cycle: 1d}
rules: [{name: speed, signal: latency, required: true, thresholds: [{above: 200, action: rollback}]}])";

TEST_F(ReplayConfig, PassesWhenTheRequiredRulesAreProven) {
    write(1, 1);
    const auto result = replayed(one_rule);
    EXPECT_EQ(result.at("verdict"), "pass") << boost::json::serialize(result);
    EXPECT_EQ(result.at("alerts"), boost::json::array{});
    ASSERT_EQ(result.at("metrics").as_array().size(), 1);
    EXPECT_EQ(result.at("metrics").at(0).at("metric"), "latency");
    EXPECT_EQ(result.at("metrics").at(0).at("rule"), "speed");
}

TEST_F(ReplayConfig, FailsByAThresholdThatNoProofOutweighs) {
    write(1, 3);
    const auto result = replayed(one_rule);
    EXPECT_EQ(result.at("verdict"), "fail");
    const auto& alerts = result.at("alerts").as_array();
    const auto found = std::find_if(alerts.begin(), alerts.end(), [](const auto& alert) {
        return alert.at("detector") == "threshold";
    });
    ASSERT_NE(found, alerts.end());
    EXPECT_EQ(found->at("severity"), "rollback");
    EXPECT_EQ(found->at("rule"), "speed");
    EXPECT_THAT(std::string{result.at("metrics").at(0).at("reason").as_string()},
                HasSubstr("above 200"));
}

TEST_F(ReplayConfig, ToleratesWhatTheRuleTolerates) {
    write(1.3, 1.3);
    EXPECT_EQ(replayed(R"(
default_rules: false
upgrades: {cycle: 1d}
rules: [{name: speed, signal: latency, required: true, tolerated: 60%, margin: 100%}])")
                  .at("verdict"),
              "pass");
    EXPECT_EQ(replayed(one_rule).at("verdict"), "fail");
}

TEST_F(ReplayConfig, SaysWhereTheConfigurationIsWrong) {
    write(1, 1);
    std::ofstream{folder_.path() / "rules.yaml"} << "upgrades: {cycle: 10m}\n";
    ReplayArguments arguments{.baseline = (folder_.path() / "before.csv").string(),
                              .after = (folder_.path() / "after.csv").string(),
                              .config = (folder_.path() / "rules.yaml").string()};
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(replay(arguments), Exit::usage_or_internal);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                HasSubstr("rules.yaml: upgrades.cycle: 10m is too short, replay needs 1h"));
    std::ofstream{folder_.path() / "rules.yaml"} << "rules: [{name: a, marign: 3%}]\n";
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(replay(arguments), Exit::usage_or_internal);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("did you mean 'margin'?"));
}

}  // namespace
}  // namespace holdfast::client
