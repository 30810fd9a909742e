#include "rules/judging/ensemble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>

#include "tests/rules/judging/simulated_cells.h"

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
using namespace testing;  // the simulated cells

constexpr Shape quiet{.level = 100, .daily = 0.05, .noise = 0.02};
constexpr Shape noisy{.level = 5, .daily = 0.3, .noise = 0.25};

EnsembleSignal cost(std::string name, Direction worse = Direction::up) {
    return {.name = std::move(name), .worse = worse};
}
EnsembleSignal traffic(std::string name) {
    return {.name = std::move(name), .kind = Kind::rate, .worse = Direction::both, .is_load = true};
}

/// What the classes of signals are; `f` worsens them from the upgrade on.
enum Class : std::size_t {
    is_quiet,
    is_noisy,
    is_sparse,
    is_constant,
    is_bounded,
    is_integer,
    is_ratio,
    classes
};

Machine one_of_each(const Course& course, std::uint64_t seed) {
    Machine m{course};
    const auto s = seed * 1000;
    m.add(cost("quiet_bytes"), gauge(course, quiet, s + 1));
    m.add(cost("noisy_seconds"), gauge(course, noisy, s + 2));
    m.add(cost("sparse_count"), mostly_zero(course, 0.3, s + 3));
    m.add(cost("constant_count"), constant(course, 12));
    m.add(cost("busy_ratio"), gauge(course, {.level = 0.3, .daily = 0.2, .noise = 0.08}, s + 4));
    m.add(cost("threads_count"), integers(course, 24, s + 5));
    auto errors = cost("errors_ratio");
    errors.kind = Kind::ratio;
    errors.is_errors = true;
    m.add(errors, bad_events(course, 0.01, 2000, s + 6));
    return m;
}

/// The same machine with one signal's cells times `factor` from `after` the upgrade on.
Machine worsened(Machine m, std::size_t signal, double factor, Milliseconds after = 0ms) {
    m.cells[signal] = times(m.cells[signal], factor, m.course.cell_at(after));
    return m;
}

Course short_course() {
    return {.watch = 24h, .planned = 24h * 7};
}

/// Equal, or as near as `tolerance`, a ratio above one.
void expect_near(double a, double b, double tolerance) {
    EXPECT_TRUE(a == b || std::abs(a - b) <= tolerance * std::max(1.0, std::abs(a)))
        << a << " and " << b;
}
void expect_same(const EnsembleAlert& a, const EnsembleAlert& b, double tolerance = 0) {
    EXPECT_EQ(a.signal, b.signal);
    EXPECT_EQ(a.severity, b.severity);
    EXPECT_EQ(a.at, b.at);
    EXPECT_EQ(a.until, b.until);
    EXPECT_EQ(a.detector, b.detector);
    EXPECT_EQ(a.up, b.up);
    expect_near(a.effect_ratio, b.effect_ratio, tolerance);
    expect_near(a.excess, b.excess, tolerance);
}
void expect_same(const EnsembleJudged& a, const EnsembleJudged& b, double tolerance = 0) {
    EXPECT_EQ(a.judgement, b.judgement);
    EXPECT_EQ(a.severity, b.severity);
    expect_near(a.effect_ratio, b.effect_ratio, tolerance);
    expect_near(a.effect_lower_ratio, b.effect_lower_ratio, tolerance);
    expect_near(a.effect_upper_ratio, b.effect_upper_ratio, tolerance);
    expect_near(a.margin_ratio, b.margin_ratio, tolerance);
    EXPECT_EQ(a.coverage_ratio, b.coverage_ratio);
}
void expect_same(const Outcome& a, const Outcome& b, double tolerance = 0) {
    ASSERT_EQ(a.alerts.size(), b.alerts.size());
    for (std::size_t i = 0; i < a.alerts.size(); ++i) {
        SCOPED_TRACE(::testing::Message() << "alert " << i);
        expect_same(a.alerts[i], b.alerts[i], tolerance);
    }
    ASSERT_EQ(a.judged.size(), b.judged.size());
    for (std::size_t i = 0; i < a.judged.size(); ++i) {
        SCOPED_TRACE(::testing::Message() << "signal " << i);
        expect_same(a.judged[i], b.judged[i], tolerance);
    }
}

void expect_no_nonsense(const Outcome& outcome) {
    for (const auto& j : outcome.judged) {
        for (const double v : {j.effect_ratio, j.effect_lower_ratio, j.effect_upper_ratio,
                               j.margin_ratio, j.coverage_ratio}) {
            EXPECT_FALSE(std::isnan(v));
        }
        EXPECT_GE(j.coverage_ratio, 0);
        EXPECT_LE(j.coverage_ratio, 1);
    }
    for (const auto& e : outcome.evidence) {
        EXPECT_FALSE(e.reason.empty());
        EXPECT_THAT(e.reason, ::testing::Not(::testing::HasSubstr("nan")));
    }
    for (const auto& a : outcome.alerts) {
        EXPECT_FALSE(std::isnan(a.effect_ratio));
        EXPECT_FALSE(std::isnan(a.excess));
        EXPECT_LE(a.at, a.until);
    }
}

std::string in_words(const Outcome& outcome, const Machine& m) {
    std::string out;
    for (const auto& a : outcome.alerts) {
        out += m.signals[a.signal].name + " severity " +
               std::to_string(static_cast<int>(a.severity)) + " by " + std::string{a.detector} +
               " at " + std::to_string((a.at - m.course.upgrade) / 1min) + " min, effect " +
               std::to_string(a.effect_ratio) + "\n";
    }
    return out;
}

