#include "daemon/client/rule_cases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <regex>

#include "daemon/client/connection.h"
#include "daemon/client/offline.h"
#include "daemon/client/rule_case_run.h"
#include "daemon/client/rules_test.h"
#include "daemon/config_reader.h"
#include "tests/daemon/world.h"
#include "tests/support/temp_dir.h"

namespace holdfast::client {
namespace {

using namespace std::chrono_literals;
using holdfast::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr Timestamp monday{std::chrono::sys_days{std::chrono::year{2026} / 6 / 1}};
const std::string rule_cases = FIXTURES "/rule_cases/";

// ---- values

/// The first `count` values of `input`; `_` where one is missing, `|` before one of a new series.
std::string listed(const SeriesInput& input, int count, const Ticks& ticks) {
    SeriesValues values{input, ticks};
    std::string out;
    for (int i = 0; i < count; ++i) {
        const auto next = values.next();
        out += fmt::format("{}{}{}", i > 0 ? " " : "", next.ended ? "|" : "",
                           next.value ? fmt::format("{:.6g}", *next.value) : "_");
    }
    return out;
}

std::string expanded(std::string_view notation, int count) {
    auto runs = parse_values(notation);
    EXPECT_TRUE(runs) << runs.error().message();
    return listed({{"m", {}}, runs ? *runs : std::vector<ValueRun>{}, {}}, count,
                  {monday, 1min, monday, {}});
}

TEST(ParseValues, ExpandsAsPromtoolDoes) {
    EXPECT_EQ(expanded("-2+4x3", 5), "-2 2 6 10 _");
    EXPECT_EQ(expanded(" 1-2x4", 6), "1 -1 -3 -5 -7 _");
    EXPECT_EQ(expanded("1x4", 6), "1 1 1 1 1 _");
    EXPECT_EQ(expanded("0x10", 2), "0 0");
    EXPECT_EQ(expanded("1 _x3 7 _ 8", 7), "1 _ _ _ 7 _ 8");
    EXPECT_EQ(expanded("1e3+2.5e-1x1 +4 .5\n6", 5), "1000 1000.25 4 0.5 6");
    EXPECT_EQ(expanded("1x0 _x0 2+1x0 3", 4), "1 2 3 _");
    EXPECT_EQ(expanded("5 stale _ 1 2 stale", 6), "5 _ _ |1 2 _");
}

TEST(ParseValues, ExpandsMillionsWithoutMemory) {
    EXPECT_THAT(*parse_values("0+0.3x1000000000"), SizeIs(1));
}

TEST(ParseValues, NamesTheStretchThatIsNone) {
    for (const auto* bad :
         {"three", "1+2", "1+x3", "1+2x", "1x-3", "1x1.5", "1--2x4", "1+-2x4", "inf", "nanx3",
          "1e999", "_3", "_x", "stalex3", "1x1000000001", "--1", "+-1", "{{sum:1}}", "1,2"}) {
        const auto runs = parse_values(fmt::format("5x3 {} 6", bad));
        ASSERT_FALSE(runs) << bad;
        EXPECT_EQ(runs.error().code(), Errc::parse);
        EXPECT_THAT(runs.error().message(), HasSubstr(bad));
    }
    EXPECT_THAT(parse_values("  ").error().message(), HasSubstr("there are no values"));
}

TEST(ParseSeries, ReadsNameLabelsAndTheTypeOfTheName) {
    const auto series = parse_series(R"( a_total{ b="x,\"y\"", c="d" } )");
    ASSERT_TRUE(series) << series.error().message();
    EXPECT_EQ(to_string(*series), R"(a_total{b="x,\"y\"",c="d"})");
    EXPECT_EQ(series->type, SeriesType::counter);
    for (const auto* counter : {"a_count", "a_sum", "a_bucket{le=\"1\"}"}) {
        EXPECT_EQ(parse_series(counter)->type, SeriesType::counter) << counter;
    }
    EXPECT_EQ(parse_series("total_seconds")->type, SeriesType::gauge);
}

