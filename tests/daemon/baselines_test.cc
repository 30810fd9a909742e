#include "daemon/baselines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr auto cycle = 60s;
const Timestamp start{24h * 20'000};

/// Samples of one gauge, one a second from `start` on: 10, and 1,000 in the first half of the
/// second cycle.
struct LearnBaseline : ::testing::Test {
    holdfast::testing::TempDir folder;
    std::unique_ptr<storage::SampleStore> samples;
    std::shared_ptr<const Series> series =
        std::make_shared<const Series>(Series{"holdfast_queue", {}});

    void record(int cycles) {
        samples = std::move(*storage::open_sample_store({.path = folder.path() / "samples"}));
        std::vector<std::shared_ptr<const storage::Row>> rows;
        for (auto at = start; at < start + cycles * cycle; at += 1s) {
            storage::Row row{"queues", at, {.epoch = 1}};
            row.reading.samples.push_back(
                {series, at, at >= start + cycle && at < start + cycle + 30s ? 1'000.0 : 10.0});
            rows.push_back(std::make_shared<const storage::Row>(std::move(row)));
        }
        ASSERT_TRUE(samples->append(rows));
    }
    Baseline learn(int cycles, std::vector<Exclusion> exclude) const {
        const BaselineRequest request{
            .end = start + cycles * cycle,
            .cycle = cycle,
            .timezone = "UTC",
            .step = 1s,
            .signals = {{.name = "queue_length", .numerator = {{{"holdfast_queue", {}}}}}},
            .exclude = std::move(exclude)};
        auto learnt = learn_baseline(*samples, request, [] { return false; });
        EXPECT_TRUE(learnt) << learnt.error().message();
        return learnt->baseline;
    }
};

TEST_F(LearnBaseline, LeavesOutWhatIsExcludedAndNamesIt) {
    record(4);
    const auto all = learn(4, {});
    EXPECT_EQ(all.signals.at(0).maximum, 1'000);
    EXPECT_TRUE(all.excluded.empty());
    EXPECT_EQ(all.whole_cycles, 4) << "the newest reading speaks for a step";
    EXPECT_EQ(all.note, "");
    const Exclusion incident{{start + cycle, start + cycle + 30s}, "incident 4711"};
    const Exclusion long_ago{{start - 1h, start - 30min}, "long ago"};
    const auto some = learn(4, {long_ago, incident});
    EXPECT_EQ(some.signals.at(0).maximum, 10);
    EXPECT_EQ(some.excluded, std::vector{incident});
    EXPECT_THAT(some.note, HasSubstr("left out: 2024-10-04T00:01:00Z to 2024-10-04T00:01:30Z "
                                     "(incident 4711)"));
}

TEST_F(LearnBaseline, NamesThreeExclusionsAndCountsTheOthers) {
    record(4);
    std::vector<Exclusion> exclude;
    for (int i = 0; i < 5; ++i) {
        const auto from = start + cycle + i * 2s;
        exclude.push_back({{from, from + 1s}, "r" + std::to_string(i)});
    }
    const auto note = learn(4, exclude).note;
    EXPECT_THAT(note, HasSubstr("(r2) and 2 more"));
    EXPECT_THAT(note, ::testing::Not(HasSubstr("(r3)")));
}

TEST_F(LearnBaseline, GoesFurtherBackForWhatIsExcluded) {
    record(8);
    const auto usual = learn(8, {});
    EXPECT_EQ(usual.whole_cycles, 4);
    const Exclusion two_cycles{{start + 5 * cycle, start + 7 * cycle}, "upgrade u1"};
    const auto further = learn(8, {two_cycles});
    EXPECT_EQ(further.whole_cycles, 6);
    // No further than there are samples.
    const Exclusion nearly_all{{start + cycle, start + 8 * cycle}, "upgrade u1"};
    EXPECT_EQ(learn(8, {nearly_all}).whole_cycles, 8);
}

TEST_F(LearnBaseline, LearnsNothingWhereAllIsExcluded) {
    record(2);
    const auto nothing = learn(2, {{{start - 1h, start + 1h}, "holiday"}});
    EXPECT_TRUE(nothing.signals.empty());
    EXPECT_THAT(nothing.note, HasSubstr("(holiday)"));
}

}  // namespace
}  // namespace holdfast::daemon