/// Both regimes: a history of days, and one of whole weeks that is judged by cycles.
class EitherRegime : public ::testing::TestWithParam<bool> {
public:
    static Course course(Milliseconds watched = 24h) {
        if (GetParam()) {
            return Course::weeks(4, watched);
        }
        auto c = short_course();
        c.watch = watched;
        return c;
    }
};
INSTANTIATE_TEST_SUITE_P(Ensemble, EitherRegime, ::testing::Bool(), [](const auto& tested) {
    return tested.param ? "FourWeeks" : "FiveDays";
});

// --- unchanged machines ------------------------------------------------------------------------

TEST_P(EitherRegime, UnchangedMachinesAreNotPaged) {
    // The levels allow 5 % of upgrades a page and 1 % a rollback: of 20, one is likely, three not.
    int paged = 0;
    int rolled_back = 0;
    std::string log;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto m = one_of_each(course(24h * 2), seed);
        const auto seen = learn_and_watch(m);
        paged += seen.count(Severity::page) > 0 ? 1 : 0;
        rolled_back += seen.count(Severity::rollback) > 0 ? 1 : 0;
        log += seen.count(Severity::page) > 0 ? in_words(seen, m) : "";
    }
    EXPECT_LE(paged, 2) << log;
    EXPECT_LE(rolled_back, 1) << log;
}

// --- changed machines --------------------------------------------------------------------------

TEST_P(EitherRegime, EveryClassOfSignalPagesWithinHoursOfADoubling) {
    const auto m = one_of_each(course(24h), 1);
    const auto model = m.learn();
    for (std::size_t signal = 0; signal < classes; ++signal) {
        SCOPED_TRACE(m.signals[signal].name);
        const auto seen = watch(model, worsened(m, signal, 2));
        const auto* alert = seen.first(signal);
        ASSERT_TRUE(alert) << in_words(seen, m);
        // What is mostly zero is seen by its tail alone, in windows of half a day and more.
        EXPECT_LE(alert->at - m.course.upgrade, signal == is_sparse ? 24h : 6h);
        EXPECT_TRUE(alert->up);
        EXPECT_GT(alert->effect_ratio, 0.2);
        for (std::size_t other = 0; other < classes; ++other) {
            EXPECT_TRUE(other == signal || !seen.speaks(other)) << in_words(seen, m);
        }
    }
}

TEST_P(EitherRegime, AnAlertTellsHowMuchMore) {
    const auto m = one_of_each(course(6h), 1);
    const auto model = m.learn();
    for (const std::size_t signal : {is_quiet, is_constant, is_bounded, is_integer}) {
        const auto seen = watch(model, worsened(m, signal, 2));
        ASSERT_TRUE(seen.first(signal)) << m.signals[signal].name;
        EXPECT_NEAR(seen.first(signal)->effect_ratio, 1, 0.5) << in_words(seen, m);
    }
}

TEST_P(EitherRegime, WhatStaysWorseStaysRegressed) {
    const auto m = one_of_each(course(24h), 1);
    const auto model = m.learn();
    for (const std::size_t signal : {is_quiet, is_constant, is_bounded, is_integer, is_ratio}) {
        const auto j = watch(model, worsened(m, signal, 1.5)).judged[signal];
        EXPECT_EQ(j.judgement, Judgement::regressed);
    }
}

TEST_P(EitherRegime, ALargerFactorAlertsNoLater) {
    const auto m = one_of_each(course(12h), 2);
    const auto model = m.learn();
    for (std::size_t signal = 0; signal < classes; ++signal) {
        auto before = Timestamp::max();
        for (const double factor : {1.1, 1.2, 1.5, 2.0, 3.0, 10.0}) {
            const auto seen = watch(model, worsened(m, signal, factor));
            const auto* alert = seen.first(signal, Severity::warn);
            EXPECT_TRUE(alert || before == Timestamp::max())
                << m.signals[signal].name << " x " << factor;
            if (alert) {
                EXPECT_LE(alert->at, before) << m.signals[signal].name << " x " << factor;
                before = alert->at;
            }
        }
        EXPECT_NE(before, Timestamp::max()) << m.signals[signal].name;
    }
}

TEST_P(EitherRegime, AFallIsSeenWhereFallingIsWorse) {
    Machine m{course(6h)};
    m.add(cost("up_bytes", Direction::up), gauge(m.course, quiet, 1));
    m.add(cost("down_bytes", Direction::down), gauge(m.course, quiet, 2));
    m.add(cost("both_bytes", Direction::both), gauge(m.course, quiet, 3));
    const auto model = m.learn();
    for (std::size_t signal = 0; signal < 3; ++signal) {
        const auto seen = watch(model, worsened(m, signal, 0.5));
        const auto* alert = seen.first(signal);
        EXPECT_EQ(alert != nullptr, signal > 0) << in_words(seen, m);
        if (alert) {
            EXPECT_FALSE(alert->up);
            EXPECT_NEAR(alert->effect_ratio, -0.5, 0.2);  // 50 % less
        }
    }
    EXPECT_FALSE(watch(model, worsened(m, 1, 2)).speaks(1));
    EXPECT_TRUE(watch(model, worsened(m, 2, 2)).speaks(2));
}

TEST_P(EitherRegime, AnEffectHasTheSignOfTheChange) {
    Machine m{course()};
    m.add(cost("up_bytes", Direction::up), gauge(m.course, quiet, 1));
    m.add(cost("down_bytes", Direction::down), gauge(m.course, quiet, 2));
    m.cells[0] = times(m.cells[0], 1.5, m.course.before());
    m.cells[1] = times(m.cells[1], 0.7, m.course.before());
    const auto judged = learn_and_watch(m).judged;
    EXPECT_NEAR(judged[0].effect_ratio, 0.5, 0.2);
    EXPECT_NEAR(judged[1].effect_ratio, -0.3, 0.1);
    for (const auto& j : judged) {
        EXPECT_LT(j.effect_lower_ratio, j.effect_ratio);
        EXPECT_LT(j.effect_ratio, j.effect_upper_ratio);
    }
}

