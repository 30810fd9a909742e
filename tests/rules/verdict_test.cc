#include "rules/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rules/phase.h"
#include "rules/wanted_alerts.h"

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Judged judged(std::string rule, Judgement judgement, bool required = true) {
    Judged out{
        .rule = std::move(rule), .signal = {"x", {}}, .judgement = judgement, .required = required};
    out.evidence.missing = judgement == Judgement::proven ? "" : "more data";
    out.evidence.reason = "because";
    return out;
}

Judged regressed(std::string rule, Severity severity) {
    auto out = judged(std::move(rule), Judgement::regressed, false);
    out.severity = severity;
    return out;
}

TEST(VerdictOf, IsProvenOnlyWhenAllThatIsRequiredIs) {
    const auto proven = judged("a", Judgement::proven);
    EXPECT_EQ(verdict_of({proven}), Verdict::proven);
    EXPECT_EQ(verdict_of({proven, judged("b", Judgement::watching)}), Verdict::watching);
    EXPECT_EQ(verdict_of({proven, judged("b", Judgement::learning)}), Verdict::watching);
    EXPECT_EQ(verdict_of({proven, judged("b", Judgement::watching, false)}), Verdict::proven);
}

TEST(VerdictOf, NeverTakesNothingFoundForProven) {
    EXPECT_EQ(verdict_of({}), Verdict::watching);
    EXPECT_EQ(verdict_of({judged("a", Judgement::proven, false)}), Verdict::watching);
}

TEST(VerdictOf, IsBlockedByARequiredRuleWithoutData) {
    const auto proven = judged("a", Judgement::proven);
    EXPECT_EQ(verdict_of({proven, judged("b", Judgement::no_data)}), Verdict::blocked);
    EXPECT_EQ(verdict_of({proven, judged("b", Judgement::no_data, false)}), Verdict::proven);
    auto ignored = judged("b", Judgement::no_data);
    ignored.no_data = NoData::ignore;
    EXPECT_EQ(verdict_of({proven, ignored}), Verdict::proven);
}

TEST(VerdictOf, RollsBackOnlyForWhatIsWorthIt) {
    const auto proven = judged("a", Judgement::proven);
    EXPECT_EQ(verdict_of({proven, regressed("b", Severity::rollback)}), Verdict::rollback);
    EXPECT_EQ(verdict_of({judged("a", Judgement::no_data), regressed("b", Severity::rollback)}),
              Verdict::rollback);
    EXPECT_EQ(verdict_of({proven, regressed("b", Severity::page)}), Verdict::watching);
    EXPECT_EQ(verdict_of({proven, regressed("b", Severity::warn)}), Verdict::watching);
}

TEST(MissingProofs, NamesEachRuleWithWhatItLacks) {
    EXPECT_THAT(
        missing_proofs({judged("a", Judgement::proven), judged("b", Judgement::watching),
                        judged("c", Judgement::no_data)}),
        ElementsAre("b (x): not yet proven: needs more data", "c (x): no data: needs more data"));
    EXPECT_THAT(missing_proofs({}), ElementsAre("nothing has been judged yet"));
    EXPECT_THAT(missing_proofs({judged("a", Judgement::proven, false)}),
                ElementsAre(HasSubstr("no required rule")));
    EXPECT_THAT(missing_proofs({judged("x", Judgement::watching)}),
                ElementsAre("x: not yet proven: needs more data"));
}

Upgrade upgrade(Phase phase, Verdict verdict = Verdict::watching) {
    Upgrade out{.id = "u1",
                .target = "db",
                .from = "1",
                .to = "2",
                .phase = phase,
                .verdict = verdict,
                .cycle = 24h};
    if (phase == Phase::watching) {
        out.window_end_at = Timestamp{0ms};
    }
    return out;
}

TEST(NextPhase, LetsAnUpgradeCloseOnlyWhenProven) {
    EXPECT_EQ(*next_phase(upgrade(Phase::watching, Verdict::proven), Transition::close),
              Phase::closed);
    auto open = upgrade(Phase::watching);
    open.judgements = {judged("latency", Judgement::watching)};
    const auto refused = next_phase(open, Transition::close);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::conflict);
    EXPECT_THAT(refused.error().message(), HasSubstr("missing: latency (x): not yet proven"));
    EXPECT_EQ(*next_phase(open, Transition::override_close), Phase::closed);
}

