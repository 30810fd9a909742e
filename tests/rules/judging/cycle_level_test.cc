#include "rules/judging/cycle_level.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <random>

#include "tests/rules/judging/simulated_cells.h"

namespace holdfast::rules {
namespace {

using testing::noise;

constexpr std::size_t day = 288;
constexpr std::size_t week = 7 * day;
constexpr std::size_t weeks = 4;

/// A week that begins on a Monday.
CycleClock clock_of_week() {
    CycleClock clock;
    clock.calendar.resize(week);
    std::iota(clock.calendar.begin(), clock.calendar.end(), std::size_t{0});
    return clock;
}
CycleSettings settings() {
    return {};
}

double curve(std::size_t i) {
    return 0.3 * std::sin(2 * std::numbers::pi * static_cast<double>(i % day) / day);
}

/// A daily curve and noise, `size` blocks.
Values blocks(std::size_t size, std::uint64_t seed, double deviation = 0.1, double memory = 0.5) {
    auto out = noise(size, seed, memory);
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = deviation * out[i] + curve(i);
    }
    return out;
}

CycleSignal gauge(Values x) {
    return {.x = std::move(x),
            .up = true,
            .down = true,
            .tolerated = 0.02,
            .margin = std::log(1.1),
            .level_alpha = 0.5};
}

CycleTaught teach(const std::vector<CycleSignal>& signals, const Values& load = {}) {
    return teach_cycles(signals, load, clock_of_week(), settings());
}

struct Watched {
    std::array<std::size_t, 3> first{};  ///< block at which a severity was first seen, 0: never
    CycleWatch::Crossing strongest;
    bool proven = false;
    CycleWatch::Interval interval;
};

Watched watch(const CycleModel& model, const Values& x, const Values& load_residual = {}) {
    const auto clock = clock_of_week();
    CycleWatch watching{model, clock, settings(), true, true};
    Watched out;
    for (std::size_t i = 0; i < x.size(); ++i) {
        watching.add(x[i], i % week, load_residual.empty() ? 0 : load_residual[i]);
        const auto c = watching.crossing();
        for (int severity = 0; severity <= c.severity; ++severity) {
            auto& first = out.first[static_cast<std::size_t>(severity)];
            first = first == 0 ? i + 1 : first;
        }
        out.strongest = c.severity > out.strongest.severity ? c : out.strongest;
    }
    out.proven = watching.proven();
    out.interval = watching.since_start();
    return out;
}

Values plus(Values x, double shift, std::size_t first = 0, std::size_t last = week) {
    for (auto i = first; i < std::min(last, x.size()); ++i) {
        x[i] += shift;
    }
    return x;
}

TEST(CycleLevel, LearnsTheProfileOfTheCycle) {
    const auto model = teach({gauge(blocks(weeks * week, 1))}).signals.front();
    ASSERT_EQ(model.profile.size(), week);
    for (std::size_t p = 0; p < week; ++p) {
        EXPECT_NEAR(model.profile[p], curve(p), 0.15);
    }
    EXPECT_NEAR(model.sigma_middle, 0.1, 0.03);
    EXPECT_TRUE(model.known);
}

TEST(CycleLevel, TellsWeekendsFromWorkingDays) {
    const auto weekend = [](std::size_t i) { return i % week >= 5 * day ? -1.0 : 0.0; };
    auto history = blocks(weeks * week, 1);
    auto watched = blocks(week, 2);
    for (std::size_t i = 0; i < history.size(); ++i) {
        history[i] += weekend(i);
        if (i < week) {
            watched[i] += weekend(i);
        }
    }
    const auto seen = watch(teach({gauge(history)}).signals.front(), watched);
    EXPECT_EQ(seen.first[1], 0U);
    EXPECT_TRUE(seen.proven);
}

TEST(CycleLevel, BoundariesFallWithTheLengthOnlyAsFastAsNoiseAveragesOut) {
    const auto start_of = [](double memory) {
        const auto model = teach({gauge(blocks(weeks * week, 1, 0.1, memory))}).signals.front();
        return model.sides[0].start[1];
    };
    const auto& grid = curve_lengths;
    const auto slope = [&](const auto& log_boundary, std::size_t i, std::size_t k) {
        return (log_boundary[k] - log_boundary[i]) / std::log(grid[k] / grid[i]);
    };
    EXPECT_NEAR(slope(start_of(0), 4, 15), -0.5, 0.15);
    EXPECT_GT(slope(start_of(0.97), 0, 6), -0.3);
}

TEST(CycleLevel, BoundariesFallWithTheLengthAndRiseWithTheSeverity) {
    const auto model = teach({gauge(blocks(weeks * week, 1))}).signals.front();
    for (const auto& side : model.sides) {
        for (std::size_t i = 0; i < curve_lengths.size(); ++i) {
            EXPECT_LT(side.start[0][i], side.start[1][i]);
            EXPECT_LT(side.start[1][i], side.start[2][i]);
            EXPECT_LT(side.restart[0][i], side.restart[1][i]);
            EXPECT_LT(side.start[1][i], side.restart[1][i]);  // many of them share a budget
        }
        EXPECT_LT(side.start[1].back(), side.start[1].front());
    }
}

TEST(CycleLevel, AnUnchangedWeekIsProvenAndSilent) {
    int pages = 0;
    int proven = 0;
    constexpr int seeds = 12;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const auto all = blocks((weeks + 1) * week, seed);
        const auto split = all.begin() + weeks * week;
        const auto model = teach({gauge(Values(all.begin(), split))}).signals.front();
        const auto seen = watch(model, Values(split, all.end()));
        pages += seen.first[1] > 0 ? 1 : 0;
        proven += seen.proven ? 1 : 0;
        EXPECT_LT(seen.interval.lower, 0.02);
        EXPECT_GT(seen.interval.upper, -0.02);
    }
    EXPECT_LE(pages, 1);
    EXPECT_GE(proven, 11);
}

