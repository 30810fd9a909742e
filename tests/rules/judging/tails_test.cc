#include "rules/judging/tails.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/rules/judging/simulated_cells.h"

namespace holdfast::rules {
namespace {

using testing::noise;

constexpr std::size_t per_hour = 12;
constexpr double cell_hours = 1.0 / per_hour;
constexpr std::size_t day = 24 * per_hour;
constexpr double quantile = 0.98;

/// Calm cells with a burst of two cells every `every` cells.
Values with_bursts(std::size_t size, std::size_t every, std::uint64_t seed = 1) {
    auto out = noise(size, seed);
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = 0.05 * out[i] + (i % every < 2 ? 1 : 0);
    }
    return out;
}

/// The strongest look at `watched`.
Evidence10 strongest(const TailModel& model, const Values& watched) {
    TailWatch watch{model};
    Evidence10 best;
    for (const double v : watched) {
        watch.add(v);
        if (watch.is_look() && watch.look().evidence > best.evidence) {
            best = watch.look();
        }
    }
    return best;
}

TEST(Tails, SayNothingWhereNothingChanged) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Values history = noise(5 * day, seed);
        Values watched = noise(3 * day, seed + 100);
        EXPECT_LT(strongest({history, 7 * day, cell_hours, quantile}, watched).evidence, 1.5)
            << seed;
    }
}

TEST(Tails, SpeakWhenBurstsComeFourTimesAsOften) {
    const TailModel model{with_bursts(7 * day, 4 * per_hour), 7 * day, cell_hours, quantile};
    const auto same = strongest(model, with_bursts(2 * day, 4 * per_hour, 2));
    EXPECT_LT(same.evidence, 0.5);
    const auto more = strongest(model, with_bursts(2 * day, per_hour, 2));
    EXPECT_GT(more.evidence, 3);
    EXPECT_NEAR(more.effect, std::log(4.0), 0.35);
    EXPECT_GE(more.hours, 6);
}

TEST(Tails, CountABurstOncePerHalfHour) {
    // Bursts of two and of six cells are as many events: only the gap between them counts.
    const TailModel model{with_bursts(7 * day, 4 * per_hour), 7 * day, cell_hours, quantile};
    auto longer = with_bursts(2 * day, 4 * per_hour, 2);
    for (std::size_t i = 0; i < longer.size(); ++i) {
        longer[i] = i % (4 * per_hour) < 6 ? 1 : longer[i];
    }
    EXPECT_EQ(strongest(model, longer).evidence,
              strongest(model, with_bursts(2 * day, 4 * per_hour, 2)).evidence);
}

TEST(Tails, APermanentlyHighCellIsAtMostTwoEventsAnHour) {
    const TailModel model{Values(5 * day, 0.0), 7 * day, cell_hours, quantile};
    TailWatch watch{model};
    for (std::size_t i = 0; i < day; ++i) {
        watch.add(5);
    }
    const auto found = watch.look();
    // 0.5 events of five days were expected, 48 came in one: the effect says how many.
    EXPECT_NEAR(std::exp(found.effect) * (0.5 / 5) * found.hours / 24, 2 * found.hours, 0.5);
}

TEST(Tails, OneBadHourIsNoTail) {
    const TailModel model{with_bursts(7 * day, 8 * per_hour), 7 * day, cell_hours, quantile};
    auto watched = noise(day, 3);
    for (std::size_t i = 0; i < watched.size(); ++i) {
        watched[i] = 0.05 * watched[i] + (i > 100 && i < 112 && i % 6 < 2 ? 1 : 0);
    }
    EXPECT_EQ(strongest(model, watched).evidence, 0);
}

TEST(Tails, WhatTheHistorysWorstWindowHeldIsNoNews) {
    auto history = with_bursts(28 * day, 24 * per_hour);
    for (auto i = 3 * day; i < 4 * day; ++i) {  // a day with a burst each hour
        history[i] = i % per_hour < 2 ? 1 : history[i];
    }
    const TailModel model{history, 7 * day, cell_hours, quantile};
    EXPECT_EQ(strongest(model, with_bursts(day, per_hour, 2)).evidence, 0);
}

TEST(Tails, LessThanAFifthMoreIsNoEvent) {
    auto watched = noise(2 * day, 2);
    for (double& v : watched) {
        v = 0.19;
    }
    EXPECT_EQ(strongest({Values(5 * day, 0.0), 7 * day, cell_hours, quantile}, watched).evidence,
              0);
}

TEST(Tails, MoreBurstsAreMoreEvidence) {
    const TailModel model{with_bursts(7 * day, 8 * per_hour), 7 * day, cell_hours, quantile};
    double before = -1;
    for (const std::size_t every : {8U * per_hour, 3U * per_hour, 2U * per_hour, 1U * per_hour}) {
        const double evidence = strongest(model, with_bursts(3 * day, every, 2)).evidence;
        EXPECT_GE(evidence, before) << every;
        before = evidence;
    }
    EXPECT_GT(before, 3);
}

TEST(Tails, MissingCellsAreNoEvents) {
    auto history = with_bursts(7 * day, 4 * per_hour);
    for (std::size_t i = 0; i < history.size(); i += 5) {
        history[i] = missing;
    }
    const TailModel model{history, 7 * day, cell_hours, quantile};
    EXPECT_EQ(strongest(model, Values(2 * day, missing)).evidence, 0);
}

TEST(Tails, OfNoHistoryOrShortWatchesAreSilent) {
    const Values high(2 * day, 100.0);
    EXPECT_EQ(strongest({Values{}, 7 * day, cell_hours, quantile}, high).evidence, 0);
    EXPECT_EQ(strongest({Values(day, missing), 7 * day, cell_hours, quantile}, high).evidence, 0);
    EXPECT_EQ(strongest({noise(5 * day, 1), 5 * per_hour, cell_hours, quantile}, high).evidence, 0);
    EXPECT_TRUE(
        std::isfinite(strongest({Values(3, 0.0), 7 * day, cell_hours, quantile}, high).evidence));
}

TEST(Tails, WindowsOfFewCellsProveNothing) {
    // Cells of an hour: twenty are needed, so that windows of six and twelve hours are silent.
    const TailModel model{Values(5 * 24, 0.0), 7 * 24, 1, quantile};
    EXPECT_EQ(strongest(model, Values(19, 5.0)).evidence, 0);
    EXPECT_GT(strongest(model, Values(40, 5.0)).hours, 20);
}

}  // namespace
}  // namespace holdfast::rules