TEST_P(EitherRegime, AJudgedEffectIsTheChangeInItsMiddle) {
    Machine m{course()};
    m.add(cost("quiet_bytes"), gauge(m.course, quiet, 1));
    m.cells[0] = times(m.cells[0], 1.04, m.course.before());
    const auto j = learn_and_watch(m).judged.front();
    EXPECT_NEAR(j.effect_ratio, 0.04, 0.02);
    EXPECT_LT(j.effect_lower_ratio, 0.04);
    EXPECT_GT(j.effect_upper_ratio, 0.04);
    EXPECT_NEAR(j.margin_ratio, 0.1, 1e-6);
}

TEST_P(EitherRegime, ABlockOffAConstantIsNoPage) {
    Machine m{course()};
    m.add(cost("queue_count"), constant(m.course, 0));
    m.add(cost("threads_count"), constant(m.course, 12));
    const auto k = m.course.cell_at(12h);
    m.cells[0][k].numerator = 1;
    m.cells[1][k].numerator = 13;
    const auto seen = learn_and_watch(m);
    EXPECT_EQ(seen.count(Severity::page), 0U) << in_words(seen, m);
}

TEST_P(EitherRegime, OneBadEventOfARatioWithoutAnyIsNoPage) {
    Machine m{course()};
    auto errors = cost("errors_ratio");
    errors.kind = Kind::ratio;
    errors.is_errors = true;
    m.add(errors, bad_events(m.course, 0, 2000, 1));
    m.cells[0][m.course.cell_at(12h)].numerator = 1;
    const auto seen = learn_and_watch(m);
    EXPECT_EQ(seen.count(Severity::page), 0U) << in_words(seen, m);
}

TEST_P(EitherRegime, ErrorsWhereThereWereNoneArePaged) {
    Machine m{course(6h)};
    auto errors = cost("errors_ratio");
    errors.kind = Kind::ratio;
    errors.is_errors = true;
    m.add(errors, bad_events(m.course, 0, 2000, 1));
    const auto after = bad_events(m.course, 0.02, 2000, 2);
    std::copy(after.begin() + static_cast<std::ptrdiff_t>(m.course.before()), after.end(),
              m.cells[0].begin() + static_cast<std::ptrdiff_t>(m.course.before()));
    const auto seen = learn_and_watch(m);
    EXPECT_TRUE(seen.speaks(0));
}

TEST_P(EitherRegime, AnEpisodeEndsAndTheSignalIsNoLongerRegressed) {
    Machine m{course(48h)};
    m.add(cost("quiet_bytes"), gauge(m.course, quiet, 1));
    m.cells[0] = times(m.cells[0], 2, m.course.cell_at(2h), m.course.cell_at(5h));
    Judgement during{};
    const auto model = m.learn();
    const auto seen = watch(model, m, [&](const EnsembleWatch& w) {
        if (w.now() == m.course.upgrade + 5h) {
            during = w.judged().front().judgement;
        }
    });
    EXPECT_EQ(during, Judgement::regressed);
    ASSERT_TRUE(seen.first(0)) << in_words(seen, m);
    EXPECT_GE(seen.first(0)->at, m.course.upgrade + 2h);
    EXPECT_NE(seen.judged.front().judgement, Judgement::regressed) << in_words(seen, m);
}

TEST_P(EitherRegime, TheWarmUpIsNoPartOfWholeCycles) {
    auto c = course(6h);
    c.warmup = 45min;
    Machine m{c};
    m.add(cost("quiet_bytes"), gauge(c, quiet, 1));
    m.cells[0] = times(m.cells[0], 3, c.before());
    const auto seen = learn_and_watch(m);
    ASSERT_TRUE(seen.first(0)) << in_words(seen, m);
    if (GetParam()) {
        EXPECT_GT(seen.first(0)->at, c.upgrade + c.warmup);
        EXPECT_LE(seen.first(0)->at, c.upgrade + c.warmup + 1h);
    } else {
        EXPECT_LE(seen.first(0)->at, c.upgrade + 20min);
    }
}

TEST_P(EitherRegime, ALongWarmUpIsTaken) {
    for (const Milliseconds warmup : {75min, 180min}) {
        auto c = course(48h);
        c.warmup = warmup;
        Machine m{c};
        m.add(cost("quiet_bytes"), gauge(c, quiet, 1));
        const auto seen = learn_and_watch(m);
        expect_no_nonsense(seen);
        EXPECT_EQ(seen.count(Severity::page), 0U);
        EXPECT_TRUE(learn_and_watch(worsened(m, 0, 2, 4h)).speaks(0));
    }
}

// --- what must not matter ----------------------------------------------------------------------

TEST_P(EitherRegime, UnitsDoNotMatter) {
    auto m = one_of_each(course(12h), 3);
    m.add(cost("signed_count", Direction::both), gauge(m.course, quiet, 77));
    for (auto& c : m.cells.back()) {
        c.numerator -= 100;  // about zero, as often below as above
    }
    m = worsened(worsened(worsened(m, is_noisy, 3), is_constant, 1.5), is_quiet, 1.3, 3h);
    const auto expected = learn_and_watch(m);
    EXPECT_GT(expected.alerts.size(), 2U);
    for (const double unit : {1e9, 1e-9}) {
        SCOPED_TRACE(unit);
        auto other = m;
        for (std::size_t i = 0; i < m.cells.size(); ++i) {
            if (m.signals[i].kind != Kind::ratio) {
                other.cells[i] = times(m.cells[i], unit);
            }
        }
        expect_same(expected, learn_and_watch(other), 1e-6);
    }
}

