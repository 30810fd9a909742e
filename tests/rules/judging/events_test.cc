#include "rules/judging/events.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/rules/judging/simulated_cells.h"

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t day = 24;        // cells of an hour
constexpr std::size_t week = 7 * day;  // of such cells
constexpr std::size_t weeks_before = 4;
const Timestamp monday{24h * (4 + 7 * 2900)};
const Rhythm weekly = Rhythm::of(24h * 7, {});
const double pages = std::log10(50 / 0.01);  // one of 50 signals at the level 1 %
const Allowance tolerated{0.05, 0};
const Allowance margin{0.5, 0};

// ---- simulated errors

/// Sparse errors as shared/bench/stat_counts_proto.py makes them: a daily curve of ±50 %, levels
/// that differ by 15 % from day to day and by 10 % from week to week, geometric clusters.
struct Errors {
    double per_hour = 1;
    int cluster = 1;  ///< mean size
    std::size_t cells_per_hour = 1;

    Milliseconds cell() const { return Milliseconds{1h} / static_cast<int>(cells_per_hour); }
};

/// Errors per second, in cells: `weeks_before` weeks and one that has `factor` times as many.
Cells simulated(const Errors& errors, double factor, std::uint64_t seed) {
    std::mt19937_64 engine{seed};
    std::normal_distribution<double> normal;
    const auto cells = static_cast<double>(errors.cells_per_hour);
    Cells out;
    for (std::size_t w = 0; w <= weeks_before; ++w) {
        const double of_week = 0.1 * normal(engine);
        for (std::size_t d = 0; d < 7; ++d) {
            const double level = errors.per_hour * std::exp(of_week + 0.15 * normal(engine)) *
                                 (w == weeks_before ? factor : 1);
            for (std::size_t k = 0; k < day * errors.cells_per_hour; ++k) {
                const double hour = std::floor(static_cast<double>(k) / cells);
                const double mean =
                    level * (1 + 0.5 * std::sin(hour * 2 * std::numbers::pi / 24)) / cells;
                int n = std::poisson_distribution<int>{mean / errors.cluster}(engine);
                if (n > 0 && errors.cluster > 1) {
                    n += std::negative_binomial_distribution<int>{n, 1.0 / errors.cluster}(engine);
                }
                out.push_back({static_cast<double>(n), 3600 / cells});
            }
        }
    }
    return out;
}

// ---- models and watches of them

EventsModel learn(const Cells& history, Milliseconds cell = 1h,
                  const Allowance& bearable = tolerated, const Allowance& unbearable = margin) {
    const auto length = Milliseconds{24h * 7} / cell;
    return {history,  {monday, cell, history.size()},
            weekly,   static_cast<std::size_t>(length),
            bearable, unbearable};
}

/// The cells after a history of so many.
struct Watching {
    Watching(const EventsModel& model, std::size_t history, Milliseconds the_cell = 1h)
        : watch{model},
          cell{the_cell},
          at{monday + the_cell * static_cast<std::int64_t>(history)} {}

    void add(const Cell& next) {
        watch.add(next, at);
        at += cell;
    }
    void add(const Cells& cells) {
        for (const auto& c : cells) {
            add(c);
        }
    }
    double evidence() const { return watch.look().evidence.evidence; }

    EventsWatch watch;
    Milliseconds cell;
    Timestamp at;
};

/// Hours until the evidence pages; nothing in a week that does not.
std::optional<double> pages_after(const Errors& errors, double factor, std::uint64_t seed) {
    const auto cells = simulated(errors, factor, seed);
    const auto before = weeks_before * week * errors.cells_per_hour;
    const auto split = cells.begin() + static_cast<std::ptrdiff_t>(before);
    const auto model = learn({cells.begin(), split}, errors.cell());
    Watching watching{model, before, errors.cell()};
    for (auto next = split; next != cells.end(); ++next) {
        watching.add(*next);
        if (watching.evidence() > pages) {
            return static_cast<double>(next - split + 1) /
                   static_cast<double>(errors.cells_per_hour);
        }
    }
    return std::nullopt;
}

struct Seen {
    double share = 0;
    double median_hours = missing;
};
Seen share_seen(const Errors& errors, double factor, std::size_t series, std::uint64_t seed) {
    Values hours;
    for (std::size_t i = 0; i < series; ++i) {
        if (const auto after = pages_after(errors, factor, seed + i)) {
            hours.push_back(*after);
        }
    }
    return {static_cast<double>(hours.size()) / static_cast<double>(series), median_of(hours)};
}

