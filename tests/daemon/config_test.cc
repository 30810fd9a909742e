#include "daemon/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string problem(const std::string& yaml) {
    const auto config = parse_config(yaml, "h.yaml");
    if (config) {
        return "no problem";
    }
    EXPECT_EQ(config.error().code(), Errc::config);
    return config.error().message();
}

const Rule* rule(const Config& config, const std::string& name) {
    for (const auto& candidate : config.rules) {
        if (candidate.name == name) {
            return &candidate;
        }
    }
    return nullptr;
}

TEST(ParseConfig, HasGoodDefaultsWithoutAnything) {
    for (const auto* empty : {"", "{}", "# nothing\n"}) {
        const auto config = parse_config(empty, "h.yaml");
        ASSERT_TRUE(config) << config.error().message();
        EXPECT_TRUE(config->collectors.cpu.enabled);
        EXPECT_FALSE(config->collectors.process.enabled);
        EXPECT_EQ(config->upgrades.cycle, 7 * 24h);
        EXPECT_TRUE(rule(*config, "pressure_stalled_ratio")->required);
        EXPECT_FALSE(rule(*config, "disk_bytes_per_second")->required);
        EXPECT_EQ(config->rules.size(), config->signals.size());
    }
}

TEST(ParseConfig, EveryDefaultRuleHasAMarginAboveWhatIsTolerated) {
    const auto config = parse_config("", "h.yaml");
    ASSERT_TRUE(config);
    for (const auto& r : config->rules) {
        EXPECT_GT(r.margin.relative, r.tolerated.relative) << r.name;
        EXPECT_GT(r.margin.absolute, r.tolerated.absolute) << r.name;
    }
}

TEST(ParseConfig, ReadsAWholeFile) {
    const auto config = parse_config(R"(
paths: {procfs: /host/proc}
storage: {path: /srv/holdfast, retention: 60d}
defaults: {interval: 1s, timeout: 500ms}
collectors:
  cpu: {interval: 2s}
  network: {enabled: false}
  process: {groups: [{name: shop, pid_file: /run/shop.pid}]}
  log: {files: [{name: shop, path: /var/log/shop.log}]}
  probe:
    - {name: home, url: 'http://127.0.0.1:80/', expect: {status: [200, 204], body: 'ok|fine'}}
  scrape: [{name: shop, url: 'http://127.0.0.1:9102/metrics', interval: 5s, keep: ['shop_.*']}]
upgrades: {cycle: 1d, timezone: Europe/Berlin, warmup: 5m}
levels: {warn: 30%, page: 0.05}
rules:
  - {name: slow, signal: probe_latency_seconds, match: {probe: home}, required: true,
     tolerated: {relative: 5%, absolute: 10ms}, margin: {relative: 20%, absolute: 50ms},
     thresholds: [{above: 2s, for: 1m, action: rollback}]}
  - {name: rss, signal: process_resident_bytes, tolerated: {absolute: 1MiB}, margin: {absolute: 8MiB}}
alerting: {alertmanagers: [{url: 'http://127.0.0.1:9093'}], external_labels: {site: a}}
)",
                                     "h.yaml");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->paths.procfs, "/host/proc");
    EXPECT_EQ(config->collectors.cpu.interval, 2s);
    EXPECT_EQ(config->collectors.memory.interval, 1s);
    EXPECT_FALSE(config->collectors.network.enabled);
    EXPECT_TRUE(config->collectors.process.enabled);
    EXPECT_EQ(config->collectors.probes[0].options.timeout, 500ms);
    EXPECT_EQ(config->collectors.probes[0].options.expected_status, (std::vector{200, 204}));
    EXPECT_EQ(config->collectors.scrapes[0].interval, 5s);
    EXPECT_EQ(config->upgrades.warmup, 5min);
    EXPECT_DOUBLE_EQ(config->levels.warn, 0.3);
    const auto* slow = rule(*config, "slow");
    ASSERT_NE(slow, nullptr);
    EXPECT_EQ(slow->tolerated, (Allowance{0.05, 0.010}));
    EXPECT_EQ(slow->thresholds[0],
              (Threshold{Threshold::Side::above, 2, 1min, Severity::rollback}));
    EXPECT_EQ(rule(*config, "rss")->margin, (Allowance{0, 8.0 * 1024 * 1024}));
    EXPECT_EQ(config->alerting.alertmanagers.size(), 1);
}