TEST(NextPhase, FollowsTheDesignAndNothingElse) {
    EXPECT_EQ(*next_phase(upgrade(Phase::window), Transition::window_end), Phase::watching);
    EXPECT_EQ(*next_phase(upgrade(Phase::window), Transition::roll_back), Phase::rolled_back);
    EXPECT_EQ(*next_phase(upgrade(Phase::planned), Transition::cancel), Phase::cancelled);
    EXPECT_FALSE(next_phase(upgrade(Phase::window, Verdict::proven), Transition::close));
    EXPECT_FALSE(next_phase(upgrade(Phase::planned), Transition::roll_back));
    EXPECT_FALSE(next_phase(upgrade(Phase::closed), Transition::window_end));
    EXPECT_FALSE(next_phase(upgrade(Phase::cancelled), Transition::override_close));
}

TEST(NextPhase, IsIdempotent) {
    EXPECT_EQ(*next_phase(upgrade(Phase::closed), Transition::close), Phase::closed);
    EXPECT_EQ(*next_phase(upgrade(Phase::watching), Transition::window_end), Phase::watching);
}

std::vector<std::string> names(const std::vector<Alert>& alerts) {
    std::vector<std::string> out;
    for (const auto& alert : alerts) {
        out.push_back(alert.labels.at("alertname") + "/" + alert.labels.at("severity"));
    }
    return out;
}

TEST(WantedAlerts, WatchEveryOpenUpgradeAndNoOther) {
    const Timestamp now{1h};
    EXPECT_THAT(names(wanted_alerts(upgrade(Phase::window), {}, now)),
                ElementsAre("HoldfastWatchdog/none"));
    EXPECT_TRUE(wanted_alerts(upgrade(Phase::closed), {}, now).empty());
}

TEST(WantedAlerts, PageRegressionsAndTheAdviceToRollBack) {
    auto bad = upgrade(Phase::watching, Verdict::rollback);
    bad.judgements = {regressed("a", Severity::warn), regressed("b", Severity::rollback)};
    bad.judgements[1].signal.labels = {{"device", "sda"}};
    const auto alerts = wanted_alerts(bad, {"http://h:1", {{"cluster", "c"}}}, Timestamp{1h});
    EXPECT_THAT(names(alerts),
                ElementsAre("HoldfastWatchdog/none", "HoldfastRegression/warning",
                            "HoldfastRegression/critical", "HoldfastRollbackRecommended/critical"));
    EXPECT_EQ(alerts[2].labels, (Labels{{"alertname", "HoldfastRegression"},
                                        {"cluster", "c"},
                                        {"device", "sda"},
                                        {"rule", "b"},
                                        {"severity", "critical"},
                                        {"target", "db"},
                                        {"upgrade", "u1"}}));
    EXPECT_EQ(alerts[3].generator_url, "http://h:1/api/v1/upgrades/u1");
}

TEST(WantedAlerts, SayWhenAnUpgradeIsBlockedOrOverdue) {
    auto blocked = upgrade(Phase::watching, Verdict::blocked);
    blocked.judgements = {judged("a", Judgement::no_data)};
    EXPECT_THAT(names(wanted_alerts(blocked, {}, Timestamp{1h})),
                ElementsAre("HoldfastWatchdog/none", "HoldfastUpgradeBlocked/warning"));
    EXPECT_THAT(names(wanted_alerts(upgrade(Phase::watching), {}, Timestamp{48h + 1ms})),
                ElementsAre("HoldfastWatchdog/none", "HoldfastUpgradeOverdue/warning"));
    EXPECT_THAT(names(wanted_alerts(upgrade(Phase::watching), {}, Timestamp{48h})),
                ElementsAre("HoldfastWatchdog/none"));
}

TEST(MayResolve, OnlyByEvidenceOrByAPerson) {
    auto bad = upgrade(Phase::watching);
    bad.judgements = {regressed("a", Severity::page)};
    const auto alert = wanted_alerts(bad, {}, Timestamp{1h})[1];
    EXPECT_FALSE(may_resolve(alert, bad));
    auto quiet = bad;
    quiet.judgements = {judged("a", Judgement::watching)};
    EXPECT_FALSE(may_resolve(alert, quiet));  // not regressed, and nothing says why
    quiet.judgements[0].recovered_at = Timestamp{30min};
    EXPECT_FALSE(may_resolve(alert, quiet));  // an older recovery
    quiet.judgements[0].recovered_at = Timestamp{2h};
    EXPECT_TRUE(may_resolve(alert, quiet));
    auto ended = bad;
    ended.phase = Phase::rolled_back;
    EXPECT_TRUE(may_resolve(alert, ended));
}

}  // namespace
}  // namespace holdfast::rules