TEST(ParseSeries, RefusesWhatIsNone) {
    for (const auto* bad : {"", "1a", "a{b=c}", "a{b=\"c\"", "a 5", "a\nb", "# a", "{b=\"c\"}"}) {
        const auto series = parse_series(bad);
        ASSERT_FALSE(series) << bad;
        EXPECT_THAT(series.error().message(), HasSubstr("is no series; write name{label="));
    }
}

TEST(Pattern, FollowsTheHourAndTheWeekendInLocalTime) {
    const SeriesInput input{{"m", {}}, {}, Pattern{.level = 10, .day = 0.5, .weekend = 0.6}};
    // Monday 00:00, 06:00, …; the fifth is Tuesday
    EXPECT_EQ(listed(input, 5, {monday, 6h, monday, {}}),
              "6.46447 6.46447 13.5355 13.5355 6.46447");
    EXPECT_EQ(listed(input, 2, {monday + 9h, 6h, monday, {}}), "10 15");
    EXPECT_EQ(listed(input, 2, {monday + 9h, 6h, monday, {{monday, -6h}, {monday + 15h, 0s}}}),
              "5 15");
    EXPECT_EQ(listed(input, 4, {monday + 4 * 24h + 9h, 24h, monday, {}}), "10 6 6 10");
}

TEST(Pattern, IsTheRateOfACounterAndChangesAfterTheUpgrade) {
    SeriesInput input{
        {"m_total", {}, SeriesType::counter}, {}, Pattern{.level = 2, .after = 3, .from = 20s}};
    EXPECT_EQ(listed(input, 5, {monday, 10s, monday, {}}), "20 40 100 160 220");
    input.series.type = SeriesType::gauge;
    EXPECT_EQ(listed(input, 4, {monday, 10s, monday + 10s, {}}), "2 2 2 6");
}

TEST(Pattern, HasNoiseOfTheWantedScatterAndMemoryFromItsSeedAndName) {
    const Ticks ticks{monday, 1min, monday, {}};
    SeriesInput input{{"m", {}}, {}, Pattern{.level = 1, .noise = 0.1, .autocorrelation = 0.6}};
    SeriesValues values{input, ticks};
    double before = 0;
    double squares = 0;
    double products = 0;
    constexpr int count = 20'000;
    for (int i = 0; i < count; ++i) {
        const double noise = std::log(*values.next().value);
        squares += noise * noise;
        products += noise * before;
        before = noise;
    }
    EXPECT_NEAR(std::sqrt(squares / count), 0.1, 0.005);
    EXPECT_NEAR(products / squares, 0.6, 0.03);

    const auto first = listed(input, 10, ticks);
    EXPECT_EQ(listed(input, 10, ticks), first);
    input.pattern->seed = 2;
    EXPECT_NE(listed(input, 10, ticks), first);
    input.pattern->seed = 1;
    input.series.metric = "n";
    EXPECT_NE(listed(input, 10, ticks), first);
}

// ---- reading

/// A file with one test of one gauge, its parts replaced.
struct Written {
    std::string head = "default_rules: false\nrules: [{name: queue, signal: shop_queue}]\n";
    std::string test = "    baseline: 4d\n";
    std::string series = "      - {series: shop_queue, values: 1x5}\n";
    std::string expect = "      - {at: 1h, rule: queue, judgement: learning}\n";

    std::string text() const {
        return head + "tests:\n  - name: one\n" + test + "    series:\n" + series +
               "    expect:\n" + expect;
    }
};

std::string problem(const std::string& text) {
    const auto read = parse_rule_cases(text, "t.yml");
    if (read) {
        return "no problem";
    }
    EXPECT_EQ(read.error().code(), Errc::config);
    return read.error().message();
}