TEST(ParseConfig, NamesFileLineColumnTheKeyAndTheNearestValidOne) {
    EXPECT_EQ(problem("rules:\n  - name: memory_used_ratio\n    marign: 5%\n"),
              "h.yaml:3:5: unknown key 'rules[0].marign', did you mean 'margin'?");
    EXPECT_THAT(problem("colectors: {}\n"),
                StartsWith("h.yaml:1:1: unknown key 'colectors', did you mean 'collectors'?"));
    EXPECT_THAT(problem("zzzzzzzzzz: 1\n"), HasSubstr("expected one of alerting, collectors"));
}

TEST(ParseConfig, SaysWhichTypeItExpectedAndWhatItGot) {
    EXPECT_EQ(
        problem("collectors: {cpu: {interval: fast}}"),
        "h.yaml:1:30: collectors.cpu.interval: expected a duration such as 30s, 5m or 7d, got "
        "'fast'");
    EXPECT_THAT(problem("collectors: 7"), HasSubstr("collectors must be a mapping of keys"));
    EXPECT_THAT(problem("rules: {name: x}"), HasSubstr("rules: expected a list, got a mapping"));
    EXPECT_THAT(problem("default_rules: maybe"), HasSubstr("expected true or false, got 'maybe'"));
    EXPECT_THAT(problem("[1, 2]"), HasSubstr("the document must be a mapping of keys, not a list"));
}

TEST(ParseConfig, RefusesImpossibleValues) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"collectors: {cpu: {interval: 10ms}}", "10ms is out of range, 100ms to 1h"},
        {"collectors: {probe: [{name: a, url: 'http://h/', interval: 1s, timeout: 2s}]}",
         "2s must be above 0 and not above the interval of 1s"},
        {"collectors: {probe: [{name: a}]}", "collectors.probe[0].url: is missing"},
        {"collectors: {probe: [{url: 'http://h/'}]}", "collectors.probe[0].name: is missing"},
        {"collectors: {probe: [{name: a, url: 'http://h/'}, {name: a, url: 'http://g/'}]}",
         "'a' is there twice"},
        {"collectors: {probe: [{name: a, url: 'ftp://h/'}]}", "scheme 'ftp' is not supported"},
        {"collectors: {disk: {exclude: '('}}", "is no RE2 expression"},
        {"upgrades: {cycle: 1s}", "must be from 6s to 366d"},
        {"upgrades: {timezone: Mars/Olympus}", "no time zone 'Mars/Olympus'"},
        {"levels: {page: 0}", "must be above 0 and below 1"},
        {"levels: {page: 1%, rollback: 5%}", "rollback <= page <= warn"},
        {"rules: [{name: memory_used_ratio, tolerated: 10%, margin: 5%}]",
         "must be above what is tolerated"},
        {"rules: [{name: a, signal: memory_used_rato}]",
         "no signal 'memory_used_rato', did you mean 'memory_used_ratio'?"},
        {"rules: [{name: memory_used_ratio, thresholds: [{above: 1, below: 2}]}]",
         "rules[0].thresholds[0].below: contradicts 'above'; a threshold has one of them"},
        {"rules: [{name: memory_used_ratio, thresholds: [{for: 2m}]}]",
         "a threshold has one of 'above', 'below', 'above_usual', 'below_usual' and 'burn_rate'"},
        {"rules: [{name: memory_used_ratio, thresholds: [{above: 2s}]}]",
         "'2s' is no amount in the unit of memory_used_ratio"},
        {"rules: [{name: memory_used_ratio, no_data: pass}]", "'pass' is none of blocked, ignore"},
        {"signals: [{name: a, kind: ratio, numerator: [{metric: b}]}]",
         "a ratio needs one: all events"},
        {"storage: {retention: 1h}", "must be at least 1d"},
    };
    for (const auto& [yaml, expected] : cases) {
        EXPECT_THAT(problem(yaml), HasSubstr(expected)) << yaml;
    }
}