TEST(CycleLevel, AShiftIsSeenAndMoreIsSeenEarlier) {
    const auto model = teach({gauge(blocks(weeks * week, 1))}).signals.front();
    std::size_t before = week + 1;
    for (const double factor : {1.15, 1.3, 2.0, 4.0}) {
        const auto seen = watch(model, plus(blocks(day, 2), std::log(factor)));
        ASSERT_GT(seen.first[1], 0U) << factor;
        EXPECT_LE(seen.first[1], before) << factor;
        EXPECT_TRUE(seen.strongest.up);
        EXPECT_GT(seen.strongest.effect, 0);
        before = seen.first[1];
    }
    EXPECT_LE(before, 12U);
    const auto down = watch(model, plus(blocks(day, 2), -std::log(2.0)));
    EXPECT_GT(down.first[1], 0U);
    EXPECT_FALSE(down.strongest.up);
    EXPECT_LT(down.strongest.effect, 0);  // the mean residual
}

TEST(CycleLevel, AShiftLateInTheWatchIsSeenByRestarts) {
    const auto model = teach({gauge(blocks(weeks * week, 1))}).signals.front();
    const auto seen = watch(model, plus(blocks(week, 2), std::log(1.5), 4 * day));
    EXPECT_GT(seen.first[1], 4 * day);
    EXPECT_LT(seen.first[1], 4 * day + 36);
}

TEST(CycleLevel, ASpikeDoesNotPage) {
    const auto model = teach({gauge(blocks(weeks * week, 1))}).signals.front();
    for (const double height : {2.0, 100.0, 1e9}) {
        const auto seen = watch(model, plus(blocks(week, 2), height, 3 * day, 3 * day + 1));
        EXPECT_EQ(seen.first[1], 0U) << height;
    }
}