TEST(ParseRuleCases, ReadsEveryKey) {
    const auto read = parse_rule_cases(R"(
evaluation_interval: 10m
default_rules: false
upgrades: {cycle: 1d}
rules: [{name: queue, signal: shop_queue, worse: up}]
tests:
  - name: one
    interval: 2m
    start: 2026-01-05T00:00:00Z
    baseline: 4d
    window: 1h 30m
    series:
      - {series: 'shop_queue{source="a"}', type: gauge, values: 1x5}
      - series: b_total
        pattern: {level: 2, day: 50%, weekend: 0.5, noise: 5%, autocorrelation: 0.6, seed: 7, after: 1.5, from: 2h}
    expect:
      - {at: 1h, rule: queue, match: {source: a}, judgement: regressed, severity: page, exactly: true}
      - {by: 2h, verdict: rollback}
      - {until: 1d 10m, never: {severity: warn}}
)",
                                       "t.yml");
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->evaluation_interval, 10min);
    EXPECT_EQ(read->config.upgrades.cycle, 24h);
    ASSERT_THAT(read->config.rules, SizeIs(1));
    ASSERT_THAT(read->tests, SizeIs(1));
    const auto& test = read->tests[0];
    EXPECT_EQ(test.name, "one");
    EXPECT_EQ(test.line, 7);
    EXPECT_EQ(test.interval, 2min);
    EXPECT_EQ(test.judging(),
              Timestamp{std::chrono::sys_days{std::chrono::year{2026} / 1 / 9}} + 90min);
    EXPECT_EQ(test.end(), test.judging() + 24h + 10min);
    ASSERT_THAT(test.series, SizeIs(2));
    EXPECT_EQ(to_string(test.series[0].series), "shop_queue{source=\"a\"}");
    EXPECT_THAT(test.series[0].runs, SizeIs(1));
    const auto& pattern = test.series[1].pattern.value();
    EXPECT_EQ(pattern.level, 2);
    EXPECT_EQ(pattern.day, 0.5);
    EXPECT_EQ(pattern.noise, 0.05);
    EXPECT_EQ(pattern.seed, 7);
    EXPECT_EQ(pattern.from, 2h);
    ASSERT_THAT(test.expect, SizeIs(3));
    EXPECT_EQ(test.expect[0].line, 17);
    EXPECT_EQ(test.expect[0].statement.judgement, Judgement::regressed);
    EXPECT_TRUE(test.expect[0].statement.exactly);
    EXPECT_EQ(test.expect[1].when, Expectation::When::by);
    EXPECT_EQ(test.expect[1].statement.verdict, Verdict::rollback);
    EXPECT_EQ(test.expect[2].when, Expectation::When::never_until);
    EXPECT_EQ(test.expect[2].statement.severity, Severity::warn);
}