TEST(ParseConfig, ReadsThresholdsOfEverySort) {
    const auto config = parse_config(R"(
rules:
  - name: probe_failure_ratio
    thresholds:
      - {below: 10%, for: 1m, action: warn}
      - {above_usual: 50%, for: 10m}
      - {below_usual: 0.25, for: 1m, action: rollback}
      - {burn_rate: 14.4, objective: 99.9%, window: 1h, short_window: 5m}
      - {burn_rate: 6, objective: 99%, window: 6h, action: warn}
      - {above: 95%, within: 3d, over: 2h, for: 10m, action: warn}
      - {below: 5%, within: 3d}
      - {above: 95%, within: 5m}
      - {above: 95%, within: 366d}
      - {above: 95%, within: 30s}
)",
                                     "h.yaml");
    ASSERT_TRUE(config) << config.error().message();
    using Side = Threshold::Side;
    using Sort = Threshold::Sort;
    const auto* const r = rule(*config, "probe_failure_ratio");
    ASSERT_NE(r, nullptr);
    ASSERT_EQ(r->thresholds.size(), 10);
    EXPECT_EQ(r->thresholds[0], (Threshold{Side::below, 0.1, 1min, Severity::warn, Sort::hard}));
    EXPECT_EQ(r->thresholds[1],
              (Threshold{Side::above, 0.5, 10min, Severity::page, Sort::relative}));
    EXPECT_EQ(r->thresholds[2],
              (Threshold{Side::below, 0.25, 1min, Severity::rollback, Sort::relative}));
    EXPECT_EQ(r->thresholds[3], (Threshold{Side::above, 14.4, 0min, Severity::page, Sort::burn_rate,
                                           99.9 / 100, 1h, 5min}));
    EXPECT_EQ(r->thresholds[4].short_window, 30min);  // a twelfth
    EXPECT_EQ(r->thresholds[5], (Threshold{.value = 0.95,
                                           .duration = 10min,
                                           .action = Severity::warn,
                                           .sort = Sort::projected,
                                           .within = 72h,
                                           .over = 2h}));
    EXPECT_EQ(r->thresholds[6], (Threshold{.side = Side::below,
                                           .value = 0.05,
                                           .sort = Sort::projected,
                                           .within = 72h,
                                           .over = 6h}));  // a twelfth
    EXPECT_EQ(r->thresholds[7].over, 1min);                // at least that
    EXPECT_EQ(r->thresholds[8].over, 7 * 24h);             // at most that
    EXPECT_EQ(r->thresholds[9].over, 30s);                 // and not above the horizon
}

