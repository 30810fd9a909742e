#include "daemon/client/rule_cases.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "daemon/config_reader.h"
#include "rules/derive.h"

namespace holdfast::client {
namespace {

using daemon::Section;
using namespace std::chrono_literals;

constexpr Timestamp a_monday{std::chrono::sys_days{std::chrono::year{2026} / 6 / 1}};
constexpr auto interval_min = 100ms;
constexpr auto interval_max = 1h;
constexpr std::size_t rules_listed = 10;            // in a message
constexpr double seed_max = 9'007'199'254'740'992;  // a double is exact up to there

/// As everywhere, and with blanks between the parts: `7d 10m`.
bool read_duration(Section& s, const std::string& key, Milliseconds& out) {
    std::string text;
    s.read(key, text);
    if (!s.has(key)) {
        return false;
    }
    std::erase(text, ' ');
    if (const auto value = daemon::parse_duration(text)) {
        out = *value;
    } else {
        s.wrong(key, value.error().message());
    }
    return true;
}

void read_interval(Section& s, const std::string& key, Milliseconds& out) {
    read_duration(s, key, out);
    if (out < interval_min || out > interval_max) {
        s.wrong(key, fmt::format("{} is out of range, 100ms to 1h", daemon::format_duration(out)));
        out = interval_max;
    }
}

void read_within(Section& s, const std::string& key, double& out, double least, double most) {
    s.read(key, out);
    if (!(out >= least && out <= most)) {
        s.wrong(key, fmt::format("{} is out of range, {} to {}", out, least, most));
    }
}

Pattern read_pattern(Section& s, SeriesType type) {
    constexpr double huge = 1e300;
    const double least = type == SeriesType::counter ? 0 : -huge;  // a counter never falls
    Pattern out;
    if (!s.has("level")) {
        s.wrong("level", "is missing");
    }
    read_within(s, "level", out.level, least, huge);
    read_within(s, "day", out.day, 0, 1);
    read_within(s, "weekend", out.weekend, 0, huge);
    read_within(s, "noise", out.noise, 0, 10);
    read_within(s, "autocorrelation", out.autocorrelation, 0, 0.999999);
    read_within(s, "after", out.after, least, huge);
    read_duration(s, "from", out.from);
    auto seed = static_cast<double>(out.seed);
    read_within(s, "seed", seed, 0, seed_max);
    out.seed = static_cast<std::uint64_t>(std::clamp(seed, 0.0, seed_max));
    return out;
}

SeriesInput read_series(Section& s) {
    SeriesInput out;
    std::string text;
    s.read("series", text);
    if (auto series = parse_series(text)) {
        out.series = std::move(*series);
    } else {
        s.wrong("series", text.empty() ? "is missing" : series.error().message());
    }
    s.read_name("type", out.series.type);
    s.section("pattern", [&](Section& p) { out.pattern = read_pattern(p, out.series.type); });
    std::string values;
    s.read("values", values);
    if (s.has("values") == s.has("pattern")) {
        s.wrong("values", "a series has either 'values' or 'pattern'");
    } else if (s.has("values")) {
        if (auto runs = parse_values(values)) {
            out.runs = std::move(*runs);
        } else {
            s.wrong("values", runs.error().message());
        }
    }
    return out;
}

/// The statement's own keys; `rule_needed` says that it is of one rule.
Statement read_statement(Section& s, bool rule_needed) {
    Statement out;
    if (s.has("verdict")) {
        s.read_name("verdict", out.verdict.emplace());
    } else {
        s.take("verdict");
    }
    s.read("rule", out.rule);
    s.read("match", out.match);
    for (const auto* key : {"judgement", "severity"}) {
        s.take(key);
    }
    if (s.has("judgement")) {
        s.read_name("judgement", out.judgement.emplace());
    }
    if (s.has("severity")) {
        s.read_name("severity", out.severity.emplace());
    }
    s.read("exactly", out.exactly);
    const bool of_rules = out.judgement || out.severity;
    if (out.verdict && (of_rules || !out.rule.empty() || !out.match.empty() || out.exactly)) {
        s.wrong("verdict", "is the upgrade's: it goes without rule, match, judgement and severity");
    } else if (!out.verdict && !of_rules) {
        s.wrong("judgement", "expect a verdict, or a rule's judgement or severity");
    } else if (!out.verdict && rule_needed && out.rule.empty()) {
        s.wrong("rule", "is missing: whose judgement or severity is it?");
    }
    if (out.exactly && !out.severity) {
        s.wrong("exactly", "belongs to a severity");
    } else if (out.severity == Severity::none && !out.exactly) {
        s.wrong("severity", "any severity is at least none; say 'exactly: true' with it");
    }
    return out;
}

Expectation read_expectation(Section& s) {
    using When = Expectation::When;
    Expectation out;
    out.line = s.mark().line + 1;
    int times = 0;
    for (const auto& [key, when] :
         {std::pair{"at", When::at}, {"by", When::by}, {"until", When::never_until}}) {
        if (read_duration(s, key, out.time)) {
            out.when = when;
            ++times;
        }
    }
    if (times != 1) {
        s.wrong("at", "an expectation has one of 'at', 'by' and 'until'");
    }
    const bool never = s.has("never");
    if (never != s.has("until")) {
        s.wrong("never", "'never' goes with 'until', and with nothing else");
    }
    s.section("never", [&](Section& n) { out.statement = read_statement(n, false); });
    if (!never) {
        out.statement = read_statement(s, true);
    }
    return out;
}

/// Whether the engine can derive rates of `interval`; it takes longer ones for gaps.
bool too_slow(const RuleCase& test) {
    return test.interval > rules::SignalDeriver::max_gap &&
           std::any_of(test.series.begin(), test.series.end(), [](const SeriesInput& input) {
               return input.series.type == SeriesType::counter;
           });
}

class Parser {
public:
    explicit Parser(std::filesystem::path file) : file_{std::move(file)} {}