TEST(CycleLevel, TheFirstBlocksAreNotJudged) {
    const auto model = teach({gauge(blocks(weeks * week, 1))}).signals.front();
    const auto seen = watch(model, plus(blocks(day, 2), 5, 0, settings().settle));
    EXPECT_EQ(seen.first[0], 0U);
}

TEST(CycleLevel, AShiftOfTheMarginIsNotProven) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        const auto all = blocks((weeks + 1) * week, seed);
        const auto split = all.begin() + weeks * week;
        const auto model = teach({gauge(Values(all.begin(), split))}).signals.front();
        EXPECT_FALSE(watch(model, plus(Values(split, all.end()), std::log(1.1))).proven) << seed;
    }
}

TEST(CycleLevel, OnceIsAnIncidentTwiceIsAHabit) {
    auto once = plus(blocks(weeks * week, 1), 2, week + 100, week + 148);
    const auto scrubbed = teach({gauge(once)}).signals.front();
    EXPECT_NEAR(scrubbed.profile[124], curve(124), 0.15);
    const auto twice = plus(once, 2, 2 * week + 100, 2 * week + 148);
    EXPECT_GT(teach({gauge(twice)}).signals.front().profile[124], curve(124) + 0.5);
}

TEST(CycleLevel, APlaceboCycleThatWasLoudRaisesTheBar) {
    auto loud = blocks(weeks * week, 1);
    for (std::size_t i = 0; i < loud.size(); ++i) {  // every week has its own bad half day
        const auto w = i / week;
        loud[i] += i % week > (2 * w) * day / 2 && i % week < (2 * w + 1) * day / 2 ? 0.4 : 0;
    }
    const auto calm = teach({gauge(blocks(weeks * week, 1))}).signals.front();
    const auto raised = teach({gauge(loud)}).signals.front();
    const auto watched = plus(blocks(week, 2), 0.4, 5 * day, 5 * day + day / 2);
    EXPECT_GT(watch(calm, watched).first[1], 0U);
    EXPECT_EQ(watch(raised, watched).first[1], 0U);
    EXPECT_GT(watch(raised, plus(blocks(week, 2), 2, day)).first[1], 0U);  // it can still page
}

TEST(CycleLevel, TakesOutWhatTheLoadExplains) {
    const auto load = noise(weeks * week, 3, 0.999);
    auto x = blocks(weeks * week, 1, 0.05);
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] += 0.2 * load[i];
    }
    const auto taught = teach({gauge(x)}, load);
    const auto& model = taught.signals.front();
    EXPECT_NEAR(model.load_slope, 0.2, 0.03);
    EXPECT_EQ(taught.load_profile.size(), week);
    EXPECT_NEAR(
        model.residual(model.upper[5] + 1.0, 5, 2) - model.residual(model.upper[5] + 1.0, 5, 0),
        -2 * model.load_slope, 1e-9);

    auto own = gauge(x);
    own.may_use_load = false;
    EXPECT_EQ(teach({own}, load).signals.front().load_slope, 0);
}

TEST(CycleLevel, MissingBlocksSayNothing) {
    const auto model = teach({gauge(blocks(weeks * week, 1))}).signals.front();
    const auto seen = watch(model, Values(week, missing));
    EXPECT_EQ(seen.first[0], 0U);
    EXPECT_FALSE(seen.proven);
    EXPECT_EQ(seen.interval.blocks, 0);
    auto holes = blocks(weeks * week, 1);
    for (std::size_t i = 0; i < holes.size(); i += 3) {
        holes[i] = missing;
    }
    const auto other = teach({gauge(holes)}).signals.front();
    EXPECT_NEAR(other.sigma_middle, model.sigma_middle, 0.02);
    EXPECT_GT(watch(other, plus(blocks(day, 2), 0.7)).first[1], 0U);
}