TEST_P(EitherRegime, UnitsOfNegativeSignalsDoNotMatter) {
    Machine m{course(12h)};
    m.add(cost("temperature_celsius", Direction::both), times(gauge(m.course, quiet, 1), -1));
    m = worsened(m, 0, 1.5);
    const auto expected = learn_and_watch(m);
    EXPECT_TRUE(expected.speaks(0));
    for (const double unit : {1e9, 1e-9}) {
        SCOPED_TRACE(unit);
        auto other = m;
        other.cells[0] = times(m.cells[0], unit);
        expect_same(expected, learn_and_watch(other), 1e-6);
    }
}

TEST_P(EitherRegime, ANegativeSignalIsJudgedByItsSize) {
    Machine m{course(12h)};
    m.add(cost("temperature_celsius", Direction::both), times(gauge(m.course, quiet, 1), -1));
    m = worsened(m, 0, 1.5);
    const auto seen = learn_and_watch(m);
    ASSERT_TRUE(seen.speaks(0));
    EXPECT_FALSE(seen.first(0)->up);  // further below zero
    EXPECT_NEAR(seen.judged.front().effect_ratio, -0.5, 0.2);
    m = worsened(m, 0, 1.06 / 1.5);  // within the margin, and far out of the noise
    EXPECT_NEAR(learn_and_watch(m).judged.front().effect_ratio, -0.06, 0.03);
}

TEST_P(EitherRegime, UnitsOfWhatWasAlwaysZeroDoNotMatter) {
    Machine m{course(12h)};
    m.add(cost("dropped_count"), constant(m.course, 0));
    for (auto i = m.course.before(); i < m.course.size(); ++i) {
        m.cells[0][i].numerator = 3;
    }
    for (const double unit : {1.0, 1e9, 1e-9}) {
        auto other = m;
        other.cells[0] = times(m.cells[0], unit);
        EXPECT_TRUE(learn_and_watch(other).speaks(0)) << unit;
    }
}

Machine with_traffic(const Course& course, std::uint64_t seed, std::size_t loads = 4) {
    auto m = one_of_each(course, seed);
    const auto common =
        gauge_values(course, {.level = 1, .daily = 0.4, .noise = 0.1, .memory = 0.9}, seed + 500);
    for (std::size_t i = 0; i < loads; ++i) {
        auto values =
            gauge_values(course, {.level = 50, .daily = 0, .noise = 0.02}, seed + 600 + i);
        for (std::size_t k = 0; k < values.size(); ++k) {
            values[k] *= common[k];
        }
        m.add(traffic("requests_" + std::to_string(i) + "_per_second"), cells_of(values));
    }
    auto cpu = gauge_values(course, {.level = 0.2, .daily = 0, .noise = 0.03}, seed + 700);
    for (std::size_t k = 0; k < cpu.size(); ++k) {
        cpu[k] *= common[k];
    }
    m.add(cost("cpu_busy_ratio"), cells_of(cpu));
    return m;
}

void expect_permutes(const Machine& m) {
    const auto n = m.signals.size();
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::reverse(order.begin(), order.end());
    std::rotate(order.begin(), order.begin() + 2, order.end());
    Machine moved{m.course};
    std::vector<std::size_t> place(n);
    for (std::size_t i = 0; i < n; ++i) {
        moved.add(m.signals[order[i]], m.cells[order[i]]);
        place[order[i]] = i;
    }
    auto expected = learn_and_watch(m);
    const auto other = learn_and_watch(moved);
    const auto by_place = [](const auto& a, const auto& b) {
        return std::tuple{a.at, a.signal, a.severity} < std::tuple{b.at, b.signal, b.severity};
    };
    for (auto& a : expected.alerts) {
        a.signal = place[a.signal];
    }
    std::sort(expected.alerts.begin(), expected.alerts.end(), by_place);
    auto judged = expected.judged;
    for (std::size_t i = 0; i < n; ++i) {
        judged[place[i]] = expected.judged[i];
    }
    expected.judged = judged;
    auto sorted = other;
    std::sort(sorted.alerts.begin(), sorted.alerts.end(), by_place);
    expect_same(expected, sorted, 1e-9);
}

TEST_P(EitherRegime, TheOrderOfSignalsDoesNotMatter) {
    auto m = with_traffic(course(12h), 4, 3);
    m = worsened(worsened(m, is_quiet, 1.5), is_sparse, 4, 2h);
    expect_permutes(m);
}

TEST_P(EitherRegime, TheOrderOfSignalsDoesNotMatterWhenTheCommonLoadFalls) {
    auto m = with_traffic(course(12h), 4);
    m.signals[classes].margin = {0.3, 0};  // load signals need not be alike
    for (auto i = std::size_t{classes}; i < classes + 4; ++i) {
        m = worsened(m, i, 0.4, 1h);
    }
    expect_permutes(m);
}

TEST_P(EitherRegime, TheSameCellsGiveTheSame) {
    auto m = with_traffic(course(8h), 5);
    m = worsened(worsened(m, is_quiet, 1.5), is_integer, 2, 2h);
    const auto model = m.learn();
    const auto expected = watch(model, m);
    EXPECT_FALSE(expected.alerts.empty());
    expect_same(expected, watch(model, m));
    expect_same(expected, learn_and_watch(m));
    expect_same(expected, watch(model, m, [](const EnsembleWatch& w) {
                    EXPECT_EQ(w.judged().size(), classes + 5U);  // looking changes nothing
                    EXPECT_LE(w.alerts().size(), 1000U);
                }));
}