    RuleCases read(Section& root) {
        read_interval(root, "evaluation_interval", cases_.evaluation_interval);
        root.sections("tests", [this](Section& s) { read_test(s); });
        if (cases_.tests.empty()) {
            root.wrong("tests", "is empty; there is nothing to test");
        }
        read_rules(root);
        check_rule_names(root);
        return std::move(cases_);
    }
    /// What is wrong with the configuration that the file names.
    const std::optional<Error>& config_error() const { return config_error_; }

private:
    void read_test(Section& s) {
        RuleCase test;
        test.line = s.mark().line + 1;
        s.read("name", test.name);
        if (test.name.empty()) {
            s.wrong("name", "is missing");
        } else if (!names_.insert(test.name).second) {
            s.wrong("name", fmt::format("'{}' is there twice", test.name));
        }
        read_interval(s, "interval", test.interval);
        test.start = a_monday;
        s.read("start", test.start);
        if (!read_duration(s, "baseline", test.baseline) || test.baseline <= 0ms) {
            s.wrong("baseline", "is missing: how much of the series lies before the upgrade, 14d");
        }
        read_duration(s, "window", test.window);
        std::set<std::string> seen;
        s.sections("series", [&](Section& one) {
            auto input = read_series(one);
            if (!input.series.metric.empty() && !seen.insert(to_string(input.series)).second) {
                one.wrong("series", fmt::format("{} is there twice", to_string(input.series)));
            }
            test.series.push_back(std::move(input));
        });
        if (test.series.empty()) {
            s.wrong("series", "is empty; there is nothing to judge");
        }
        s.sections("expect", [&](Section& one) {
            test.expect.push_back(read_expectation(one));
            if (!test.expect.back().statement.rule.empty()) {
                rules_named_.emplace_back(one.mark(), test.expect.back().statement.rule);
            }
        });
        if (test.expect.empty()) {
            s.wrong("expect", "is empty; a test without expectations proves nothing");
        }
        check_size(s, test);
        cases_.tests.push_back(std::move(test));
    }

