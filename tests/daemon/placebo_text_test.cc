#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "daemon/client/placebo.h"
#include "daemon/judging_json.h"

namespace holdfast::client {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double none = std::numeric_limits<double>::quiet_NaN();

const std::vector<rules::EnsembleSignal> signals{
    {.name = "queue_length", .required = true},
    {.name = "disk_wait_seconds", .required = true},
    {.name = "requests_per_second", .is_load = true, .required = false, .judged = false}};

/// Two days; `disk_wait_seconds` paged in one, and nothing of it is seen or proven.
rules::PlaceboReport report() {
    rules::PlaceboReport out{.history = 96h, .watch = 24h, .cycle = 24h};
    out.notes = {"rule gone is not judged"};
    out.signals = {{.watches = 2, .proven = 2, .promise = {1.5, 1.2, 1.2, 2}},
                   {.watches = 2,
                    .paged = 1,
                    .warned = 1,
                    .detectors = {{"level", 1}},
                    .promise = {none, none, none, 1},
                    .hopeless = true,
                    .advice = "take a longer baseline"},
                   {}};
    out.watches = {{.window = {Timestamp{48h}, Timestamp{72h}}, .judged = 2, .proven = 1},
                   {.window = {Timestamp{72h}, Timestamp{96h}}, .judged = 2, .proven = 1}};
    out.paged = 1;
    out.paged_share = rules::share_interval(1, 2);
    return out;
}

std::string line_of(const std::string& text, const std::string& begin) {
    const auto at = text.find(begin);
    return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

TEST(PlaceboJson, SaysOfEveryRuleAndOfAllWhatToExpect) {
    const auto said = daemon::placebo_json(report(), signals, {"queue", "disk", ""});
    EXPECT_EQ(said.at("paged"), 1);
    EXPECT_EQ(said.at("paged_ratio"), 0.5);
    EXPECT_EQ(said.at("passed_ratio"), 0.0);
    ASSERT_EQ(said.at("metrics").as_array().size(), 2);  // what only explains has no say
    const auto& queue = said.at("metrics").at(0);
    EXPECT_EQ(queue.at("rule"), "queue");
    EXPECT_EQ(queue.at("proven_ratio"), 1.0);
    EXPECT_EQ(queue.at("smallest_factor").at("within_hour"), 1.5);
    EXPECT_EQ(queue.at("smallest_factor").at("within_day"), 1.2);
    EXPECT_EQ(queue.at("smallest_factor").at("within_watch"), 1.2);
    EXPECT_EQ(queue.at("hopeless"), false);
    const auto& disk = said.at("metrics").at(1);
    EXPECT_EQ(disk.at("paged"), 1);
    EXPECT_EQ(disk.at("proven_ratio"), 0.0);
    EXPECT_TRUE(disk.at("smallest_factor").at("within_watch").is_null());
    EXPECT_EQ(disk.at("hopeless"), true);
    EXPECT_EQ(disk.at("advice"), "take a longer baseline");
}

TEST(PlaceboText, IsALinePerRuleThenNotesAndSummary) {
    const auto text = placebo_table(daemon::placebo_json(report(), signals, {"queue", "disk", ""}));
    EXPECT_THAT(line_of(text, "queue "),
                ::testing::MatchesRegex("queue +queue_length +0 of 2 +x1.5 +x1.2 +x1.2 +2 of 2 *"));
    EXPECT_THAT(
        line_of(text, "disk "),
        ::testing::MatchesRegex("disk +disk_wait_seconds +1 of 2 +level +1 of 2 +none +none "
                                "+none +0 of 2 +yes +take a longer baseline *"));
    EXPECT_THAT(text, HasSubstr("note: rule gone is not judged\n"));
    EXPECT_THAT(text, HasSubstr("1 of 2 past days would have paged"));
    EXPECT_THAT(text, HasSubstr("0 of 2 watches would have closed; 2 of 4 judgements were proof"));
    EXPECT_THAT(text, HasSubstr("hopeless: disk_wait_seconds\n"));
    EXPECT_THAT(text, Not(HasSubstr("requests_per_second")));
}

TEST(PlaceboText, HasNoRulesWhereDataWasRecordedWithoutThem) {
    const auto text = placebo_table(daemon::placebo_json(report(), signals));
    EXPECT_THAT(text, ::testing::StartsWith("METRIC"));
    EXPECT_THAT(text, HasSubstr("1 DAY"));
    EXPECT_THAT(text, HasSubstr("PROVEN"));
}

TEST(PlaceboText, LeavesOutProofThatCannotBeMeasured) {
    auto half = report();
    half.proof_missing = "not measurable: the watch is shorter than a cycle";
    const auto said = daemon::placebo_json(half, signals);
    EXPECT_TRUE(said.at("passed_ratio").is_null());
    EXPECT_TRUE(said.at("metrics").at(0).at("proven_ratio").is_null());
    EXPECT_THAT(placebo_table(said), HasSubstr("proof is not measurable"));
}

}  // namespace
}  // namespace holdfast::client
