#include "rules/excluded_time.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Timestamp at(std::chrono::seconds s) {
    return Timestamp{s};
}
Exclusion exclusion(std::chrono::seconds from, std::chrono::seconds to, const char* reason = "") {
    return {{at(from), at(to)}, reason};
}

TEST(ExcludedTime, HoldsEveryWindowFromItsBeginToBeforeItsEnd) {
    const ExcludedTime excluded{{exclusion(50s, 60s), exclusion(10s, 20s)}};
    for (const auto in : {10s, 19s, 50s, 59s}) {
        EXPECT_TRUE(excluded.contains(at(in))) << in.count();
    }
    for (const auto out : {0s, 9s, 20s, 49s, 60s, 99s}) {
        EXPECT_FALSE(excluded.contains(at(out))) << out.count();
    }
    EXPECT_FALSE(ExcludedTime{{}}.contains(at(0s)));
}

TEST(ExcludedTime, CountsOverlappingWindowsOnce) {
    const ExcludedTime excluded{
        {exclusion(10s, 40s), exclusion(15s, 20s), exclusion(30s, 50s), exclusion(70s, 70s)}};
    EXPECT_TRUE(excluded.contains(at(35s)));
    EXPECT_FALSE(excluded.contains(at(70s)));
    EXPECT_EQ(excluded.within({at(0s), at(100s)}), 40s);
    EXPECT_EQ(excluded.within({at(45s), at(100s)}), 5s);
    EXPECT_EQ(excluded.within({at(60s), at(100s)}), 0s);
}

TEST(ExclusionsIn, AreThoseThatShareTimeWithTheWindowByTheirBegin) {
    const auto found = exclusions_in({at(10s), at(20s)},
                                     {exclusion(19s, 99s, "late"), exclusion(0s, 10s, "before"),
                                      exclusion(20s, 30s, "after"), exclusion(0s, 11s, "early")});
    EXPECT_THAT(found, ElementsAre(exclusion(0s, 11s, "early"), exclusion(19s, 99s, "late")));
    EXPECT_THAT(exclusions_in({at(0s), at(9s)}, {exclusion(5s, 5s)}), IsEmpty());
}

Upgrade upgrade(Phase phase) {
    return {.id = "u3", .phase = phase, .started_at = at(100s)};
}

TEST(ExclusionOf, IsTheWindowOfAnUpgradeThatWasClosed) {
    auto closed = upgrade(Phase::closed);
    closed.window_end_at = at(130s);
    closed.ended_at = at(900s);
    EXPECT_EQ(exclusion_of(closed, at(999s)), exclusion(100s, 130s, "upgrade u3"));
}

TEST(ExclusionOf, IsTheWatchTooWhereItWasRolledBack) {
    auto back = upgrade(Phase::rolled_back);
    back.window_end_at = at(130s);
    back.ended_at = at(900s);
    EXPECT_EQ(exclusion_of(back, at(999s)), exclusion(100s, 900s, "upgrade u3"));
    back.window_end_at.reset();  // in its window already
    EXPECT_EQ(exclusion_of(back, at(999s)), exclusion(100s, 900s, "upgrade u3"));
}

TEST(ExclusionOf, EndsAWindowThatIsStillOpenNowAndACancelledOneWhenItEnded) {
    EXPECT_EQ(exclusion_of(upgrade(Phase::window), at(140s)), exclusion(100s, 140s, "upgrade u3"));
    auto cancelled = upgrade(Phase::cancelled);
    cancelled.ended_at = at(110s);
    EXPECT_EQ(exclusion_of(cancelled, at(140s)), exclusion(100s, 110s, "upgrade u3"));
}

TEST(ExclusionOf, IsNothingWithoutAWindow) {
    auto watching = upgrade(Phase::watching);
    watching.window_end_at = watching.started_at;
    EXPECT_FALSE(exclusion_of(watching, at(999s)));
    EXPECT_FALSE(exclusion_of(upgrade(Phase::planned), at(999s)));
}

}  // namespace
}  // namespace holdfast::rules
