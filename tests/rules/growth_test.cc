#include "rules/growth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

constexpr Milliseconds hour = 1h;
constexpr std::size_t day = 24;
const Timestamp start{24h * 20'000};

using Curve = std::function<double(double cell)>;

Cells cells_of(std::size_t size, const Curve& level) {
    Cells out;
    for (std::size_t k = 0; k < size; ++k) {
        out.push_back({level(static_cast<double>(k)), 1});
    }
    return out;
}
Cell grown(double per_day) {
    return {per_day, 1};
}
/// 3 a day, and 40 more each night in the third hour.
double with_nightly_batch(double cell) {
    return 3 * cell / 24 + 40 * std::floor((cell + 21) / 24);
}

TEST(Growth, IsTheUnitADay) {
    const auto growth =
        growth_of(cells_of(100, [](double k) { return 7 + 3 * k / 24; }), day, hour);
    ASSERT_EQ(growth.size(), 100);
    for (std::size_t k = 0; k < day; ++k) {
        EXPECT_EQ(growth[k], Cell{}) << k;
    }
    for (std::size_t k = day; k < growth.size(); ++k) {
        EXPECT_NEAR(growth[k].numerator, 3, 1e-9) << k;
        EXPECT_EQ(growth[k].denominator, 1);
    }
    // A cycle of a minute in cells of a second: 60 a minute are 86,400 a day.
    const auto fast = growth_of(cells_of(200, [](double k) { return k; }), 60, 1s);
    EXPECT_NEAR(fast[60].numerator, 86'400, 1e-6);
}

TEST(Growth, IsTheSameAtEveryHourWithANightlyBatch) {
    const auto growth = growth_of(cells_of(200, with_nightly_batch), day, hour);
    for (std::size_t k = day; k < growth.size(); ++k) {
        EXPECT_NEAR(growth[k].numerator, 43, 1e-9) << k;
    }
}

TEST(Growth, DipsForExactlyADayWhereSomethingWasDeleted) {
    const auto growth = growth_of(
        cells_of(200, [](double k) { return 3 * k / 24 - (k >= 100 ? 50 : 0); }), day, hour);
    for (std::size_t k = day; k < growth.size(); ++k) {
        EXPECT_NEAR(growth[k].numerator, k >= 100 && k < 100 + day ? -47 : 3, 1e-9) << k;
    }
}

TEST(Growth, IsMissingWhereEitherEndIs) {
    auto levels = cells_of(120, [](double k) { return k; });
    levels[50] = {};
    for (std::size_t k = 80; k < 83; ++k) {
        levels[k] = {};
    }
    const auto growth = growth_of(levels, day, hour);
    const std::set<std::size_t> gaps{50, 74, 80, 81, 82, 104, 105, 106};
    for (std::size_t k = day; k < growth.size(); ++k) {
        EXPECT_EQ(growth[k].denominator > 0, !gaps.contains(k)) << k;
    }
}

TEST(Growth, TakesTheMeanOfACellAsItsLevel) {
    Growth growth{Cells(1, Cell{30, 3}), 24h};
    EXPECT_EQ(growth.take({90, 6}), grown(5));
    EXPECT_EQ(growth.level(), 15);
}

TEST(Growth, GoesOnFromTheTailOfTheHistory) {
    const auto levels = cells_of(100, with_nightly_batch);
    const auto whole = growth_of(levels, day, hour);
    Growth growth{Cells(levels.begin() + 36, levels.begin() + 60), hour};
    for (std::size_t k = 60; k < levels.size(); ++k) {
        EXPECT_EQ(growth.take(levels[k]), whole[k]) << k;
    }
}

TEST(Growth, KnowsTheNewestLevelThatWasThere) {
    EXPECT_FALSE((Growth{Cells(3), hour}.level()));
    Growth growth{{{4, 1}, {}, {}}, hour};
    EXPECT_EQ(growth.level(), 4);
    growth.take({5, 1});
    growth.take({});
    EXPECT_EQ(growth.level(), 5);
}

TEST(Growth, IsHowFastItShrinksWhereLessIsWorse) {
    const auto levels = cells_of(48, [](double k) { return 100 - 2 * k / 24; });
    EXPECT_NEAR(growth_of(levels, day, hour, Direction::down)[30].numerator, 2, 1e-9);
    EXPECT_NEAR(growth_of(levels, day, hour, Direction::both)[30].numerator, -2, 1e-9);
}

TEST(GrowthSteps, AreADayOrTheCycleWhereThatIsShorter) {
    EXPECT_EQ(growth_steps(7 * 24h, 5min), 288);
    EXPECT_EQ(growth_steps(24h, 5min), 288);
    EXPECT_EQ(growth_steps(60s, 1s), 60);
    EXPECT_EQ(growth_steps(60s, 90s), 1);
}

TEST(WithoutDips, KeepsWhatIsUsualAndCutsWhatWasDeleted) {
    Cells growth;
    for (int k = 0; k < 100; ++k) {
        growth.push_back(grown(k % 4 == 0 ? 9 : k % 4 == 2 ? 11 : 10));
    }
    growth[40] = grown(-500);
    growth[41] = grown(-9);
    growth[42] = {};
    growth[43] = grown(700);
    const auto cut = without_dips(growth);
    EXPECT_THAT((Cells{cut.begin() + 39, cut.begin() + 45}),
                ElementsAre(grown(10), grown(-10), grown(-9), Cell{}, grown(700), grown(9)));
}

TEST(WithoutDips, LeavesRoomForWhatScattersAboutZero) {
    Cells growth;
    for (int k = 0; k <= 100; ++k) {
        growth.push_back(grown(k - 50));  // quartiles at -25 and 25
    }
    growth.push_back(grown(-1000));
    const auto cut = without_dips(growth);
    EXPECT_EQ(cut[0], grown(-50));
    EXPECT_NEAR(cut.back().numerator, -0.5 - 4 * 50.5, 1e-9);
    EXPECT_THAT(without_dips({Cell{}, Cell{}}), ElementsAre(Cell{}, Cell{}));
}

TEST(LevelsBefore, AreThoseOfTheLastDayInRealTime) {
    const auto levels = cells_of(50, [](double k) { return k; });
    const auto end = start + 50 * hour;
    EXPECT_THAT(levels_before(levels, start, hour, end, 3),
                ElementsAre(Cell{47, 1}, Cell{48, 1}, Cell{49, 1}));
    EXPECT_THAT(levels_before(levels, start, hour, end + 2 * hour, 3),
                ElementsAre(Cell{49, 1}, Cell{}, Cell{}));
    EXPECT_THAT(levels_before(levels, start, hour, end + 30min, 3),
                ElementsAre(Cell{48, 1}, Cell{49, 1}, Cell{}));
    EXPECT_THAT(levels_before(levels, start, hour, end + 30 * 24h, 2), ElementsAre(Cell{}, Cell{}));
    EXPECT_THAT(levels_before(levels, start, hour, start + hour, 3),
                ElementsAre(Cell{}, Cell{}, Cell{0, 1}));
}

}  // namespace
}  // namespace holdfast::rules
