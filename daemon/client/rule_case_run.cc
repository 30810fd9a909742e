#include "daemon/client/rule_case_run.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "daemon/baselines.h"
#include "daemon/quantities.h"
#include "daemon/timezone.h"
#include "daemon/upgrade_config.h"
#include "model/names.h"
#include "rules/upgrade_watch.h"
#include "rules/verdict.h"
#include "rules/words.h"

namespace holdfast::client {
namespace {

using When = Expectation::When;

constexpr std::size_t reasons_told = 3;

// ---- samples

/// The rows of a test, one per tick, from its start on: all series as one collector reads them.
class Rows {
public:
    Rows(const RuleCase& test, const Ticks& ticks) : test_{test}, at_{ticks.begin} {
        row_.source = "test";
        row_.reading.epoch = 1;
        for (const auto& input : test.series) {
            values_.emplace_back(input, ticks);
            series_.push_back(std::make_shared<const Series>(input.series));
        }
    }

    Timestamp next_at() const { return at_; }
    const storage::Row& next() {
        row_.at = row_.received = at_;
        row_.reading.samples.clear();
        for (std::size_t i = 0; i < values_.size(); ++i) {
            const auto tick = values_[i].next();
            if (tick.ended) {
                series_[i] = std::make_shared<const Series>(test_.series[i].series);
            }
            if (tick.value) {
                row_.reading.samples.push_back({series_[i], at_, *tick.value});
            }
        }
        at_ += test_.interval;
        return row_;
    }

private:
    const RuleCase& test_;
    Timestamp at_;
    std::vector<SeriesValues> values_;
    std::vector<std::shared_ptr<const Series>> series_;
    storage::Row row_;
};

/// The rows before the upgrade, for what learns.
class Past : public storage::SampleSource {
public:
    Past(const RuleCase& test, const Ticks& ticks) : test_{test}, ticks_{ticks} {}

    Result<void> scan(const Window& window,
                      const std::function<bool(const storage::Row&)>& visit) const override {
        Rows rows{test_, ticks_};
        while (rows.next_at() < window.end) {
            const auto& row = rows.next();
            if (window.contains(row.at) && !row.reading.samples.empty() && !visit(row)) {
                break;
            }
        }
        return {};
    }
    Result<std::optional<Window>> extent() const override {
        return std::optional{Window{test_.start, test_.start + test_.baseline}};
    }

private:
    const RuleCase& test_;
    const Ticks& ticks_;
};

// ---- words

std::string labels_text(const Labels& labels) {
    return labels.empty() ? std::string{} : to_string(SignalId{"", labels});
}

std::string text_of(const Statement& wanted) {
    if (wanted.verdict) {
        return fmt::format("verdict {}", name_of(*wanted.verdict));
    }
    std::vector<std::string> parts;
    if (wanted.judgement) {
        parts.emplace_back(name_of(*wanted.judgement));
    }
    if (wanted.severity) {
        const bool least = !wanted.exactly && *wanted.severity != Severity::rollback;
        parts.push_back(
            fmt::format("severity {}{}", name_of(*wanted.severity), least ? " or above" : ""));
    }
    return fmt::format(
        "{}{} {}",
        wanted.rule.empty() ? std::string{"any rule"} : fmt::format("rule {}", wanted.rule),
        labels_text(wanted.match), fmt::join(parts, ", "));
}

std::string text_of(const Expectation& expectation) {
    const auto time = daemon::format_duration(expectation.time);
    const auto statement = text_of(expectation.statement);
    switch (expectation.when) {
        case When::at:
            return fmt::format("at {}: {}", time, statement);
        case When::by:
            return fmt::format("by {}: {}", time, statement);
        case When::never_until:
            break;
    }
    return fmt::format("until {} never: {}", time, statement);
}

std::string text_of(const Judged& judged) {
    const auto loud = judged.severity == Severity::none
                          ? std::string{}
                          : fmt::format(" ({})", name_of(judged.severity));
    return fmt::format(
        "{} is {}{}: {}", judged.rule, name_of(judged.judgement), loud,
        judged.evidence.reason.empty() ? to_string(judged.signal) : judged.evidence.reason);
}

std::string text_of(const std::vector<const Judged*>& judgements) {
    std::vector<std::string> lines;
    for (const auto* const judged : judgements) {
        if (lines.size() == reasons_told) {
            lines.push_back(fmt::format("and {} more", judgements.size() - reasons_told));
            break;
        }
        lines.push_back(text_of(*judged));
    }
    return fmt::format("{}", fmt::join(lines, "; "));
}

// ---- expectations

/// What was said at one evaluation.
struct Said {
    Milliseconds time;  ///< since judging began
    Timestamp at;
    const std::vector<Judged>& judgements;
    Verdict verdict;
};

bool concerns(const Statement& wanted, const Judged& judged) {
    return (wanted.rule.empty() || wanted.rule == judged.rule) &&
           std::all_of(wanted.match.begin(), wanted.match.end(), [&](const auto& label) {
               const auto found = judged.signal.labels.find(label.first);
               return found != judged.signal.labels.end() && found->second == label.second;
           });
}

bool conforms(const Statement& wanted, const Judged& judged) {
    const bool loud = !wanted.severity || (wanted.exactly ? judged.severity == *wanted.severity
                                                          : judged.severity >= *wanted.severity);
    return loud && (!wanted.judgement || judged.judgement == *wanted.judgement);
}

std::vector<const Judged*> concerned(const Statement& wanted,
                                     const std::vector<Judged>& judgements) {
    std::vector<const Judged*> out;
    for (const auto& judged : judgements) {
        if (concerns(wanted, judged)) {
            out.push_back(&judged);
        }
    }
    return out;
}

std::string nobody(const Statement& wanted, const std::vector<Judged>& judgements) {
    std::vector<std::string> known;
    for (const auto& judged : judgements) {
        if (wanted.rule.empty() || judged.rule == wanted.rule) {
            known.push_back(to_string(judged.signal));
        }
    }
    const auto who = wanted.rule.empty() ? std::string{"any rule"} : "rule " + wanted.rule;
    return known.empty() ? fmt::format("{} judges nothing: no series gives it a signal", who)
                         : fmt::format("{} judges no signal with {}, only {}", who,
                                       labels_text(wanted.match), fmt::join(known, ", "));
}

/// What was said instead of `wanted`, or against it.
std::string text_against(const Statement& wanted, bool never, const Said& said) {
    if (wanted.verdict) {
        std::vector<const Judged*> deciding;
        for (const auto& j : said.judgements) {
            if (j.judgement == Judgement::regressed ||
                (j.required && j.judgement != Judgement::proven)) {
                deciding.push_back(&j);
            }
        }
        std::stable_sort(deciding.begin(), deciding.end(),
                         [](const auto* a, const auto* b) { return a->severity > b->severity; });
        return fmt::format("verdict {}{}{}", name_of(said.verdict), deciding.empty() ? "" : "; ",
                           text_of(deciding));
    }
    auto judgements = concerned(wanted, said.judgements);
    if (judgements.empty()) {
        return nobody(wanted, said.judgements);
    }
    std::erase_if(judgements, [&](const auto* j) { return conforms(wanted, *j) != never; });
    return judgements.empty() ? "no signal did" : text_of(judgements);
}

/// Follows one expectation through the evaluations.
class Follower {
public:
    explicit Follower(const Expectation& expectation) : expectation_{expectation} {}