TEST_P(EitherRegime, TheOrderInWhichSignalsAreLearntDoesNotMatter) {
    const auto m = worsened(with_traffic(course(8h), 5), is_quiet, 1.5);
    std::vector<Cells> history;
    for (const auto& c : m.cells) {
        history.emplace_back(c.begin(), c.begin() + static_cast<std::ptrdiff_t>(m.course.before()));
    }
    const auto backwards = [](std::size_t n, const std::function<void(std::size_t)>& call) {
        while (n-- > 0) {
            call(n);
        }
    };
    expect_same(learn_and_watch(m),
                watch(learn_ensemble(m.course.plan(), m.signals, history, backwards), m));
}

TEST_P(EitherRegime, ASignalsAlertsDoNotComeFromItsFuture) {
    auto m = one_of_each(course(8h), 6);
    m = worsened(m, is_quiet, 1.5, 1h);
    const auto model = m.learn();
    EnsembleWatch early{model};
    for (auto i = m.course.before(); i < m.course.cell_at(4h); ++i) {
        early.take(m.now(i));
    }
    EnsembleWatch late{model};
    for (auto i = m.course.before(); i < m.course.size(); ++i) {
        late.take(m.now(i));
    }
    EXPECT_EQ(early.now(), m.course.upgrade + 4h);
    const auto a = early.alerts();
    const auto b = late.alerts();
    ASSERT_FALSE(a.empty());
    ASSERT_GE(b.size(), a.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        EXPECT_EQ(a[i].signal, b[i].signal);
        EXPECT_EQ(a[i].at, b[i].at);
        EXPECT_EQ(a[i].severity, b[i].severity);
        EXPECT_LE(a[i].until, b[i].until);
    }
}

TEST_P(EitherRegime, AWatchCanBeMoved) {
    const auto m = worsened(one_of_each(course(4h), 6), is_quiet, 2);
    const auto model = m.learn();
    EnsembleWatch first{model};
    for (auto i = m.course.before(); i < m.course.cell_at(2h); ++i) {
        first.take(m.now(i));
    }
    EnsembleWatch second{std::move(first)};
    for (auto i = m.course.cell_at(2h); i < m.course.size(); ++i) {
        second.take(m.now(i));
    }
    second.finish();
    expect_same(watch(model, m), {second.alerts(), second.judged(), {}});
}

// --- proof -------------------------------------------------------------------------------------

/// Time after the upgrade at which a signal was first proven.
std::optional<Milliseconds> proven_after(const std::shared_ptr<const EnsembleModel>& model,
                                         const Machine& m, std::size_t signal = 0) {
    std::optional<Milliseconds> out;
    std::size_t looks = 0;
    watch(model, m, [&](const EnsembleWatch& w) {
        const auto since = w.now() - m.course.upgrade;
        const bool near_the_end = since + 2h > m.course.cycle;
        if (!out && (near_the_end || ++looks % 12 == 0) &&
            w.judged()[signal].judgement == Judgement::proven) {
            out = since;
        }
    });
    return out;
}

Machine quiet_machine(const Course& course, std::uint64_t seed) {
    Machine m{course};
    m.add(cost("quiet_bytes"), gauge(course, quiet, seed));
    return m;
}

TEST_P(EitherRegime, NothingIsProvenBeforeAWholeCycle) {
    for (const auto cycle : {24h, 24h * 7}) {
        if (GetParam() && cycle != 24h * 7) {
            continue;
        }
        auto c = course(cycle + 6h);
        c.cycle = cycle;
        for (std::uint64_t seed = 1; seed <= 4; ++seed) {
            const auto m = quiet_machine(c, seed);
            const auto after = proven_after(m.learn(), m);
            EXPECT_TRUE(!after || *after > cycle - 1h) << *after / 1min;  // 60 % of the last hour
        }
    }
}

TEST(EnsembleProof, AnUnchangedWeekIsProven) {
    int proven = 0;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        const auto m = quiet_machine(Course::weeks(4, 24h * 7), seed);
        const auto j = learn_and_watch(m).judged.front();
        proven += j.judgement == Judgement::proven ? 1 : 0;
        EXPECT_EQ(j.coverage_ratio, 1);
        if (j.judgement == Judgement::proven) {
            EXPECT_LT(j.effect_lower_ratio, 0.02);
        }
    }
    EXPECT_GE(proven, 5);
}

TEST(EnsembleProof, EveryClassIsProvenOrAtLeastNotConvicted) {
    const auto m = one_of_each(Course::weeks(4, 24h * 7), 8);
    const auto seen = learn_and_watch(m);
    for (const std::size_t signal : {is_quiet, is_constant, is_bounded, is_integer, is_ratio}) {
        EXPECT_EQ(seen.judged[signal].judgement, Judgement::proven);
    }
    EXPECT_EQ(seen.count(Severity::page), 0U) << in_words(seen, m);
}

TEST(EnsembleProof, WhatIsAlwaysTheSameIsProven) {
    for (const auto& c : {Course::weeks(4, 24h * 7), Course{.history = 24h * 10, .cycle = 24h}}) {
        Machine m{c};
        auto errors = cost("errors_ratio");
        errors.kind = Kind::ratio;
        m.add(cost("zero_count"), constant(c, 0));
        m.add(cost("constant_count"), constant(c, 12));
        m.add(cost("negative_celsius", Direction::both), constant(c, -7));
        m.add(errors, bad_events(c, 0, 1000, 1));
        for (const auto& j : learn_and_watch(m).judged) {
            EXPECT_EQ(j.judgement, Judgement::proven);
            EXPECT_GT(j.margin_ratio, 0);
        }
    }
}