TEST(ParseConfig, RefusesThresholdsThatContradictThemselvesOrCanNeverBeReached) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"{above_usual: 50%, above: 2}", "above_usual: contradicts 'above'"},
        {"{burn_rate: 2, objective: 99%, window: 1h, below_usual: 5%}",
         "burn_rate: contradicts 'below_usual'"},
        {"{above_usual: 0}", "above_usual: must be above 0"},
        {"{below_usual: 100%}", "below_usual: must be below 100%"},
        {"{above_usual: fast}", "expected a number such as 0.02 or 2%, got 'fast'"},
        {"{above: 1, objective: 99%}", "objective: goes with 'burn_rate' alone"},
        {"{above_usual: 1, short_window: 5m}", "short_window: goes with 'burn_rate' alone"},
        {"{burn_rate: 2, window: 1h}", "thresholds[0].objective: is missing"},
        {"{burn_rate: 2, objective: 99%}", "thresholds[0].window: is missing"},
        {"{burn_rate: 2, objective: 100%, window: 1h}", "must be above 0 and below 100%"},
        {"{burn_rate: 0, objective: 99%, window: 1h}", "burn_rate: must be above 0"},
        {"{burn_rate: 14.4, objective: 90%, window: 1h}",
         "can never be reached: 14.4 times a budget of 10 % is more than all events"},
        {"{burn_rate: 2, objective: 99%, window: 1h, for: 5m}",
         "for: a burn rate has its windows instead"},
        {"{burn_rate: 2, objective: 99%, window: 100ms}", "100ms is out of range, 1s to 31d"},
        {"{burn_rate: 2, objective: 99%, window: 32d}", "32d is out of range, 1s to 31d"},
        {"{burn_rate: 2, objective: 99%, window: 1h, short_window: 31m}",
         "31m must be above 0 and at most half of the window"},
        {"{burn_rate: 2, objective: 99%, window: 1h, short_window: 0s}", "0s must be above 0"},
        {"{burn_rate: 2, objective: 99%, window: 1h, shrt_window: 5m}",
         "did you mean 'short_window'?"},
        {"{above_usual: 50%, within: 3d}", "within: goes with 'above' or 'below' alone"},
        {"{burn_rate: 2, objective: 99%, window: 1h, within: 3d}",
         "within: goes with 'above' or 'below' alone"},
        {"{within: 3d}", "a threshold has one of 'above', 'below'"},
        {"{above: 1, over: 6h}", "over: goes with 'within' alone"},
        {"{above: 1, within: 100ms}", "within: 100ms is out of range, 1s to 366d"},
        {"{above: 1, within: 367d}", "within: 367d is out of range, 1s to 366d"},
        {"{above: 1, within: 3d, over: 73h}", "over: 3d1h must be from 1s to 31d"},
        {"{above: 1, within: 60d, over: 32d}", "over: 32d must be from 1s to 31d"},
        {"{above: 1, within: 3d, over: 100ms}", "over: 100ms must be from 1s to 31d"},
        {"{above: 1, within: 3d, window: 1h}", "window: goes with 'burn_rate' alone"},
        {"{above: 1, within: soon}", "expected a duration such as 30s, 5m or 7d, got 'soon'"},
        {"{above: 1, action: none}", "must be warn, page or rollback"},
    };
    for (const auto& [yaml, expected] : cases) {
        EXPECT_THAT(problem("rules: [{name: probe_failure_ratio, thresholds: [" + yaml + "]}]"),
                    HasSubstr(expected))
            << yaml;
    }
    EXPECT_THAT(problem("signals: [{name: a_bytes, kind: trend, numerator: [{metric: b}]}]\n"
                        "rules: [{name: a_bytes, thresholds: [{above_usual: 50%}]}]"),
                HasSubstr("above_usual: a trend has no usual level"));
    for (const auto* signal : {"memory_used_ratio", "network_errors_per_second"}) {
        EXPECT_THAT(problem(std::string{"rules: [{name: "} + signal +
                            ", thresholds: [{burn_rate: 2, objective: 99%, window: 1h}]}]"),
                    HasSubstr("needs a signal of kind ratio whose numerator counts bad events"));
    }
}

TEST(ParseConfig, ReadsWhichSignalsAreLoad) {
    const auto config = parse_config(R"(
collectors: {scrape: [{name: shop, url: 'http://127.0.0.1:9102/metrics'}]}
signals: [{name: orders_per_second, numerator: [{metric: shop_orders_total}], load: true}]
upgrades: {load: [shop_requests_per_second, shop_jobs_total, queue_length]}
)",
                                     "h.yaml");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_THAT(config->upgrades.load,
                ElementsAre("shop_requests_per_second", "shop_jobs_per_second", "queue_length"));
    std::vector<std::string> load;
    for (const auto& signal : config->signals) {
        if (signal.load) {
            load.push_back(signal.name);
        }
    }
    EXPECT_THAT(load, ElementsAre("network_bytes_per_second", "orders_per_second"));
    EXPECT_THAT(problem("upgrades: {load: [network_byte_per_second]}"),
                HasSubstr("upgrades.load: no signal 'network_byte_per_second', did you mean "
                          "'network_bytes_per_second'?"));
}

