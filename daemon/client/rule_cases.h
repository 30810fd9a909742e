#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "daemon/client/series_notation.h"
#include "daemon/config.h"
#include "model/judgement.h"
#include "model/result.h"
#include "model/upgrade.h"

namespace holdfast::client {

/// Bounds on what one test may ask for; a file that asks for more is refused.
constexpr std::size_t rule_case_file_bytes_max = std::size_t{16} << 20U;
constexpr std::int64_t rule_case_samples_max = 20'000'000;   ///< series times ticks
constexpr std::int64_t rule_case_evaluations_max = 100'000;  ///< after the upgrade

/// What an upgrade, or the rules of one, may say.
struct Statement {
    std::optional<Verdict> verdict;  ///< of the upgrade; else of the rules:
    std::string rule;                ///< empty: any
    Labels match;                    ///< only signals with these labels
    std::optional<Judgement> judgement;
    std::optional<Severity> severity;
    bool exactly = false;  ///< that severity; else at least
};

/// What a test demands. Times count from the end of the upgrade's window.
struct Expectation {
    enum class When : std::uint8_t {
        at,          ///< every signal of the rule says so then
        by,          ///< the same at some evaluation up to then
        never_until  ///< no signal says so at any evaluation up to then
    };
    When when = When::at;
    Milliseconds time{};
    Statement statement;
    int line = 0;  ///< in the file, from 1
};

/// One test: an upgrade of a made-up past.
struct RuleCase {
    std::string name;
    int line = 0;
    Milliseconds interval{std::chrono::minutes{1}};  ///< of all series
    Timestamp start{};                               ///< of the baseline
    Milliseconds baseline{};                         ///< the upgrade begins after it
    Milliseconds window{0};                          ///< judging begins after that
    std::vector<SeriesInput> series;
    std::vector<Expectation> expect;

    Timestamp judging() const { return start + baseline + window; }
    Timestamp end() const;  ///< of the last expectation
};

/// A file of tests with the configuration that they are of.
struct RuleCases {
    daemon::Config config;
    Milliseconds evaluation_interval{std::chrono::minutes{1}};
    std::vector<RuleCase> tests;
};

/// Reads a test file; `file` names it in messages, and a relative `config` starts at its folder.
/// The form: docs/operators-guide.md, "Tests of rules". Errc::config with a line
/// `file:line:column: what` for each mistake, of the configuration too; Errc::io when that cannot
/// be read.
Result<RuleCases> parse_rule_cases(const std::string& text, const std::string& file);
Result<RuleCases> load_rule_cases(const std::filesystem::path& file);

}  // namespace holdfast::client