TEST(EnsembleProof, WhatIsNearlyZeroIsProvenWhereSomebodySaysWhatMatters) {
    Course c;
    c.cell = 1s;
    c.history = 36s;
    c.watch = 20s;
    c.planned = c.cycle = 18s;
    std::size_t proven = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        std::mt19937_64 random{seed};
        std::lognormal_distribution<> stalled{std::log(0.05), 1.2};
        Values values;
        for (std::size_t i = 0; i < c.size(); ++i) {
            values.push_back(std::min(1.0, stalled(random)));
        }
        Machine m{c};
        auto signal = cost("stalled_ratio");
        signal.tolerated.absolute = 0.10;
        signal.margin.absolute = 0.30;
        m.add(signal, cells_of(values));
        const auto seen = learn_and_watch(m);
        EXPECT_EQ(seen.count(Severity::warn), 0U) << in_words(seen, m);
        proven += seen.judged.front().judgement == Judgement::proven ? 1 : 0;
        const auto worse = learn_and_watch(Machine{c}.add(signal, [&] {
            auto cells = m.cells.front();
            for (auto i = c.before(); i < c.size(); ++i) {
                cells[i].numerator += 0.6;
            }
            return cells;
        }()));
        EXPECT_TRUE(worse.speaks(0)) << seed;
    }
    EXPECT_EQ(proven, 20U);
}

TEST_P(EitherRegime, LearningMayStopAnywhere) {  // a daemon that is asked to end does not finish it
    const auto m = one_of_each(course(), 9);
    std::vector<Cells> history;
    for (const auto& c : m.cells) {
        history.emplace_back(c.begin(), c.begin() + static_cast<std::ptrdiff_t>(m.course.before()));
    }
    const auto learnt_with = [&](std::size_t most) {
        std::size_t calls = 0;
        const auto until_stopped = [&](std::size_t n, const auto& call) {
            for (std::size_t i = 0; i < n && calls < most; ++i, ++calls) {
                call(i);
            }
        };
        return learn_ensemble(m.course.plan(), m.signals, history, until_stopped);
    };
    std::size_t all = 0;
    const auto counting = [&](std::size_t n, const auto& call) {
        all += n;
        one_by_one(n, call);
    };
    ASSERT_TRUE(learn_ensemble(m.course.plan(), m.signals, history, counting));
    for (std::size_t most = 0; most < all; ++most) {
        EXPECT_FALSE(learnt_with(most)) << most;  // half of a model judges nothing
    }
    EXPECT_TRUE(learnt_with(all));
}

TEST_P(EitherRegime, IntervalsAreFinite) {  // they go into metrics and JSON
    const auto m = one_of_each(course(), 9);
    for (const auto& j : learn_and_watch(m).judged) {
        EXPECT_TRUE(std::isfinite(j.effect_lower_ratio));
        EXPECT_TRUE(std::isfinite(j.effect_upper_ratio));
    }
}

TEST(EnsembleProof, AnUnchangedDayIsProvenByAShortCycle) {
    int proven = 0;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        const auto m = quiet_machine({.history = 24h * 10, .watch = 24h, .cycle = 24h}, seed);
        proven += learn_and_watch(m).judged.front().judgement == Judgement::proven ? 1 : 0;
    }
    EXPECT_GE(proven, 5);
}

TEST(EnsembleProof, AShiftOfExactlyTheMarginIsNotProven) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        auto m = quiet_machine(Course::weeks(4, 24h * 7), seed);
        EXPECT_NE(learn_and_watch(worsened(m, 0, 1.1)).judged.front().judgement, Judgement::proven);
        m = quiet_machine({.history = 24h * 10, .watch = 24h, .cycle = 24h}, seed);
        EXPECT_NE(learn_and_watch(worsened(m, 0, 1.1)).judged.front().judgement, Judgement::proven);
    }
}

TEST_P(EitherRegime, MissingDataProvesNothingEarlier) {
    auto c = course(24h * 7 + 6h);
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        const auto m = quiet_machine(c, seed);
        const auto model = m.learn();
        const auto whole = proven_after(model, m);
        for (const auto from : {12h, 24h, 72h}) {  // a source that dies: most of the cycle unseen
            auto holes = m;
            holes.cells[0] = without(m.cells[0], c.cell_at(from));
            EXPECT_EQ(proven_after(model, holes), std::nullopt) << from / 1h;
        }
        auto holes = m;
        for (auto i = c.before(); i < c.size(); i += 2) {
            holes.cells[0][i] = {};
        }
        const auto half = proven_after(model, holes);
        EXPECT_TRUE(!half || (whole && *half >= *whole));
    }
}

TEST_P(EitherRegime, WithoutHistoryIsLearningAndWithoutDataIsNoData) {
    auto m = one_of_each(course(), 9);
    m.cells[is_quiet] = without(m.cells[is_quiet], 0, m.course.before());
    m.cells[is_noisy] = without(m.cells[is_noisy], m.course.before());
    m.cells[is_constant] = without(m.cells[is_constant], 0);
    Outcome seen;
    ASSERT_NO_THROW(seen = learn_and_watch(m));
    expect_no_nonsense(seen);
    EXPECT_EQ(seen.judged[is_quiet].judgement, Judgement::learning);
    EXPECT_EQ(seen.judged[is_noisy].judgement, Judgement::no_data);
    EXPECT_EQ(seen.judged[is_constant].judgement, Judgement::learning);
    EXPECT_FALSE(seen.speaks(is_quiet, Severity::warn));
    EXPECT_FALSE(seen.speaks(is_noisy, Severity::warn));
    EXPECT_EQ(seen.count(Severity::page), 0U) << in_words(seen, m);
}

TEST_P(EitherRegime, BeforeTheFirstCellNothingIsKnown) {
    const auto m = one_of_each(course(), 9);
    const EnsembleWatch w{m.learn()};
    EXPECT_EQ(w.now(), m.course.upgrade);
    EXPECT_TRUE(w.alerts().empty());
    for (const auto& j : w.judged()) {
        EXPECT_EQ(j.judgement, Judgement::no_data);
        EXPECT_EQ(j.coverage_ratio, 0);
    }
}