    /// Evaluations come in order of time, one at the expectation's own among them.
    void hear(const Said& said) {
        const auto& wanted = expectation_.statement;
        if (settled_ || said.time > expectation_.time) {
            return;
        }
        const bool last = said.time == expectation_.time;
        const auto judgements = concerned(wanted, said.judgements);
        asked_ = asked_ || wanted.verdict || !judgements.empty();
        const auto good = [&](const Judged* j) { return conforms(wanted, *j); };
        const bool never = expectation_.when == When::never_until;
        const bool any = wanted.verdict ? said.verdict == *wanted.verdict
                                        : std::any_of(judgements.begin(), judgements.end(), good);
        const bool all =
            any && (wanted.verdict || std::all_of(judgements.begin(), judgements.end(), good));
        if (never ? any || (last && !asked_)  // nobody who could have said it proves nothing
                  : last && !all) {
            unmet_ = Unmet{expectation_.line, text_of(expectation_), said.time, said.at,
                           text_against(wanted, never, said)};
        }
        settled_ = last || unmet_ || (expectation_.when == When::by && all);
    }

    const std::optional<Unmet>& unmet() const { return unmet_; }

private:
    const Expectation& expectation_;
    std::optional<Unmet> unmet_;
    bool settled_ = false;
    bool asked_ = false;
};

/// The evaluations' times after the beginning of the judging.
std::vector<Milliseconds> times_of(const RuleCase& test, Milliseconds interval) {
    std::vector<Milliseconds> out;
    for (auto time = interval; time <= test.end() - test.judging(); time += interval) {
        out.push_back(time);
    }
    for (const auto& expectation : test.expect) {
        out.push_back(expectation.time);
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

Upgrade upgrade_of(const RuleCases& cases, const RuleCase& test, const Baseline& baseline) {
    auto out = daemon::judged_by(cases.config, baseline);
    out.phase = Phase::watching;
    out.started_at = test.start + test.baseline;
    out.window_end_at = test.judging();
    out.lag = test.interval;  // of the one collector that there is
    return out;
}

}  // namespace

Result<std::vector<Unmet>> run_rule_case(const RuleCases& cases, const RuleCase& test,
                                         const rules::ForEach& for_each) {
    const auto& defaults = cases.config.upgrades;
    auto offsets = daemon::utc_offsets(defaults.timezone, {test.start, test.end()});
    if (!offsets) {
        return tl::unexpected(offsets.error());
    }
    const Ticks ticks{test.start, test.interval, test.judging(), std::move(*offsets)};
    const daemon::BaselineRequest request{.end = test.start + test.baseline,
                                          .cycle = defaults.cycle,
                                          .timezone = defaults.timezone,
                                          .step = test.interval,
                                          .signals = cases.config.signals,
                                          .exclude = defaults.exclude};
    auto learnt = daemon::learn_baseline(Past{test, ticks}, request, [] { return false; });
    if (!learnt) {
        return tl::unexpected(learnt.error());
    }
    rules::UpgradeWatch watch{upgrade_of(cases, test, learnt->baseline), learnt->baseline,
                              std::move(learnt->history), for_each};
    std::vector<Follower> followers{test.expect.begin(), test.expect.end()};
    Rows rows{test, ticks};
    for (const auto time : times_of(test, cases.evaluation_interval)) {
        const auto now = test.judging() + time;
        while (rows.next_at() < now) {
            const auto& row = rows.next();
            watch.observe(row.source, row.at, row.received, row.reading);
        }
        const auto& judgements = watch.judged(now);
        const Said said{time, now, judgements, rules::verdict_of(judgements)};
        for (auto& follower : followers) {
            follower.hear(said);
        }
    }
    std::vector<Unmet> out;
    for (const auto& follower : followers) {
        if (follower.unmet()) {
            out.push_back(*follower.unmet());
        }
    }
    return out;
}

}  // namespace holdfast::client