TEST(ParseRuleCases, NamesLineAndKeyOfWhatIsWrong) {
    const auto with_test = [](const char* text) { return problem(Written{.test = text}.text()); };
    const auto with_series = [](const char* text) {
        return problem(Written{.series = std::string{"      - "} + text + "\n"}.text());
    };
    const auto with_expect = [](const char* text) {
        return problem(Written{.expect = std::string{"      - "} + text + "\n"}.text());
    };
    EXPECT_EQ(problem(Written{}.text()), "no problem");
    EXPECT_EQ(with_test("    baselin: 4d\n    baseline: 4d\n"),
              "t.yml:5:5: unknown key 'tests[0].baselin', did you mean 'baseline'?");
    EXPECT_THAT(with_test("    window: 1h\n"),
                HasSubstr("t.yml:4:5: tests[0].baseline: is missing"));
    EXPECT_THAT(with_test("    baseline: 14 days\n"),
                HasSubstr("t.yml:5:15: tests[0].baseline: '14days' is no duration; write 30s"));
    EXPECT_THAT(with_test("    baseline: 4d\n    interval: 2h\n"),
                HasSubstr("tests[0].interval: 2h is out of range, 100ms to 1h"));
    EXPECT_THAT(with_test("    baseline: 4d\n    start: yesterday\n"), HasSubstr("t.yml:6:12:"));

    EXPECT_THAT(with_series("{series: 'a{', values: 1}"),
                HasSubstr("t.yml:7:18: tests[0].series[0].series: 'a{' is no series"));
    EXPECT_THAT(with_series("{series: shop_queue, values: '1 two'}"),
                HasSubstr("t.yml:7:38: tests[0].series[0].values: 'two' is no stretch"));
    EXPECT_THAT(with_series("{series: shop_queue}"), HasSubstr("either 'values' or 'pattern'"));
    EXPECT_THAT(with_series("{series: shop_queue, values: 1, pattern: {level: 1}}"),
                HasSubstr("either 'values' or 'pattern'"));
    EXPECT_THAT(with_series("{series: shop_queue, pattern: {dya: 1}}"),
                HasSubstr("level: is missing"));
    EXPECT_THAT(with_series("{series: shop_queue, pattern: {level: 1, dya: 1}}"),
                HasSubstr("unknown key 'tests[0].series[0].pattern.dya', did you mean 'day'?"));
    EXPECT_THAT(with_series("{series: shop_queue, pattern: {level: 1, autocorrelation: 1}}"),
                HasSubstr("autocorrelation: 1 is out of range"));
    EXPECT_THAT(with_series("{series: a_total, pattern: {level: -1}}"),
                HasSubstr("level: -1 is out of range, 0 to"));
    EXPECT_THAT(with_series("{series: a, values: 1}\n      - {series: a, values: 2}"),
                HasSubstr("t.yml:8:18: tests[0].series[1].series: a is there twice"));

    EXPECT_THAT(with_expect("{at: 1h, rule: quue, judgement: learning}"),
                HasSubstr("t.yml:9:9: no rule 'quue', did you mean 'queue'?"));
    EXPECT_THAT(with_expect("{at: 1h, rule: latency, judgement: learning}"),
                HasSubstr("t.yml:9:9: no rule 'latency'; there are: queue"));
    EXPECT_THAT(with_expect("{at: 1h, rule: queue, judgement: good}"),
                HasSubstr("'good' is none of learning, watching, proven, regressed, no_data"));
    EXPECT_THAT(with_expect("{rule: queue, judgement: proven}"),
                HasSubstr("t.yml:9:9: tests[0].expect[0].at: an expectation has one of"));
    EXPECT_THAT(with_expect("{at: 1h, by: 2h, rule: queue, judgement: proven}"),
                HasSubstr("an expectation has one of"));
    EXPECT_THAT(with_expect("{until: 1h, verdict: proven}"), HasSubstr("'never' goes with"));
    EXPECT_THAT(with_expect("{at: 1h, never: {severity: page}}"), HasSubstr("'never' goes with"));
    EXPECT_THAT(with_expect("{at: 1h, severity: page}"), HasSubstr("rule: is missing"));
    EXPECT_THAT(with_expect("{at: 1h, rule: queue}"), HasSubstr("expect a verdict, or"));
    EXPECT_THAT(with_expect("{at: 1h, rule: queue, verdict: proven}"),
                HasSubstr("it goes without rule"));
    EXPECT_THAT(with_expect("{at: 1h, rule: queue, severity: none}"), HasSubstr("'exactly: true'"));
    EXPECT_THAT(with_expect("{at: 1h, rule: queue, judgement: proven, exactly: true}"),
                HasSubstr("belongs to a severity"));
    EXPECT_THAT(problem("tests: []"), HasSubstr("tests: is empty"));
    EXPECT_THAT(problem("tests: ["), HasSubstr("not YAML"));
}

TEST(ParseRuleCases, BoundsWhatATestMayAskFor) {
    EXPECT_THAT(problem(Written{.test = "    baseline: 4000w\n"}.text()),
                HasSubstr("series: 1 of 40320060 samples each, at most 20000000 in all"));
    EXPECT_THAT(
        problem(Written{.expect = "      - {at: 99d, rule: queue, judgement: learning}\n"}.text()),
        HasSubstr("142560 evaluations, at most 100000"));
    EXPECT_THAT(problem(Written{.test = "    baseline: 4d\n    interval: 10m\n",
                                .series = "      - {series: a_total, values: 1}\n"}
                            .text()),
                HasSubstr("counters are read at least every 5m"));
    EXPECT_THAT(problem(std::string(rule_case_file_bytes_max + 1, ' ')), HasSubstr("use several"));
}