TEST(CycleLevel, WhatTheHistoryLacksIsNotKnown) {
    auto late = blocks(weeks * week, 2);
    std::fill(late.begin(), late.end() - day, missing);
    auto events = gauge({});
    events.is_ratio = true;
    events.bad = events.all = Values(weeks * week, 0.0);
    const auto taught = teach({gauge(blocks(weeks * week, 1)), gauge(Values(weeks * week, missing)),
                               gauge(late), events});
    EXPECT_TRUE(taught.signals[0].known);
    EXPECT_FALSE(taught.signals[1].known);
    EXPECT_FALSE(taught.signals[2].known);
    EXPECT_FALSE(taught.signals[3].known);
    EXPECT_EQ(watch(taught.signals[0], blocks(day, 2)).first[1], 0U);
    EXPECT_GT(watch(taught.signals[0], plus(blocks(day, 2), 0.7)).first[1], 0U);
}

TEST(CycleLevel, AWarmUpOfHoursIsTaken) {
    for (const std::size_t settle : {0U, 3U, 12U, 13U, 15U, 18U, 19U, 36U, 600U, 5000U}) {
        auto s = settings();
        s.settle = settle;
        const auto clock = clock_of_week();
        const auto taught = teach_cycles({gauge(blocks(weeks * week, 1))}, {}, clock, s);
        CycleWatch watching{taught.signals.front(), clock, s, true, true};
        const auto x = plus(blocks(week, 2), 0.7);
        std::size_t first = 0;
        for (std::size_t i = 0; i < x.size() && first == 0; ++i) {
            watching.add(x[i], i, 0);
            first = watching.crossing().severity >= 1 ? i + 1 : 0;
        }
        if (settle > week) {
            EXPECT_EQ(first, 0U);
        } else {
            EXPECT_GT(first, settle) << settle;
            EXPECT_LE(first, settle + 24) << settle;
        }
    }
}

TEST(CycleLevel, TwoWeeksAreEnough) {
    const auto model = teach({gauge(blocks(2 * week, 1))}).signals.front();
    EXPECT_EQ(watch(model, blocks(day, 2)).first[1], 0U);
    EXPECT_GT(watch(model, plus(blocks(day, 2), 0.7)).first[1], 0U);
}

TEST(CycleLevel, SignalsLearntTogetherKeepTheirOwnProfiles) {
    auto other = blocks(weeks * week, 5);
    for (double& v : other) {
        v = 7 - v;
    }
    const auto taught = teach({gauge(blocks(weeks * week, 1)), gauge(other)});
    ASSERT_EQ(taught.signals.size(), 2U);
    EXPECT_NEAR(taught.signals[0].profile[72], curve(72), 0.15);
    EXPECT_NEAR(taught.signals[1].profile[72], 7 - curve(72), 0.15);
}

TEST(CycleLevel, ARatioIsJudgedByTheShareOfItsBadEvents) {
    std::mt19937_64 engine{7};
    const auto events = [&](double share, std::size_t size) {
        CycleSignal s{.is_ratio = true,
                      .bad = {},
                      .all = {},
                      .tolerated = 0.02,
                      .margin = 0.5,
                      .level_alpha = 0.5};
        for (std::size_t i = 0; i < size; ++i) {
            s.all.push_back(1000);
            s.bad.push_back(std::binomial_distribution<int>{1000, share}(engine));
        }
        return s;
    };
    const auto model = teach({events(0.01, weeks * week)}).signals.front();
    EXPECT_NEAR(model.profile[100], 0.01, 0.002);
    EXPECT_NEAR(model.residual(0.02, 100, 0), 1, 0.3);
    const auto shares = [&](double share) {
        Values out;
        for (const double bad : events(share, day).bad) {
            out.push_back(bad / 1000);
        }
        return out;
    };
    EXPECT_EQ(watch(model, shares(0.01)).first[1], 0U);
    const auto doubled = watch(model, shares(0.02));
    EXPECT_GT(doubled.first[1], 0U);
    EXPECT_LE(doubled.first[1], 36U);
}

}  // namespace
}  // namespace holdfast::rules