    void check_size(Section& s, const RuleCase& test) const {
        const auto ticks = (test.end() - test.start) / test.interval;
        const auto series = static_cast<std::int64_t>(test.series.size());
        if (series > 0 && ticks > rule_case_samples_max / series) {
            s.wrong("series", fmt::format("{} of {} samples each, at most {} in all; use a longer "
                                          "interval or a shorter baseline",
                                          series, ticks, rule_case_samples_max));
        }
        const auto evaluations = (test.end() - test.judging()) / cases_.evaluation_interval;
        if (evaluations > rule_case_evaluations_max) {
            s.wrong("expect", fmt::format("{} evaluations, at most {}; use a longer "
                                          "evaluation_interval",
                                          evaluations, rule_case_evaluations_max));
        }
        if (too_slow(test)) {
            s.wrong("interval",
                    fmt::format("counters are read at least every {}; longer is a gap, not a rate",
                                daemon::format_duration(rules::SignalDeriver::max_gap)));
        }
    }

    void read_rules(Section& root) {
        YAML::Node here{YAML::NodeType::Map};
        for (const auto* key : {"signals", "rules", "default_rules", "levels", "upgrades"}) {
            if (const auto node = root.take(key); node.IsDefined()) {
                here[key] = node;
                if (root.has("config")) {
                    root.wrong(key, "is either here or in the file of 'config'");
                }
            }
        }
        std::string config;
        root.read("config", config);
        if (config.empty()) {
            Section section{here, "", root.errors()};
            cases_.config = daemon::read_config(
                section, {.folder = file_.parent_path(), .scraped_signals = scraped_signals()});
            return;
        }
        const auto path = file_.parent_path() / config;
        const auto text =
            daemon::read_text(path, fmt::format("check 'config' in {}", file_.string()));
        auto read = text ? daemon::parse_config(*text, path.string())
                         : Result<daemon::Config>{tl::unexpected(text.error())};
        if (read) {
            cases_.config = std::move(*read);
        } else {
            config_error_ = read.error();
        }
    }

    /// Signals that series of the tests are by themselves, as scraped ones.
    std::set<std::string> scraped_signals() const {
        rules::SignalDeriver deriver{{}};
        Reading reading;
        for (const auto& test : cases_.tests) {
            for (const auto& input : test.series) {
                reading.samples.push_back({std::make_shared<const Series>(input.series), {}, 0});
            }
        }
        deriver.derive("test", {}, reading);
        std::set<std::string> out;
        for (const auto& definition : deriver.definitions()) {
            out.insert(definition.name);
        }
        return out;
    }

    void check_rule_names(Section& root) const {
        std::set<std::string> known;
        for (const auto& rule : cases_.config.rules) {
            known.insert(rule.name);
        }
        for (const auto& [mark, rule] : rules_named_) {
            if (!config_error_ && !known.contains(rule)) {
                const auto guess = daemon::nearest(rule, known);
                const auto hint = !guess.empty() ? fmt::format(", did you mean '{}'?", guess)
                                  : known.size() <= rules_listed
                                      ? fmt::format("; there are: {}", fmt::join(known, ", "))
                                      : std::string{"; see the rules of the configuration"};
                root.errors().add(mark, fmt::format("no rule '{}'{}", rule, hint));
            }
        }
    }

    std::filesystem::path file_;
    RuleCases cases_;
    std::set<std::string> names_;
    std::vector<std::pair<YAML::Mark, std::string>> rules_named_;
    std::optional<Error> config_error_;
};

}  // namespace

Timestamp RuleCase::end() const {
    Milliseconds longest{0};
    for (const auto& expectation : expect) {
        longest = std::max(longest, expectation.time);
    }
    return judging() + longest;
}

Result<RuleCases> parse_rule_cases(const std::string& text, const std::string& file) {
    if (text.size() > rule_case_file_bytes_max) {
        return failure(Errc::config, "{}: has {} bytes, at most {} are read; use several files",
                       file, text.size(), rule_case_file_bytes_max);
    }
    Parser parser{file};
    RuleCases cases;
    const auto read =
        daemon::read_document(text, file, [&](Section& root) { cases = parser.read(root); });
    if (!read) {
        return tl::unexpected(read.error());
    }
    if (parser.config_error()) {
        return tl::unexpected(*parser.config_error());
    }
    return cases;
}

Result<RuleCases> load_rule_cases(const std::filesystem::path& file) {
    const auto text = daemon::read_text(file, "give a file of tests");
    if (!text) {
        return tl::unexpected(text.error());
    }
    return parse_rule_cases(*text, file.string());
}

}  // namespace holdfast::client