TEST(ParseRuleCases, TakesTheConfigurationFromItsFileOrFromHere) {
    const TempDir folder;
    const auto in = [&](const char* name) { return (folder.path() / name).string(); };
    std::ofstream{in("good.yml")}
        << "default_rules: false\ncollectors: {scrape: [{name: shop, url: "
           "'http://127.0.0.1:1'}]}\nrules: [{name: queue, signal: "
           "shop_queue}]\n";
    std::ofstream{in("bad.yml")} << "rules:\n  - {nmae: queue}\n";
    const auto with = [&](const char* head) {
        return parse_rule_cases(Written{.head = head}.text(), in("t.yml"));
    };
    const auto good = with("config: good.yml\n");
    ASSERT_TRUE(good) << good.error().message();
    EXPECT_THAT(good->config.rules, SizeIs(1));
    const auto bad = with("config: bad.yml\n");
    ASSERT_FALSE(bad);
    EXPECT_THAT(bad.error().message(), HasSubstr(in("bad.yml") + ":2:"));
    const auto absent = with("config: absent.yml\n");
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().code(), Errc::io);
    EXPECT_THAT(absent.error().message(), HasSubstr("check 'config' in " + in("t.yml")));
    EXPECT_THAT(with("config: good.yml\nrules: [{name: queue, signal: x}]\n").error().message(),
                HasSubstr("t.yml:2:8: rules: is either here or in the file of 'config'"));
    EXPECT_THAT(with("rules: [{name: queue, signal: shop_queeu}]\n").error().message(),
                HasSubstr("no signal 'shop_queeu', did you mean 'shop_queue'?"));
    EXPECT_THAT(with("rules: [{name: queue, signal: shop_queue, margni: 2%}]\n").error().message(),
                HasSubstr("t.yml:1:43: unknown key 'rules[0].margni', did you mean 'margin'?"));
    EXPECT_TRUE(parse_rule_cases(
        Written{.head = "default_rules: false\nrules: [{name: queue, signal: a_per_second}]\n",
                .series = "      - {series: a_total, values: 1}\n"}
            .text(),
        "t.yml"));
}

// ---- running

const char* const daily = R"(
default_rules: false
upgrades: {cycle: 1d}
evaluation_interval: 5m
rules:
  - {name: queue, signal: shop_queue, worse: up, required: true, tolerated: 5%, margin: 30%,
     thresholds: [{above: 100, for: 10m, action: rollback}]}
tests:
  - name: one
    baseline: 4d
    interval: 5m
    series:
)";

/// What is unmet of one test with `series` and `expect`, lines of YAML.
std::vector<Unmet> unmet(const std::string& series, const std::string& expect,
                         const rules::ForEach& for_each = rules::one_by_one) {
    const auto cases = parse_rule_cases(
        std::string{daily} + "      - " + series + "\n    expect:\n      - " + expect + "\n",
        "t.yml");
    if (!cases) {
        ADD_FAILURE() << cases.error().message();
        return {};
    }
    auto out = run_rule_case(*cases, cases->tests.front(), for_each);
    EXPECT_TRUE(out) << out.error().message();
    return out ? *out : std::vector<Unmet>{};
}

const char* const steady = "{series: shop_queue, pattern: {level: 20, noise: 5%}}";
const char* const worse = "{series: shop_queue, pattern: {level: 20, noise: 5%, after: 2}}";
const char* const stuck =
    "{series: 'shop_queue{source=\"a\"}', values: '20x1151 20x11 500x99'}\n"
    "      - {series: 'shop_queue{source=\"b\"}', values: '20x9999'}";