TEST(ParseConfig, ReadsWhatNoBaselineLearns) {
    const auto config = parse_config(R"(
upgrades:
  exclude:
    - {from: 2026-11-24T09:30:00Z, to: 2026-11-24T12:00:00+01:00, reason: incident 4711}
    - {from: 2026-12-24T00:00:00Z, to: 2026-12-27T00:00:00Z, reason: Christmas}
)",
                                     "h.yaml");
    ASSERT_TRUE(config) << config.error().message();
    ASSERT_EQ(config->upgrades.exclude.size(), 2);
    EXPECT_EQ(config->upgrades.exclude[0].window.length(), 90min);
    EXPECT_EQ(config->upgrades.exclude[1].reason, "Christmas");
    const std::vector<std::pair<std::string, std::string>> cases{
        {"{from: 2026-11-24T09:30:00Z, to: 2026-11-24T09:30:00Z, reason: a}",
         "upgrades.exclude[0].to: must be after 'from'"},
        {"{from: 2026-11-24T09:30:00Z, reason: a}", "upgrades.exclude[0].to: is missing"},
        {"{from: yesterday, to: 2026-11-24T09:30:00Z, reason: a}",
         "upgrades.exclude[0].from: expected a time such as 2026-11-24T09:30:00Z, got 'yesterday'"},
        {"{from: 2026-11-24T09:30:00Z, to: 2026-11-25T09:30:00Z}",
         "upgrades.exclude[0].reason: is missing"},
    };
    for (const auto& [yaml, expected] : cases) {
        EXPECT_THAT(problem("upgrades: {exclude: [" + yaml + "]}"), HasSubstr(expected)) << yaml;
    }
    std::string many = "upgrades: {exclude: [";
    for (int i = 0; i < 1'001; ++i) {
        many += "{from: 0, to: 1, reason: a},";
    }
    EXPECT_THAT(problem(many + "]}"), HasSubstr("upgrades.exclude: has 1001 items, at most 1000"));
}

TEST(ParseConfig, ReadsTheJobsOfTheCycle) {
    const auto config = parse_config(R"(
upgrades:
  jobs:
    - {name: backup, signal: disk_bytes_per_second, match: {device: sda}, above: 50MiB}
    - {name: settlement, signal: log_lines_per_second, below: 1}
)",
                                     "h.yaml");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_THAT(
        config->upgrades.jobs,
        ElementsAre(Job{"backup",
                        "disk_bytes_per_second",
                        {{"device", "sda"}},
                        Threshold::Side::above,
                        50.0 * 1024 * 1024},
                    Job{"settlement", "log_lines_per_second", {}, Threshold::Side::below, 1}));
    const std::vector<std::pair<std::string, std::string>> cases{
        {"{signal: cpu_busy_ratio, above: 1}", "upgrades.jobs[0].name: is missing"},
        {"{name: a, above: 1}", "upgrades.jobs[0].signal: is missing"},
        {"{name: a, signal: cpu_bussy_ratio, above: 1}",
         "no signal 'cpu_bussy_ratio', did you mean 'cpu_busy_ratio'?"},
        {"{name: a, signal: cpu_busy_ratio}",
         "upgrades.jobs[0].above: a job has either 'above' or 'below'"},
        {"{name: a, signal: cpu_busy_ratio, above: 1, below: 2}",
         "upgrades.jobs[0].below: a job has either 'above' or 'below'"},
        {"{name: a, signal: cpu_busy_ratio, above: 2s}",
         "'2s' is no amount in the unit of cpu_busy_ratio"},
        {"{name: a, signal: cpu_busy_ratio, above: 1}, {name: a, signal: cpu_busy_ratio, above: 1}",
         "upgrades.jobs[1].name: 'a' is there twice"},
    };
    for (const auto& [yaml, expected] : cases) {
        EXPECT_THAT(problem("upgrades: {jobs: [" + yaml + "]}"), HasSubstr(expected)) << yaml;
    }
}