/// `hours` of so many bad events an hour out of `all`, in cells.
Cells steady(std::size_t hours, double bad_an_hour, double all_an_hour, std::size_t per_hour = 1) {
    const auto n = static_cast<double>(per_hour);
    return Cells(hours * per_hour, Cell{bad_an_hour / n, all_an_hour / n});
}

/// Random bad events out of exactly `all` in each cell.
Cells random(std::size_t cells, double share, double all, std::uint64_t seed) {
    std::mt19937_64 engine{seed};
    std::poisson_distribution<int> bad{share * all};
    Cells out;
    for (std::size_t i = 0; i < cells; ++i) {
        out.push_back({static_cast<double>(bad(engine)), all});
    }
    return out;
}

Cells operator+(Cells first, const Cells& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

// ---- false alarms and power: the table of docs/statistics.md, "Measured"

TEST(Events, PageFalselyHardlyEver) {
    for (const Errors& errors : {Errors{0.2}, Errors{1}, Errors{5}, Errors{5, 3}}) {
        EXPECT_LE(share_seen(errors, 1, 2000, 10'000).share, 0.001)
            << errors.per_hour << " an hour in clusters of " << errors.cluster;
    }
}

// The reference has 0.04 % in both: it pools the dispersion of all series. A burst of which the
// history shows only few is weighed as several events. Docs: "Limitations".
TEST(Events, PageFalselyNowAndThenWhenTheyAreFewAndComeInBursts) {
    EXPECT_LE(share_seen({1, 3}, 1, 2000, 20'000).share, 0.002);
    EXPECT_LE(share_seen({0.2, 3}, 1, 2000, 30'000).share, 0.006);
}

/// Minutes of errors whose rate wanders: it stays for some minutes, has heavy tails, and is now and
/// then six times as high.
Cells wandering(double per_minute, std::size_t weeks, std::uint64_t seed) {
    std::mt19937_64 engine{seed};
    std::student_t_distribution<double> student{4};
    std::bernoulli_distribution burst{0.0005};
    Cells out;
    double level = 0;
    for (std::size_t i = 0; i < weeks * week * 60; ++i) {
        level = 0.6 * level + 0.8 * std::sqrt(0.5) * student(engine);
        const double rate =
            per_minute * std::exp(std::clamp(0.3 * level, -4.0, 3.0)) * (burst(engine) ? 6 : 1);
        out.push_back({static_cast<double>(std::poisson_distribution<int>{rate}(engine)), 60});
    }
    return out;
}

TEST(Events, OfARateThatWandersAreMeasuredByTheDaysThatItHasWanderedBefore) {
    std::size_t loud = 0;
    double least_trust = 1;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        const auto cells = wandering(0.3, weeks_before + 1, seed);
        const auto before = weeks_before * week * 60;
        const auto split = cells.begin() + static_cast<std::ptrdiff_t>(before);
        const auto model = learn({cells.begin(), split}, 1min);
        least_trust = std::min(least_trust, model.trust());
        Watching watching{model, before, 1min};
        double highest = 0;
        for (auto next = split; next != cells.end(); ++next) {
            watching.add(*next);
            highest = std::max(highest, watching.evidence());
        }
        loud += highest > pages ? 1 : 0;
    }
    EXPECT_EQ(loud, 0);
    EXPECT_LT(least_trust, 0.9);
}

TEST(Events, SeeWhatTheReferenceSees) {
    struct Row {
        Errors errors;
        double factor;
        double share;  ///< of the reference
        double hours;
    };
    for (const Row& row :
         {Row{{0.2}, 3, 0.86, 54}, Row{{0.2}, 5, 1, 11}, Row{{0.2, 3}, 5, 0.78, 65},
          Row{{1}, 3, 1, 10}, Row{{1}, 5, 1, 4}, Row{{1, 3}, 3, 0.85, 54}, Row{{1, 3}, 5, 1, 11},
          Row{{5}, 3, 1, 5}, Row{{5}, 5, 1, 2}, Row{{5, 3}, 3, 1, 10}, Row{{5, 3}, 5, 1, 4}}) {
        const auto seen = share_seen(row.errors, row.factor, 200, 40'000);
        SCOPED_TRACE(::testing::Message() << row.errors.per_hour << " an hour in clusters of "
                                          << row.errors.cluster << ", x" << row.factor);
        EXPECT_GE(seen.share, row.share - 0.12);
        EXPECT_LE(seen.median_hours, 1.4 * row.hours + 1);
    }
}

TEST(Events, SeeInCellsOfFiveMinutesWhatTheySeeInHours) {
    const auto seen = share_seen({1, 1, 12}, 5, 60, 50'000);
    EXPECT_EQ(seen.share, 1);
    EXPECT_LE(seen.median_hours, 6);
}

// ---- a history without events

class Spotless : public ::testing::Test {
protected:
    const std::size_t cells_ = weeks_before * week * 12;
    const EventsModel model_ =  // a million pages
        learn(Cells(cells_, Cell{0, 1e6 / static_cast<double>(cells_)}), 5min);
    Watching watching_{model_, cells_, 5min};
};

TEST_F(Spotless, TenErrorsOfAHundredPageInTheFirstCells) {
    watching_.add({5, 50});
    watching_.add({5, 50});
    const auto found = watching_.watch.look();
    EXPECT_GT(found.evidence.evidence, pages + 1);
    EXPECT_DOUBLE_EQ(found.observed, 0.1);
    EXPECT_LT(found.usual, 1e-6);
    EXPECT_NEAR(found.evidence.hours, 2.0 / 12, 1e-9);
    EXPECT_GT(found.evidence.effect - found.evidence.half_width, std::log(1.5));
}

TEST_F(Spotless, OneErrorSaysNothing) {
    watching_.add({1, 100});
    for (int i = 0; i < 24 * 12; ++i) {
        EXPECT_EQ(watching_.evidence(), 0) << i;
        watching_.add({0, 100});
    }
}

TEST_F(Spotless, NoErrorSaysNothing) {
    for (int i = 0; i < 24 * 12; ++i) {
        watching_.add({0, 100});
        EXPECT_EQ(watching_.evidence(), 0) << i;
    }
}

// ---- what the history teaches

TEST(Events, AreTakenMoreCarefullyWhereTheHistoryHasBursts) {
    // 24 errors a day: one an hour, or all of them in one hour of every day, another each time.
    const auto even = steady(weeks_before * week, 1, 3600);
    auto bursts = steady(weeks_before * week, 0, 3600);
    for (std::size_t d = 0; d < weeks_before * 7; ++d) {
        bursts[d * day + 7 * d % day].numerator = 24;
    }
    const auto evidence_of_a_burst = [](const Cells& history) {
        const auto model = learn(history);
        Watching watching{model, history.size()};
        watching.add(steady(6, 0, 3600));
        watching.add({12, 3600});
        watching.add({12, 3600});
        return watching.evidence();
    };
    EXPECT_GT(evidence_of_a_burst(even), pages);
    EXPECT_LT(evidence_of_a_burst(bursts), 0.3);
}

TEST(Events, AreExpectedWhenTheyAlwaysCome) {
    auto nightly = steady(weeks_before * week, 1, 3600);
    for (std::size_t k = 2; k < nightly.size(); k += day) {
        nightly[k].numerator = 100;  // from 02:00 to 03:00
    }
    const auto model = learn(nightly);
    EXPECT_GT(model.usual(monday + 2h), 10 * model.usual(monday + 12h));
    Watching watching{model, nightly.size()};
    for (std::size_t k = 0; k < 3 * day; ++k) {
        watching.add(nightly[k]);
        EXPECT_LT(watching.evidence(), 1) << k;
    }
}

TEST(Events, DoNotDependOnTheUnitOfWhatTheyAreCountedOutOf) {
    const auto evidence = [](double unit) {
        const auto history = random(weeks_before * week, 0.001, 2000, 1);
        auto scaled = history;
        for (auto& c : scaled) {
            c.denominator *= unit;
        }
        const auto model = learn(scaled);
        Watching watching{model, scaled.size()};
        watching.add(steady(5, 10, 2000 * unit));
        return watching.evidence();
    };
    EXPECT_GT(evidence(1), pages);
    EXPECT_NEAR(evidence(1), evidence(1e-6), 1e-9);
    EXPECT_NEAR(evidence(1), evidence(1e6), 1e-9);
}

// ---- many events

TEST(Events, MoreThanTwentyAnHourAreALevel) {
    const auto few = [](double all) { return learn(random(week, 0.01, all, 1)).are_few(); };
    EXPECT_TRUE(few(1'500));
    EXPECT_FALSE(few(2'500));
    EXPECT_TRUE(learn(steady(week, 0, 1e6)).are_few());
}

TEST(Events, TwiceTheErrorsOfAMillionRequestsAreSeenByTheLevelInTheFirstHours) {
    const testing::Course course = testing::Course::weeks(4, 6h);
    const auto cells = testing::bad_events(course, 0.01, 100'000, 1);
    testing::Machine machine{course};
    machine.add({.name = "failure_ratio", .kind = Kind::ratio, .is_errors = true},
                testing::times(cells, 2, course.before()));
    const auto outcome = testing::learn_and_watch(machine);
    ASSERT_TRUE(outcome.speaks(0));
    EXPECT_EQ(outcome.first(0)->detector, "level");
    EXPECT_LE(outcome.first(0)->at, course.upgrade + 2h);
}

// Weeks may differ by so much: what is steady below that is for the level to see.
TEST(Events, AFifthMoreIsWithinWhatWeeksDifferBy) {
    const auto history = random(weeks_before * week, 0.01, 1'500, 1);
    const auto model = learn(history, 1h, {0.02, 0}, {0.1, 0});
    Watching watching{model, history.size()};
    watching.add(random(week, 0.012, 1'500, 2));
    EXPECT_LT(watching.evidence(), 1);
}

TEST(Events, AFifthMoreOfMillionsIsSeenByTheLevelBesideThem) {
    const auto course = testing::Course::weeks(4, 48h);
    const auto cells = testing::bad_events(course, 0.01, 100'000, 1);
    testing::Machine machine{course};
    machine.add({.name = "failure_ratio", .kind = Kind::ratio, .is_errors = true},
                testing::times(cells, 1.2, course.before()));
    machine.add({.name = "same_ratio", .kind = Kind::ratio, .is_errors = true}, cells);
    const auto outcome = testing::learn_and_watch(machine);
    ASSERT_TRUE(outcome.speaks(0));
    EXPECT_EQ(outcome.first(0)->detector, "level");
    EXPECT_FALSE(outcome.speaks(1, Severity::warn));
}

TEST(Events, TheFirstErrorsEverAreToldByTheirShares) {
    testing::Course course{.watch = 2h};
    testing::Machine machine{course};
    machine.add({.name = "failure_ratio", .kind = Kind::ratio, .is_errors = true},
                steady(120, 0, 1200, 12) + steady(2, 120, 1200, 12));
    machine.add(
        {.name = "success_ratio", .kind = Kind::ratio, .worse = Direction::down, .is_errors = true},
        steady(120, 1200, 1200, 12) + steady(2, 1080, 1200, 12));
    const auto outcome = testing::learn_and_watch(machine);
    for (const std::size_t signal : {0U, 1U}) {
        const auto* const first = outcome.first(signal, Severity::rollback);
        ASSERT_NE(first, nullptr) << signal;
        EXPECT_LE(first->at, course.upgrade + 10min) << signal;
        EXPECT_EQ(outcome.judged[signal].judgement, Judgement::regressed) << signal;
    }
    EXPECT_EQ(outcome.judged[0].detector, "events");
    EXPECT_NEAR(outcome.judged[0].observed, 0.1, 1e-9);
    EXPECT_TRUE(outcome.judged[0].up);
    EXPECT_EQ(outcome.judged[1].detector, "events");
    EXPECT_NEAR(outcome.judged[1].observed, 0.9, 1e-9);
    EXPECT_NEAR(outcome.judged[1].usual, 1, 1e-4);
    EXPECT_FALSE(outcome.judged[1].up);
}

// ---- missing cells

TEST(Events, CellsThatAreMissingSayNothing) {
    constexpr double none = std::numeric_limits<double>::quiet_NaN();
    constexpr double endless = std::numeric_limits<double>::infinity();
    const auto model = learn(steady(weeks_before * week, 1, 1000));
    for (const Cell& cell : {Cell{50, 0}, Cell{50, none}, Cell{none, 1000}, Cell{50, -1000},
                             Cell{-50, 1000}, Cell{endless, 1000}, Cell{50, endless}}) {
        Watching watching{model, weeks_before * week};
        watching.add(Cells(10, cell));
        EXPECT_EQ(watching.evidence(), 0) << cell.numerator << " of " << cell.denominator;
    }
}

TEST(Events, CellsThatAreMissingTeachNothing) {
    const auto history = steady(weeks_before * week, 1, 1000);
    auto holes = history;
    for (std::size_t k = 0; k < holes.size(); k += 3) {
        holes[k] = {500, std::numeric_limits<double>::quiet_NaN()};
    }
    const auto model = learn(holes);
    EXPECT_NEAR(model.usual(monday + 3h), 0.001, 1e-12);
    EXPECT_NEAR(model.expected(monday + 3h, 1000), 1.05, 1e-9);
}

TEST(Events, AHistoryWithoutDataSaysNothing) {
    for (const auto& history : {Cells{}, Cells(week)}) {
        const auto model = learn(history);
        Watching watching{model, week};
        EXPECT_EQ(watching.evidence(), 0);
        watching.add(steady(10, 50, 1000));
        EXPECT_EQ(watching.evidence(), 0);
    }
}

// ---- how evidence behaves

TEST(Events, MoreBadEventsAreMoreEvidence) {
    const auto model = learn(random(weeks_before * week, 0.002, 1000, 1));
    double before = 0;
    for (int bad = 0; bad <= 400; ++bad) {
        Watching watching{model, weeks_before * week};
        watching.add(steady(4, bad / 4.0, 1000));
        const double evidence = watching.evidence();
        EXPECT_GE(evidence, before - 1e-9) << bad;
        before = evidence;
    }
    EXPECT_GT(before, 10);
}

TEST(Events, TheOrderOfCellsWithinAnHourDoesNotMatterAtItsEnd) {
    const auto history = steady(weeks_before * week, 2, 1200, 12);
    const auto model = learn(history, 5min);
    Cells hour;
    for (int i = 0; i < 12; ++i) {
        hour.push_back({4.0 + i % 4, 90.0 + i});
    }
    std::mt19937_64 engine{1};
    double first = 0;
    for (int order = 0; order < 20; ++order) {
        Watching watching{model, history.size(), 5min};
        watching.add(steady(3, 2, 1200, 12));
        watching.add(hour);
        watching.add(hour);
        first = order == 0 ? watching.evidence() : first;
        EXPECT_NEAR(watching.evidence(), first, 1e-9);
        std::shuffle(hour.begin(), hour.end(), engine);
    }
    EXPECT_GT(first, pages);
}

TEST(Events, AreSilentSoonAfterTheErrorsStop) {
    const auto history = steady(weeks_before * week, 2, 1200, 12);
    const auto model = learn(history, 5min);
    Watching watching{model, history.size(), 5min};
    watching.add(steady(2, 60, 1200, 12));
    EXPECT_GT(watching.evidence(), pages);
    watching.add(steady(1, 2, 1200, 12));  // more than the last quarter of three hours
    EXPECT_EQ(watching.evidence(), 0);
    watching.add(steady(30, 2, 1200, 12));
    EXPECT_EQ(watching.evidence(), 0);
    watching.add(steady(2, 60, 1200, 12));
    EXPECT_GT(watching.evidence(), pages);  // and again when they come again
}

TEST(Events, WhatIsToleratedInTheUnitIsNoNews) {
    const auto history = steady(weeks_before * week, 1, 1000);  // 0.1 %
    const auto evidence = [&](const Allowance& bearable, const Allowance& unbearable, double bad) {
        const auto model = learn(history, 1h, bearable, unbearable);
        Watching watching{model, history.size()};
        watching.add(steady(day, bad, 1000));
        return watching.evidence();
    };
    const Allowance one_point{0.05, 0.01};
    EXPECT_GT(evidence(tolerated, margin, 10.5), pages);  // 1.05 % is much more than 0.1 %
    EXPECT_EQ(evidence(one_point, margin, 10.5), 0);
    EXPECT_EQ(evidence(one_point, margin, 11), 0);  // 0.1 % and one point: exactly tolerated
    EXPECT_GT(evidence(one_point, margin, 40), pages);
    EXPECT_EQ(evidence(tolerated, {0.5, 0.03}, 15), 0);  // 1.4 points: less than half the margin
    EXPECT_GT(evidence(tolerated, {0.5, 0.03}, 17), pages);
}

}  // namespace
}  // namespace holdfast::rules