TEST(RunRuleCase, IsMetByWhatTheEngineSays) {
    EXPECT_THAT(unmet(worse, "{at: 2h, rule: queue, judgement: regressed, severity: page}"),
                IsEmpty());
    EXPECT_THAT(unmet(worse, "{by: 2h, verdict: rollback}"), IsEmpty());
    EXPECT_THAT(unmet(steady, "{until: 1d 10m, never: {severity: page}}"), IsEmpty());
    EXPECT_THAT(unmet(steady, "{at: 23h, verdict: watching}"), IsEmpty());
    EXPECT_THAT(unmet(steady, "{at: 1d 10m, verdict: proven}"), IsEmpty());
    EXPECT_THAT(unmet(steady, "{at: 1d, rule: queue, severity: none, exactly: true}"), IsEmpty());
}

TEST(RunRuleCase, SaysWhatWasExpectedAndWhatWasSaidAndWhen) {
    const auto proven = unmet(worse, "{at: 2h, verdict: proven}");
    ASSERT_THAT(proven, SizeIs(1));
    EXPECT_EQ(proven[0].line, 15);
    EXPECT_EQ(proven[0].expected, "at 2h: verdict proven");
    EXPECT_EQ(proven[0].at, monday + 4 * 24h + 2h);
    EXPECT_THAT(proven[0].said, HasSubstr("verdict rollback; queue is regressed (rollback): "
                                          "shop_queue is"));
    const auto slow = unmet(steady, "{by: 2h, rule: queue, severity: warn}");
    ASSERT_THAT(slow, SizeIs(1));
    EXPECT_EQ(slow[0].expected, "by 2h: rule queue severity warn or above");
    EXPECT_EQ(slow[0].time, 2h);
    EXPECT_THAT(slow[0].said, HasSubstr("queue is watching: shop_queue is"));
    const auto loud = unmet(worse, "{until: 1d, never: {severity: page}}");
    ASSERT_THAT(loud, SizeIs(1));
    EXPECT_EQ(loud[0].expected, "until 1d never: any rule severity page or above");
    EXPECT_LE(loud[0].time, 2h) << "the first time, not the last";
    EXPECT_THAT(loud[0].said, HasSubstr("queue is regressed ("));
    const auto verdict = unmet(worse, "{until: 1d, never: {verdict: rollback}}");
    ASSERT_THAT(verdict, SizeIs(1));
    EXPECT_THAT(verdict[0].said, HasSubstr("verdict rollback"));
}

TEST(RunRuleCase, TellsAtFromByAndAtLeastFromExactly) {
    // 500 from 1h on for 500 min
    EXPECT_THAT(unmet(stuck, "{at: 65m, rule: queue, match: {source: a}, severity: rollback}"),
                SizeIs(1));
    EXPECT_THAT(unmet(stuck, "{at: 75m, rule: queue, match: {source: a}, severity: rollback}"),
                IsEmpty());
    EXPECT_THAT(unmet(stuck, "{by: 75m, rule: queue, match: {source: a}, severity: page}"),
                IsEmpty());
    EXPECT_THAT(
        unmet(stuck, "{by: 75m, rule: queue, match: {source: a}, severity: page, exactly: true}"),
        SizeIs(1));
    EXPECT_THAT(unmet(stuck, "{until: 65m, never: {severity: rollback}}"), IsEmpty());
    EXPECT_THAT(unmet(stuck, "{until: 75m, never: {severity: rollback}}"), SizeIs(1));
}

TEST(RunRuleCase, DemandsItOfEverySignalOfTheRuleThatMatches) {
    const auto all = unmet(stuck, "{at: 2h, rule: queue, judgement: regressed}");
    ASSERT_THAT(all, SizeIs(1));
    EXPECT_THAT(all[0].said, HasSubstr("shop_queue{source=\"b\"}"));
    EXPECT_THAT(all[0].said, Not(HasSubstr("source=\"a\"")));
    EXPECT_THAT(
        unmet(stuck, "{until: 2h, never: {rule: queue, match: {source: b}, severity: warn}}"),
        IsEmpty());
}