TEST(ParseConfig, ReadsQuantilesOfHistograms) {
    const auto config = parse_config(R"(
signals:
  - {name: pay_seconds, histogram: {metric: pay_seconds, labels: {shop: a}}, by: [source]}
  - {name: size_bytes, kind: gauge, histogram: {metric: size_bytes_bucket}, quantiles: [0.9], window: 1m}
)",
                                     "h.yaml");
    ASSERT_TRUE(config) << config.error().message();
    const auto& pay = config->signals[config->signals.size() - 2];
    EXPECT_EQ(pay.kind, Kind::latency);
    EXPECT_THAT(pay.numerator,
                ElementsAre(Term{{"pay_seconds_bucket", {{"shop", "a"}}}, Term::Use::increase, 1}));
    EXPECT_THAT(pay.quantiles, ElementsAre(0.5, 0.95, 0.99));
    EXPECT_EQ(pay.window, std::chrono::minutes{5});
    const auto& size = config->signals.back();
    EXPECT_EQ(size.kind, Kind::gauge);
    EXPECT_EQ(size.numerator[0].selector.metric, "size_bytes_bucket");
    EXPECT_THAT(size.quantiles, ElementsAre(0.9));
    EXPECT_EQ(size.window, std::chrono::minutes{1});
    const std::vector<std::pair<std::string, std::string>> cases{
        {"histogram: {labels: {a: b}}", "histogram.metric: is missing"},
        {"histogram: {metric: b}, numerator: [{metric: c}]",
         "histogram: takes the place of 'numerator' and 'denominator'"},
        {"histogram: {metric: b}, kind: ratio", "kind: quantiles are latencies, or gauges"},
        {"histogram: {metric: b}, quantiles: [100%]", "'100%' must be above 0 and below 100%"},
        {"histogram: {metric: b}, quantiles: []", "quantiles: must be 1 to 8 of them"},
        {"histogram: {metric: b}, window: 2h", "window: 2h is out of range, 1s to 1h"},
        {"numerator: [{metric: c}], window: 1m", "window: goes with 'histogram' alone"},
        {"histogran: {metric: b}", "did you mean 'histogram'?"},
    };
    for (const auto& [yaml, expected] : cases) {
        EXPECT_THAT(problem("signals: [{name: a, " + yaml + "}]"), HasSubstr(expected)) << yaml;
    }
}

TEST(ParseConfig, TellsAllMistakesAtOnce) {
    const auto all = problem("storage: {retention: 1h}\nfoo: 1\nlevels: {page: 7}\n");
    EXPECT_THAT(all, HasSubstr("h.yaml:1:"));
    EXPECT_THAT(all, HasSubstr("h.yaml:2:1: unknown key 'foo'"));
    EXPECT_THAT(all, HasSubstr("h.yaml:3:"));
}

TEST(ParseConfig, SaysWhereTextIsNotYaml) {
    EXPECT_THAT(problem("a: [1,\n"), StartsWith("h.yaml:"));
    EXPECT_THAT(problem("a: b: c\n"), HasSubstr("not YAML"));
}

TEST(LoadConfig, NamesTheFileThatItCouldNotRead) {
    const auto config = load_config("/does/not/exist.yaml");
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code(), Errc::io);
    EXPECT_EQ(config.error().message(),
              "read /does/not/exist.yaml: No such file or directory; check --config.file");
}

TEST(LoadConfig, TakesAnEmptyFileForTheDefaults) {
    holdfast::testing::TempDir folder;
    const auto file = folder.path() / "empty.yaml";
    std::ofstream{file}.flush();
    const auto config = load_config(file);
    EXPECT_TRUE(config) << config.error().message();
}

}  // namespace
}  // namespace holdfast::daemon
