#include "rules/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

const Timestamp start{24h * 20'000};
constexpr Milliseconds five = 5min;

CellSeries series(Kind kind, std::size_t cells_max = 100) {
    return {kind, start, five, cells_max};
}

// --- CellSeries --------------------------------------------------------------------------------

TEST(CellSeries, TakesTheMeanOfAGauge) {
    for (const auto kind : {Kind::gauge, Kind::trend}) {
        auto s = series(kind);
        EXPECT_TRUE(s.add({start, 2, 1}));
        EXPECT_TRUE(s.add({start + 1min, 4, 1}));
        EXPECT_TRUE(s.add({start + 2min, 9, 1}));
        EXPECT_EQ(s.at(0), (Cell{5, 1}));
    }
}

TEST(CellSeries, WeighsTheIncreasesOfARateByTheirSeconds) {
    auto s = series(Kind::rate);
    s.add({start + 10s, 10, 1});   // 10 a second
    s.add({start + 40s, 90, 3});   // 30 a second, for longer
    s.add({start + 5min, 50, 5});  // of the next cell
    EXPECT_EQ(s.at(0), (Cell{25, 1}));
    EXPECT_EQ(s.at(1), (Cell{10, 1}));
}

TEST(CellSeries, KeepsSumsOverSumsOfWhatIsWeighedByEvents) {
    for (const auto kind : {Kind::ratio, Kind::latency, Kind::count}) {
        auto s = series(kind);
        s.add({start, 1, 2});
        s.add({start + 1min, 1, 998});
        EXPECT_EQ(s.at(0), (Cell{2, 1000}));
    }
}

TEST(CellSeries, TakesPointsInAnyOrder) {
    const std::vector<Point> points{{start + 11min, 8, 1}, {start + 1min, 1, 1},
                                    {start + 6min, 3, 1},  {start, 2, 1},
                                    {start + 9min, 5, 1},  {start + 14min, 16, 1}};
    auto s = series(Kind::gauge);
    auto reversed = series(Kind::gauge);
    for (const auto& point : points) {
        EXPECT_TRUE(s.add(point));
    }
    std::for_each(points.rbegin(), points.rend(), [&](const auto& p) { reversed.add(p); });
    EXPECT_THAT(s.take(3), ElementsAre(Cell{1.5, 1}, Cell{4, 1}, Cell{12, 1}));
    EXPECT_EQ(reversed.take(3), s.take(3));
}

TEST(CellSeries, BeginsACellWhereTheOneBeforeEnds) {
    auto s = series(Kind::gauge);
    s.add({start + five - 1ms, 1, 1});
    s.add({start + five, 2, 1});
    EXPECT_THAT(s.take(2), ElementsAre(Cell{1, 1}, Cell{2, 1}));
}

TEST(CellSeries, RefusesWhatIsBeforeItsBegin) {
    auto s = series(Kind::gauge);
    EXPECT_FALSE(s.add({start - 1ms, 7, 1}));
    EXPECT_FALSE(s.add({start - 1h, 7, 1}));
    EXPECT_TRUE(s.add({start, 1, 1}));
    EXPECT_EQ(s.at(0), (Cell{1, 1}));
}

TEST(CellSeries, RefusesCellsBeyondTheLastOne) {
    auto s = series(Kind::gauge, 3);
    EXPECT_TRUE(s.add({start + 3 * five - 1ms, 7, 1}));
    EXPECT_FALSE(s.add({start + 3 * five, 7, 1}));
    EXPECT_FALSE(s.add({start + 24h * 365'000, 7, 1}));
    EXPECT_THAT(s.take(4), ElementsAre(Cell{}, Cell{}, Cell{7, 1}, Cell{}));
}

TEST(CellSeries, ForgetsCellsAndRefusesTheirPoints) {
    auto s = series(Kind::gauge, 6);
    for (auto at = start; at < start + 5 * five; at += five) {
        s.add({at, static_cast<double>((at - start) / five), 1});
    }
    s.drop_before(2);
    EXPECT_FALSE(s.add({start + 2 * five - 1ms, 9, 1}));
    EXPECT_TRUE(s.add({start + 2 * five, 4, 1}));
    EXPECT_EQ(s.at(1), Cell{});
    EXPECT_EQ(s.at(2), (Cell{3, 1}));  // counted from the first of all, not from the first held
    EXPECT_EQ(s.at(4), (Cell{4, 1}));
    s.drop_before(1);  // they are gone already
    EXPECT_THAT(s.take(4), ElementsAre(Cell{3, 1}, Cell{3, 1}, Cell{4, 1}, Cell{}));
    EXPECT_FALSE(s.add({start + 6 * five, 9, 1}));  // as many in all as before
}

TEST(CellSeries, ForgetsCellsThatHadNoData) {
    auto s = series(Kind::gauge);
    s.add({start, 1, 1});
    s.drop_before(10);
    EXPECT_FALSE(s.add({start + 10 * five - 1ms, 1, 1}));
    EXPECT_TRUE(s.add({start + 12 * five, 6, 1}));
    EXPECT_EQ(s.at(10), Cell{});
    EXPECT_EQ(s.at(12), (Cell{6, 1}));
    EXPECT_THAT(s.take(3), ElementsAre(Cell{}, Cell{}, Cell{6, 1}));
}

TEST(CellSeries, FillsUpWithCellsWithoutData) {
    auto s = series(Kind::ratio);
    EXPECT_THAT(s.take(2), ElementsAre(Cell{}, Cell{}));
    s.add({start + five, 0, 4});
    EXPECT_THAT(s.take(4), ElementsAre(Cell{}, Cell{0, 4}, Cell{}, Cell{}));
    EXPECT_THAT(s.take(1), ElementsAre(Cell{}));
    EXPECT_EQ(s.at(1'000), Cell{});
}

// --- summarise, season_at ----------------------------------------------------------------------

/// The end of summer time of 2026: Berlin's clocks go from 03:00 back to 02:00 at 01:00 UTC.
const Timestamp change_day = std::chrono::sys_days{std::chrono::year{2026} / 10 / 25};
const UtcOffsets berlin{{change_day - 24h * 200, 7200s}, {change_day + 1h, 3600s}};
const SignalId signal{"queue_length", {{"queue", "orders"}}};

TEST(Summarise, TellsTheQuantilesOfEachSlot) {
    const SeasonClock clock{24h, {}};
    Cells cells;
    for (int k = 0; k < 20; ++k) {  // the first hour, in cells of 3 min; two of weight
        cells.push_back(k < 2 ? Cell{10.0 * k, 10} : Cell{static_cast<double>(k), 1});
    }
    cells.resize(40, {100, 2});
    const auto known = summarise(signal, Kind::latency, cells, start, 3min, clock);
    ASSERT_TRUE(known);
    EXPECT_EQ(known->signal, signal);
    EXPECT_EQ(known->kind, Kind::latency);
    ASSERT_EQ(known->seasons.size(), 24);
    EXPECT_DOUBLE_EQ(known->seasons[0].lower, 0.95);
    EXPECT_DOUBLE_EQ(known->seasons[0].middle, 9.5);
    EXPECT_DOUBLE_EQ(known->seasons[0].upper, 18.05);
    EXPECT_EQ(known->seasons[0].cells, 20);
    EXPECT_EQ(known->seasons[1].lower, 50);
    EXPECT_EQ(known->seasons[1].upper, 50);
    EXPECT_DOUBLE_EQ(known->typical, (19 + 50) / 2.0);
    EXPECT_EQ(known->minimum, 0);
    EXPECT_EQ(known->maximum, 50);
    EXPECT_EQ(known->cells, 40);
}

TEST(Summarise, GathersTheSameSlotOfEveryCycle) {
    const SeasonClock clock{24h, {}};
    Cells cells;
    for (int hour = 0; hour < 72; ++hour) {
        cells.push_back({static_cast<double>(hour), 1});
    }
    const auto known = summarise(signal, Kind::gauge, cells, start + 6h, 1h, clock);
    ASSERT_TRUE(known);
    EXPECT_EQ(known->seasons[6].middle, 24);  // of 0, 24 and 48
    EXPECT_EQ(known->seasons[5].middle, 47);  // the day's last hour comes last
    EXPECT_EQ(known->seasons[6].cells, 3);
}

TEST(Summarise, TellsTheGrowthOfATrendADay) {
    const SeasonClock clock{48h, {}};
    Cells cells;
    for (int hour = 0; hour < 96; ++hour) {  // twelve more in the first day, then three a day
        cells.push_back({hour < 24 ? hour / 2.0 : 12 + (hour - 24) / 8.0, 1});
    }
    const auto known = summarise(signal, Kind::trend, cells, start, 1h, clock);
    ASSERT_TRUE(known);
    EXPECT_EQ(known->kind, Kind::trend);
    EXPECT_EQ(known->cells, 72);
    EXPECT_DOUBLE_EQ(known->maximum, 12);
    EXPECT_DOUBLE_EQ(known->typical, 3);
    EXPECT_DOUBLE_EQ(known->minimum, 3);
    cells.resize(24);
    EXPECT_FALSE(summarise(signal, Kind::trend, cells, start, 1h, clock));
}

TEST(Summarise, LeavesOutCellsWithoutDataAndMarksSlotsThatWereNeverSeen) {
    const SeasonClock clock{24h, {}};
    Cells cells(24, {5, 1});
    cells[3] = {};
    cells[4] = {777, 0};
    const auto known = summarise(signal, Kind::gauge, cells, start, 1h, clock);
    ASSERT_TRUE(known);
    EXPECT_EQ(known->cells, 22);
    EXPECT_EQ(known->minimum, 5);
    EXPECT_EQ(known->maximum, 5);
    EXPECT_EQ(known->seasons[2].cells, 1);
    EXPECT_EQ(known->seasons[3].cells, 0);
    EXPECT_EQ(known->seasons[4].cells, 0);
}

TEST(Summarise, KnowsNothingWithoutData) {
    const SeasonClock clock{24h, {}};
    EXPECT_FALSE(summarise(signal, Kind::gauge, {}, start, 1h, clock));
    EXPECT_FALSE(summarise(signal, Kind::gauge, Cells(24), start, 1h, clock));
}

TEST(Summarise, CountsTheHoursInLocalTimeAcrossAClockChange) {
    const SeasonClock clock{24h, berlin};
    // From Saturday 22:00 UTC, which is midnight, to Sunday 23:00 UTC, which is midnight again.
    Cells cells;
    for (int hour = 0; hour < 25; ++hour) {
        cells.push_back({static_cast<double>(hour), 1});
    }
    const auto known = summarise(signal, Kind::gauge, cells, change_day - 2h, 1h, clock);
    ASSERT_TRUE(known);
    EXPECT_EQ(known->seasons[0].middle, 0);
    EXPECT_EQ(known->seasons[1].middle, 1);
    EXPECT_EQ(known->seasons[2].cells, 0);   // 02:00 occurred twice and belongs to no slot,
    EXPECT_EQ(known->seasons[3].middle, 4);  // and the clock is an hour behind since
    EXPECT_EQ(known->seasons[23].middle, 24);
    EXPECT_EQ(known->cells, 25);  // of no slot, but seen
    EXPECT_EQ(known->typical, 12);
}

TEST(SeasonAt, FindsTheSlotInLocalTime) {
    const SeasonClock clock{24h, berlin};
    Cells cells(24);
    for (std::size_t hour = 0; hour < cells.size(); ++hour) {
        cells[hour] = {static_cast<double>(hour), 1};
    }
    const auto midnight = change_day - 24h - 2h;  // in summer
    const auto known = summarise(signal, Kind::gauge, cells, midnight, 1h, clock);
    ASSERT_TRUE(known);
    const auto* summer = season_at(*known, clock, midnight + 9h + 59min);
    const auto* winter = season_at(*known, clock, change_day + 24h + 8h);
    ASSERT_TRUE(summer && winter);
    EXPECT_EQ(summer->middle, 9);
    EXPECT_EQ(winter->middle, 9);
}

TEST(SeasonAt, KnowsNothingOfTheHourThatOccursTwice) {
    const SeasonClock clock{24h, berlin};
    const auto known =
        summarise(signal, Kind::gauge, Cells(48, {5, 1}), change_day - 72h, 1h, clock);
    ASSERT_TRUE(known);
    EXPECT_TRUE(season_at(*known, clock, change_day - 1ms));
    EXPECT_FALSE(season_at(*known, clock, change_day));
    EXPECT_FALSE(season_at(*known, clock, change_day + 2h - 1ms));
    EXPECT_TRUE(season_at(*known, clock, change_day + 2h));
    EXPECT_TRUE(season_at(*known, clock, change_day + 24h));  // the same hour of another day
}

TEST(SeasonAt, KnowsNothingOfSlotsThatWereNeverSeen) {
    const SeasonClock clock{24h, {}};
    Cells cells(24, {5, 1});
    cells[3] = {};
    const auto known = summarise(signal, Kind::gauge, cells, start, 1h, clock);
    ASSERT_TRUE(known);
    EXPECT_TRUE(season_at(*known, clock, start + 2h));
    EXPECT_FALSE(season_at(*known, clock, start + 3h + 30min));
    EXPECT_FALSE(season_at({}, clock, start));  // a baseline without seasons
}

}  // namespace
}  // namespace holdfast::rules