TEST(RunRuleCase, TakesNobodysSilenceForNoProof) {
    const auto nobody =
        unmet(steady, "{until: 2h, never: {rule: queue, match: {source: c}, severity: page}}");
    ASSERT_THAT(nobody, SizeIs(1));
    EXPECT_EQ(nobody[0].said, "rule queue judges no signal with {source=\"c\"}, only shop_queue");
    EXPECT_THAT(unmet(steady, "{at: 2h, rule: queue, match: {source: c}, judgement: watching}"),
                SizeIs(1));
}

TEST(RunRuleCase, BlocksWhereTheDataEndsAndCallsANewSeriesLearning) {
    EXPECT_THAT(unmet("{series: shop_queue, values: '20x1160'}", "{at: 4h, verdict: blocked}"),
                IsEmpty());
    EXPECT_THAT(unmet("{series: shop_queue, values: '_x1152 20x60'}",
                      "{at: 4h, rule: queue, judgement: learning}"),
                IsEmpty());
}

TEST(RunRuleCase, SaysTheSameEachTimeAndWithThreads) {
    const auto once = unmet(worse, "{at: 2h, verdict: proven}");
    const auto again = unmet(worse, "{at: 2h, verdict: proven}", with_threads(3));
    ASSERT_THAT(once, SizeIs(1));
    ASSERT_THAT(again, SizeIs(1));
    EXPECT_EQ(once[0].said, again[0].said);
}

TEST(RunRuleCase, SaysWordForWordWhatTheDaemonSays) {
    const auto said = unmet(worse, "{at: 2h, verdict: proven}");
    ASSERT_THAT(said, SizeIs(1));

    const TempDir folder;
    const std::string rules = daily;
    daemon::testing::World world{
        folder.path(), monday,
        "defaults: {interval: 5m}\n"
        "collectors: {scrape: [{name: shop, url: 'http://127.0.0.1:1'}]}\n" +
            std::regex_replace(rules.substr(0, rules.find("tests:")),
                               std::regex{"evaluation_interval.*\n"}, "")};
    const SeriesInput input{
        {"shop_queue", {}}, {}, Pattern{.level = 20, .noise = 0.05, .after = 2}};
    const Ticks ticks{monday, 5min, monday + 4 * 24h, {}};
    SeriesValues values{input, ticks};
    const auto series = std::make_shared<const Series>(input.series);
    std::string id;
    for (auto at = monday; at < ticks.judging + 2h; at += 5min) {
        world.clock.set(at);
        if (at == ticks.judging) {
            daemon::StartRequest request;
            request.target = request.from = request.to = "shop";
            request.no_window = true;
            const auto started = world.run(world.upgrades->start(std::move(request)));
            ASSERT_TRUE(started) << started.error().message();
            id = started->upgrade.id;
        }
        world.record("shop", {{series, at, *values.next().value}});
    }
    world.clock.set(ticks.judging + 2h);
    world.evaluate();
    const auto upgrade = world.now(id);
    ASSERT_THAT(upgrade.judgements, SizeIs(1));
    EXPECT_EQ(said[0].said, "verdict rollback; queue is regressed (rollback): " +
                                upgrade.judgements[0].evidence.reason);
}

void expect_to_pass(const Result<RuleCases>& cases) {
    ASSERT_TRUE(cases) << cases.error().message();
    for (const auto& test : cases->tests) {
        const auto failed = run_rule_case(*cases, test);
        ASSERT_TRUE(failed) << failed.error().message();
        for (const auto& unmet : *failed) {
            ADD_FAILURE() << unmet.line << ": " << unmet.expected << ": " << unmet.said;
        }
    }
}

TEST(RunRuleCase, PassesTheExamples) {
    expect_to_pass(load_rule_cases(rule_cases + "shop_test.yml"));
}