TEST_P(EitherRegime, CoverageIsTheShareOfTheCyclesHours) {
    const auto m = quiet_machine(course(42h), 1);
    EXPECT_NEAR(learn_and_watch(m).judged.front().coverage_ratio, 0.25, 0.01);
    auto holes = m;  // only hours with data count
    holes.cells[0] = without(m.cells[0], m.course.before(), m.course.cell_at(21h));
    EXPECT_NEAR(learn_and_watch(holes).judged.front().coverage_ratio, 0.125, 0.01);
}

// --- load --------------------------------------------------------------------------------------

constexpr std::size_t first_load = classes;
constexpr std::size_t cpu = classes + 4;

TEST_P(EitherRegime, ABusyWeekConvictsNobodyWhoFollowsTheLoad) {
    int convicted = 0;
    std::string log;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        auto m = with_traffic(course(24h), seed);
        for (auto i = first_load; i <= cpu; ++i) {
            m = worsened(m, i, 1.3);
        }
        const auto seen = learn_and_watch(m);
        convicted += seen.speaks(cpu) ? 1 : 0;
        log += in_words(seen, m);
        for (std::size_t i = 0; i < classes; ++i) {
            EXPECT_FALSE(seen.speaks(i)) << in_words(seen, m);
        }
    }
    EXPECT_LE(convicted, 1) << log;
}

TEST_P(EitherRegime, TheSameRiseWithoutLoadPages) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const auto m = with_traffic(course(24h), seed);
        EXPECT_TRUE(learn_and_watch(worsened(m, cpu, 1.3)).speaks(cpu)) << seed;
    }
}

TEST_P(EitherRegime, TrafficThatIsNoLongerMeasuredConvictsNobody) {
    int convicted = 0;
    std::string log;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        auto m = with_traffic(course(24h), seed);
        for (auto i = first_load; i < cpu; ++i) {
            m.cells[i] = without(m.cells[i], m.course.before());
        }
        const auto seen = learn_and_watch(m);
        convicted += seen.count(Severity::page) > 0 ? 1 : 0;
        log += in_words(seen, m);
    }
    EXPECT_LE(convicted, 1) << log;
}

TEST_P(EitherRegime, OneBrokenTrafficSignalConvictsOnlyItself) {
    const auto m = with_traffic(course(24h), 2);
    const auto seen = learn_and_watch(worsened(m, first_load + 1, 20));
    EXPECT_FALSE(seen.speaks(cpu)) << in_words(seen, m);
    EXPECT_TRUE(seen.speaks(first_load + 1)) << in_words(seen, m);
}

// --- odd inputs --------------------------------------------------------------------------------

TEST_P(EitherRegime, OddSignalsThatDoNotChangeAreSilent) {
    constexpr double huge = 1e300;
    const auto c = course(24h);
    Machine m{c};
    m.add(cost("zero"), constant(c, 0));
    m.add(cost("constant"), constant(c, 0.1));
    m.add(cost("negative_constant"), constant(c, -7));
    m.add(cost("negative", Direction::both), times(gauge(c, quiet, 1), -1));
    m.add(cost("huge_constant"), constant(c, huge));
    m.add(cost("huge", Direction::both), times(gauge(c, quiet, 2), huge));
    m.add(cost("tiny", Direction::both), times(gauge(c, quiet, 3), 1e-300));
    m.add(cost("down", Direction::down), gauge(c, quiet, 4));
    auto share = cost("share_ratio");
    share.kind = Kind::ratio;
    m.add(share, bad_events(c, 0, 100, 5));
    m.add(share, bad_events(c, 1, 100, 6));
    m.add(share, bad_events(c, 0.01, 0.2, 7));  // hardly any events
    share.worse = Direction::down;
    m.add(share, bad_events(c, 0.99, 100, 8));
    Outcome seen;
    ASSERT_NO_THROW(seen = learn_and_watch(m));
    expect_no_nonsense(seen);
    EXPECT_EQ(seen.count(Severity::page), 0U) << in_words(seen, m);
    // Alone they are no different.
    for (std::size_t i = 0; i < m.signals.size(); ++i) {
        Machine alone{c};
        alone.add(m.signals[i], m.cells[i]);
        ASSERT_NO_THROW(seen = learn_and_watch(alone)) << i;
        expect_no_nonsense(seen);
        EXPECT_EQ(seen.count(Severity::page), 0U) << in_words(seen, alone);
    }
}

TEST_P(EitherRegime, SignalsWithoutDataAreTaken) {
    const auto c = course(24h);
    auto ratio = cost("errors_ratio");
    ratio.kind = Kind::ratio;
    for (const auto& signal : {cost("gauge_bytes"), ratio, traffic("load_per_second")}) {
        Machine m{c};
        m.add(signal, Cells(c.size(), Cell{}));
        Outcome seen;
        ASSERT_NO_THROW(seen = learn_and_watch(m)) << signal.name;
        expect_no_nonsense(seen);
        EXPECT_TRUE(seen.alerts.empty());
        EXPECT_EQ(seen.judged.front().judgement, Judgement::learning) << signal.name;
    }
}

TEST_P(EitherRegime, OneCellOfHistoryIsTaken) {
    const auto c = course(24h);
    Machine m{c};
    m.add(cost("once_bytes"), without(gauge(c, quiet, 1), 0, c.before() - 1));
    m.add(cost("long_ago_bytes"), without(gauge(c, quiet, 2), 1, c.before()));
    m.add(cost("quiet_bytes"), gauge(c, quiet, 3));
    Outcome seen;
    ASSERT_NO_THROW(seen = learn_and_watch(m));
    expect_no_nonsense(seen);
    EXPECT_EQ(seen.count(Severity::page), 0U) << in_words(seen, m);
}

