#include "daemon/client/replay_upgrade.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/client/connection.h"
#include "tests/support/temp_dir.h"

namespace holdfast::client {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// An upgrade that was judged a day after its window, by what was stored from its begin on.
daemon::Recomputed proven() {
    daemon::Recomputed out{.upgrade = {.id = "u1", .target = "db1", .from = "15", .to = "16"},
                           .judged_at = Timestamp{48h},
                           .verdict = Verdict::proven,
                           .first_row = Timestamp{24h + 1s}};
    out.upgrade.window_end_at = Timestamp{24h};
    out.upgrade.verdict = Verdict::proven;
    out.judgements = {{.rule = "latency", .signal = {"x_seconds", {{"probe", "shop"}}}}};
    out.differences.emplace();
    return out;
}

daemon::Recomputed differing() {
    auto out = proven();
    daemon::Difference effect;
    effect.rule = "latency";
    effect.signal = R"(x_seconds{probe="shop"})";
    effect.field = "evidence.effect";
    effect.stored = 0.5;
    effect.recomputed = 0.25;
    daemon::Difference verdict;
    verdict.field = "verdict";
    verdict.stored = "proven";
    verdict.recomputed = "watching";
    out.differences = {effect, verdict};
    return out;
}

TEST(ReplayUpgrade, SaysWhatWasRecomputedAndWhatDiffers) {
    auto same = recomputed_json(proven());
    EXPECT_EQ(same["judged_at"], "1970-01-03T00:00:00.000Z");
    EXPECT_EQ(same["verdict"], "proven");
    EXPECT_EQ(same["identical"], true);
    EXPECT_EQ(same["differences"], boost::json::array{});
    EXPECT_EQ(same["judgements"].at(0).at("rule"), "latency");
    EXPECT_EQ(differing_sentence(proven()), "");
    auto other = recomputed_json(differing());
    EXPECT_EQ(other["identical"], false);
    EXPECT_EQ(other["differences"].at(0), boost::json::parse(R"({"rule": "latency",
        "signal": "x_seconds{probe=\"shop\"}", "field": "evidence.effect", "stored": 0.5,
        "recomputed": 0.25})"));
    auto of_another_moment = proven();
    of_another_moment.differences.reset();
    EXPECT_TRUE(recomputed_json(of_another_moment)["identical"].is_null());
    EXPECT_EQ(differing_sentence(of_another_moment), "");
}

TEST(ReplayUpgrade, NamesTheFirstRuleAndFieldThatDifferAndSaysWhy) {
    EXPECT_EQ(differing_sentence(differing()),
              R"(replay u1: evidence.effect of rule latency (x_seconds{probe="shop"}) is 5E-1 as )"
              "stored and 2.5E-1 recomputed, and 1 more differ; what is stored was changed since, "
              "or another version of holdfast judged it");
    auto gone = differing();
    gone.first_row = Timestamp{36h};
    EXPECT_THAT(differing_sentence(gone),
                HasSubstr("samples before 1970-01-02T12:00:00.000Z are gone, retention"));
    gone.differences->erase(gone.differences->begin());
    EXPECT_THAT(differing_sentence(gone), HasSubstr("replay u1: the verdict is \"proven\" as"));
}

TEST(ReplayUpgrade, ShowsPeopleTheJudgementsAndTheDifferences) {
    const auto same = recomputed_table(proven());
    EXPECT_THAT(same, HasSubstr("IDENTICAL\nu1       db1     15    16"));
    EXPECT_THAT(same, HasSubstr("latency  probe=shop"));
    EXPECT_THAT(same, ::testing::Not(HasSubstr("RECOMPUTED")));
    EXPECT_THAT(recomputed_table(differing()), HasSubstr("evidence.effect  0.5"));
}

TEST(ReplayUpgrade, FailsWhereThereIsNoStoreAndCreatesNone) {
    const holdfast::testing::TempDir folder;
    ReplayUpgradeArguments arguments{.upgrade = "u1", .storage_path = folder.path().string()};
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(replay_upgrade(arguments), Exit::usage_or_internal);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                HasSubstr("/records: there is none; check --storage.path"));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
    arguments.at = "yesterday";
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(replay_upgrade(arguments), Exit::usage_or_internal);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("holdfast: --at: "));
}

}  // namespace
}  // namespace holdfast::client