TEST(RunRuleCase, PassesTheExampleOfTheGuide) {
    const auto guide = *daemon::read_text(DOCS "/operators-guide.md", "");
    const std::string fence = "```yaml\n";
    const auto begin = guide.find(fence, guide.find("## Tests of rules")) + fence.size();
    const auto example = guide.substr(begin, guide.find("```", begin) - begin);
    expect_to_pass(parse_rule_cases(example, rule_cases + "guide"));
}

// ---- results

TestedFile with_failure() {
    TestedCase good{.name = "good", .line = 3, .expectations = 1, .duration_seconds = 0.5};
    TestedCase bad{.name = "a < b & \"c\"", .line = 9, .expectations = 2, .duration_seconds = 1};
    bad.unmet.push_back(
        {12, "at 1h: verdict proven", 1h, monday + 1h, "verdict <watching>\x01\xff"});
    return {.file = "t.yml", .error = {}, .tests = {good, bad}};
}

TEST(TestedJunit, EscapesWhatXmlDoesNotTake) {
    const auto xml = tested_junit({with_failure()});
    EXPECT_THAT(xml, HasSubstr(R"(<testsuites name="holdfast rules test" tests="2" failures="1" )"
                               R"(errors="0" time="1.500">)"));
    EXPECT_THAT(xml, HasSubstr(R"(<testcase name="good" classname="t" file="t.yml" line="3" )"
                               R"(time="0.500"/>)"));
    EXPECT_THAT(xml, HasSubstr(R"(<testcase name="a &lt; b &amp; &quot;c&quot;")"));
    EXPECT_THAT(xml, HasSubstr("<failure message=\"t.yml:12: expected at 1h: verdict proven\">"));
    EXPECT_THAT(xml, HasSubstr("verdict &lt;watching&gt;\xef\xbf\xbd\xef\xbf\xbd&#10;</failure>"));
}

TEST(TestedJunit, CountsAFileThatCannotBeReadAsAnError) {
    const auto xml = tested_junit(
        {{.file = "u.yml", .error = Error{Errc::config, "u.yml:1:1: bad"}, .tests = {}}});
    EXPECT_THAT(xml, HasSubstr(R"(tests="1" failures="0" errors="1")"));
    EXPECT_THAT(xml, HasSubstr(R"(<error message="u.yml:1:1: bad">)"));
}

TEST(TestedText, HasALinePerTestAndWhatWasUnmet) {
    EXPECT_EQ(tested_text({.file = "t.yml", .error = {}, .tests = {with_failure().tests[0]}}),
              "ok     t.yml: good (1 expectation, 0.5 s)\n");
    EXPECT_THAT(tested_text(with_failure()),
                HasSubstr("FAILED t.yml: a < b & \"c\" (2 expectations, 1.0 s)\n"
                          "  t.yml:12: expected at 1h: verdict proven\n"
                          "    at 1h (2026-06-01T01:00:00Z): verdict <watching>"));
}

TEST(TestedJson, CountsAndListsTests) {
    const auto json = tested_json({with_failure()});
    EXPECT_EQ(json.at("passed").to_number<int>(), 1);
    EXPECT_EQ(json.at("failed").to_number<int>(), 1);
    const auto& tests = json.at("files").at(0).at("tests");
    EXPECT_EQ(tests.at(1).at("unmet").at(0).at("line").to_number<int>(), 12);
}

TEST(RulesTest, FailsForOneThatFailedAndForAFileThatIsNone) {
    const TempDir folder;
    const auto file = (folder.path() / "t.yml").string();
    std::ofstream{file} << std::string{daily} + "      - " + steady +
                               "\n    expect:\n      - {at: 1h, verdict: proven}\n";
    const auto junit = (folder.path() / "junit.xml").string();
    EXPECT_EQ(rules_test({{file}, junit, Format::json}), Exit::usage_or_internal);
    EXPECT_THAT(*daemon::read_text(junit, ""), HasSubstr("failures=\"1\""));
    EXPECT_EQ(rules_test({{(folder.path() / "absent.yml").string()}, "", Format::json}),
              Exit::usage_or_internal);
}

}  // namespace
}  // namespace holdfast::client