TEST_P(EitherRegime, CellsThatAreNoNumbersBlindNobody) {
    constexpr double infinite = std::numeric_limits<double>::infinity();
    Machine m{course(24h)};
    m.add(cost("infinite_in_the_watch"), gauge(m.course, quiet, 1));
    m.add(cost("unreadable_in_the_watch"), gauge(m.course, quiet, 2));
    m.add(cost("unreadable_in_the_history"), gauge(m.course, quiet, 3));
    m.add(cost("infinite_in_the_history"), gauge(m.course, quiet, 4));
    m.cells[0][m.course.cell_at(6h)].numerator = infinite;
    m.cells[1][m.course.cell_at(6h)].numerator = missing;
    m.cells[2][m.course.before() - 500].numerator = missing;
    m.cells[3][m.course.before() - 500].numerator = infinite;
    const auto same = learn_and_watch(m);
    expect_no_nonsense(same);
    EXPECT_EQ(same.count(Severity::page), 0U) << in_words(same, m);
    for (std::size_t i = 0; i < m.signals.size(); ++i) {
        const auto seen = learn_and_watch(worsened(m, i, 2, 8h));
        expect_no_nonsense(seen);
        EXPECT_TRUE(seen.speaks(i));
    }
}

TEST_P(EitherRegime, HugeCellsInTheWatchAreAlertsNotNonsense) {
    auto m = one_of_each(course(12h), 3);
    for (std::size_t i = 0; i < classes; ++i) {
        m = worsened(m, i, i == is_ratio ? 50.0 : 1e300, 1h);
    }
    const auto seen = learn_and_watch(m);
    expect_no_nonsense(seen);
    for (std::size_t i = 0; i < classes; ++i) {
        EXPECT_TRUE(seen.speaks(i)) << m.signals[i].name;
    }
}

TEST_P(EitherRegime, AWatchLongerThanPlannedGoesOn) {
    auto c = course(24h * 2);
    c.planned = 6h;
    const auto m = quiet_machine(c, 1);
    const auto model = m.learn();
    const auto seen = watch(model, m);
    expect_no_nonsense(seen);
    EXPECT_EQ(seen.count(Severity::page), 0U);
    EXPECT_TRUE(watch(model, worsened(m, 0, 2, 30h)).speaks(0));
}

struct OddCourse {
    std::string name;
    Course course;
};
class OddCourses : public ::testing::TestWithParam<OddCourse> {};
INSTANTIATE_TEST_SUITE_P(
    Ensemble, OddCourses,
    ::testing::Values(
        OddCourse{"CellsOfASecond", {.cell = 1s, .history = 8h, .watch = 2h, .planned = 2h}},
        OddCourse{"CellsOfAMinute", {.cell = 1min, .history = 24h * 5, .watch = 12h}},
        OddCourse{"CellsOfSevenMinutes", {.cell = 7min, .history = 7min * 1000, .watch = 14h}},
        OddCourse{"CellsOfTwoMinutes", {.cell = 2min, .history = 24h * 4, .watch = 12h}},
        OddCourse{"CellsOfAnHour", {.cell = 1h, .history = 24h * 10, .watch = 48h, .planned = 48h}},
        OddCourse{"WeeksOfHours", {.cell = 1h, .history = 24h * 28, .watch = 48h}},
        OddCourse{"TwoWeeks", {.history = 24h * 14, .watch = 24h, .planned = 24h}},
        OddCourse{"TenMinutesOfHistory", {.history = 10min, .watch = 24h}},
        OddCourse{"NoHistory", {.history = 0min, .watch = 24h}},
        OddCourse{"AnHourOfHistory", {.history = 1h, .watch = 24h}},
        OddCourse{"ADayOfHistory", {.history = 24h, .watch = 24h}},
        OddCourse{"PlannedForNothing", {.watch = 6h, .planned = 0h}},
        OddCourse{"ACycleOfAMinute",
                  {.cell = 1s, .history = 5min, .watch = 2min, .planned = 1min, .cycle = 60s}},
        OddCourse{"ACycleOfAMinuteInTenths",
                  {.cell = 100ms, .history = 5min, .watch = 2min, .planned = 1min, .cycle = 60s}},
        OddCourse{"ACycleOfAMinuteInFives",
                  {.cell = 5s, .history = 5min, .watch = 2min, .planned = 1min, .cycle = 60s}}),
    [](const auto& tested) { return tested.param.name; });

TEST_P(OddCourses, AreTakenAndConvictNobody) {
    auto c = GetParam().course;
    int paged = 0;
    std::string log;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const auto m = one_of_each(c, seed);
        Outcome seen;
        ASSERT_NO_THROW(seen = learn_and_watch(m));
        expect_no_nonsense(seen);
        paged += seen.count(Severity::page) > 0 ? 1 : 0;
        log += in_words(seen, m);
    }
    EXPECT_LE(paged, 1) << log;
}

TEST(EnsembleCycle, ACycleOfAMinuteIsProvenWhateverTheCell) {
    for (const Milliseconds cell : {1000ms, 2000ms, 5000ms}) {
        Machine m{{.cell = cell, .history = 10min, .watch = 90s, .planned = 60s, .cycle = 60s}};
        m.add(cost("constant_bytes"), constant(m.course, 7));
        const auto seen = learn_and_watch(m);
        EXPECT_EQ(seen.judged.front().coverage_ratio, 1) << cell.count();
        EXPECT_EQ(seen.judged.front().judgement, Judgement::proven) << cell.count();
    }
}

TEST(EnsembleCycle, AMachineWithoutSignalsIsTaken) {
    const Machine m{short_course()};
    const auto seen = learn_and_watch(m);
    EXPECT_TRUE(seen.alerts.empty());
    EXPECT_TRUE(seen.judged.empty());
}

}  // namespace
}  // namespace holdfast::rules
