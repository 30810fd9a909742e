#include "rules/seasons.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

Timestamp at(int year, unsigned month, unsigned day, Milliseconds time = 0ms) {
    return std::chrono::sys_days{std::chrono::year{year} / std::chrono::month{month} / day} + time;
}

/// Berlin around the clock changes of 2026: summer time from 29 March 01:00 UTC to 25 October.
const UtcOffsets berlin{
    {at(2025, 10, 26, 1h), 3600s}, {at(2026, 3, 29, 1h), 7200s}, {at(2026, 10, 25, 1h), 3600s}};

TEST(SeasonClock, CountsTheHoursOfTheWeekFromMonday) {
    const SeasonClock clock{7 * 24h, {}};
    EXPECT_EQ(clock.slots(), 168);
    EXPECT_EQ(clock.slot(at(2026, 11, 23)), 0);  // a Monday
    EXPECT_EQ(clock.slot(at(2026, 11, 24, 9h + 59min)), 24 + 9);
    EXPECT_EQ(clock.slot(at(2026, 11, 29, 23h)), 167);
    EXPECT_EQ(clock.describe_slot(33), "Tuesday 09:00");
}

TEST(SeasonClock, RunsInLocalTime) {
    const SeasonClock clock{7 * 24h, berlin};
    EXPECT_EQ(clock.slot(at(2026, 2, 2, 8h)), 9);   // winter: UTC+1
    EXPECT_EQ(clock.slot(at(2026, 7, 6, 7h)), 9);   // summer: UTC+2
    EXPECT_EQ(clock.slot(at(2026, 7, 5, 23h)), 1);  // Sunday evening in UTC is Monday in Berlin
}

TEST(SeasonClock, GivesTheHourThatOccursTwiceNoSlot) {
    const SeasonClock clock{24h, berlin};
    EXPECT_TRUE(clock.slot(at(2026, 10, 24, 23h + 59min)));
    EXPECT_FALSE(clock.slot(at(2026, 10, 25, 0h)));  // 02:00 summer time
    EXPECT_FALSE(clock.slot(at(2026, 10, 25, 1h + 59min)));
    EXPECT_TRUE(clock.slot(at(2026, 10, 25, 2h)));
}

TEST(SeasonClock, DoesNotWaitForTheHourThatIsLeftOut) {
    const SeasonClock clock{24h, berlin};
    const auto change_day = clock.slots_in({at(2026, 3, 28, 23h), at(2026, 3, 29, 22h)});
    EXPECT_EQ(std::count(change_day.begin(), change_day.end(), true), 23);
    EXPECT_FALSE(change_day[2]);
}

TEST(SeasonClock, CutsShortCyclesIntoSix) {
    const SeasonClock clock{60s, {}};
    EXPECT_EQ(clock.slots(), 6);
    EXPECT_EQ(clock.slot(Timestamp{19'999ms}), 1);
    EXPECT_EQ(clock.slot(Timestamp{120s}), 0);
    EXPECT_EQ(clock.describe_slot(2), "second 20 of the cycle");
}

TEST(SeasonClock, HasASlotForEveryInstantOfOddCycles) {
    for (const Milliseconds cycle : {7'001ms, 90'000ms, Milliseconds{36h}, Milliseconds{3 * 24h}}) {
        const SeasonClock clock{cycle, {}};
        for (auto t = Milliseconds{0}; t < 2 * cycle; t += cycle / 97) {
            ASSERT_LT(*clock.slot(Timestamp{t}), clock.slots()) << cycle.count();
        }
    }
}

TEST(CellLength, IsFiveMinutesShorterForShortCyclesAndNeverBelowTheStep) {
    EXPECT_EQ(cell_length(7 * 24h, 5s), 5min);
    EXPECT_EQ(cell_length(1h, 5s), 1min);
    EXPECT_EQ(cell_length(60s, 1s), 1s);
    EXPECT_EQ(cell_length(24s, 500ms), 1s);
    EXPECT_EQ(cell_length(60s, 5s), 5s);
}

}  // namespace
}  // namespace holdfast::rules
