#include "rules/judging/placebo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/rules/judging/simulated_cells.h"

namespace holdfast::rules {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using namespace rules::testing;

constexpr Milliseconds day = 24h;

/// Eight days that are history alone.
const Course eight_days{.history = day * 8, .watch = 0h, .cycle = day};

EnsembleSignal up(std::string name) {
    return {.name = std::move(name), .worse = Direction::up};
}
EnsembleSignal traffic(std::string name) {
    return {.name = std::move(name), .worse = Direction::both, .is_load = true};
}

Machine quiet(const Course& course = eight_days) {
    Machine out{.course = course};
    out.add(up("cpu"), gauge(course, {.noise = 0.03}, 1));
    out.add({.name = "hits", .worse = Direction::down}, gauge(course, {.noise = 0.05}, 2));
    out.add(traffic("in"), gauge(course, {.noise = 0.05}, 3));
    out.add(traffic("out"), gauge(course, {.noise = 0.05}, 4));
    return out;
}

/// `cpu` is half as much again from 13:00 to 20:00 of the sixth day.
Machine with_incident() {
    auto out = quiet();
    const auto first = static_cast<std::size_t>((day * 5 + 3h) / eight_days.cell);
    out.cells[0] = times(out.cells[0], 1.5, first, first + 7 * 12);
    return out;
}

PlaceboReport report_of(const Machine& machine, const PlaceboSettings& settings = {.watch = day},
                        const ForEach& for_each = one_by_one) {
    return placebo(machine.course.plan(), machine.signals, machine.cells, settings, for_each);
}

/// No factor is larger than all.
double or_infinite(double factor) {
    return std::isnan(factor) ? std::numeric_limits<double>::infinity() : factor;
}

TEST(Placebo, FindsNoFalsePagesAndSmallFactorsOnAQuietMachine) {
    const auto machine = quiet();
    const auto report = report_of(machine);
    EXPECT_THAT(report.emptiness, IsEmpty());
    ASSERT_EQ(report.watches.size(), 4);
    EXPECT_EQ(report.paged, 0);
    EXPECT_EQ(report.paged_share.lower, 0);
    EXPECT_NEAR(report.paged_share.upper, 0.602, 0.001);
    ASSERT_EQ(report.signals.size(), 4);
    for (const auto& signal : report.signals) {
        EXPECT_EQ(signal.watches, 4);
        EXPECT_EQ(signal.paged, 0);
        EXPECT_THAT(signal.detectors, IsEmpty());
        EXPECT_EQ(signal.promise.watches, 4);
        EXPECT_LE(or_infinite(signal.promise.within_watch), 1.5);
        EXPECT_FALSE(signal.hopeless);
        EXPECT_THAT(signal.advice, IsEmpty());
    }
    EXPECT_EQ(report.all_load.watches, 4);
    EXPECT_LE(or_infinite(report.all_load.within_watch), 1.5);
    EXPECT_THAT(in_words(report, machine.signals),
                HasSubstr("0 of 4 past days would have paged (95 %: 0 to 60 %)\n"
                          "x2 worse, 4 of 4 signals page within 1 h, 4 within 1 d, 4 in all\n"));
}

TEST(Placebo, CutsWatchesSideBySideInTheSecondHalf) {
    const auto report = report_of(quiet());
    Timestamp begin = eight_days.upgrade - 4 * day;
    for (const auto& watch : report.watches) {
        EXPECT_EQ(watch.window, (Window{begin, begin + day}));
        begin = watch.window.end;
    }
    EXPECT_EQ(begin, eight_days.upgrade);
}

TEST(Placebo, SpreadsTheWatchesWhereMoreFitThanAreAskedFor) {
    const auto report =
        report_of(quiet(), {.watch = 8h, .factors = {}, .watches_max = 3});  // of twelve
    std::vector<Milliseconds> before;
    for (const auto& watch : report.watches) {
        before.push_back(eight_days.upgrade - watch.window.begin);
    }
    EXPECT_THAT(before, ElementsAre(72h, 40h, 8h));
}

TEST(Placebo, NamesTheIncidentThatWouldHavePaged) {
    const auto machine = with_incident();
    const auto report = report_of(machine);
    EXPECT_EQ(report.paged, 1);
    const auto& cpu = report.signals[0];
    EXPECT_EQ(cpu.paged, 1);
    EXPECT_EQ(cpu.promise.watches, 3);  // the fourth cannot tell
    ASSERT_THAT(cpu.detectors, Not(IsEmpty()));
    EXPECT_EQ(cpu.detectors[0].watches, 1);
    EXPECT_THAT(cpu.advice, HasSubstr(" paged in 1 of 4 watches, strongest at "));
    EXPECT_THAT(cpu.advice, HasSubstr("leave that incident out of the baseline"));
    EXPECT_EQ(report.signals[1].paged, 0);

    const auto incident = eight_days.upgrade - 3 * day + 3h;
    const auto& alerts = report.watches.at(1).alerts;
    const auto page = std::find_if(alerts.begin(), alerts.end(),
                                   [](const auto& a) { return a.severity >= Severity::page; });
    ASSERT_NE(page, alerts.end());
    EXPECT_EQ(page->signal, 0);
    EXPECT_GT(page->at, incident);
    EXPECT_LT(page->at, incident + 7h);
    EXPECT_THAT(in_words(report, machine.signals),
                HasSubstr("1 of 4 past days would have paged (95 %: 1 to 81 %): cpu by "));
}

TEST(Placebo, SeesSmallerChangesTheLongerItWatches) {
    auto machine = quiet();
    machine.add(up("rough"), gauge(eight_days, {.noise = 0.4, .memory = 0.9}, 7));
    const auto report = report_of(machine);
    for (const auto& signal : report.signals) {
        const auto& p = signal.promise;
        EXPECT_GE(or_infinite(p.within_hour), or_infinite(p.within_day));
        EXPECT_GE(or_infinite(p.within_day), or_infinite(p.within_watch));
    }
    EXPECT_GT(or_infinite(report.signals[4].promise.within_hour),
              or_infinite(report.signals[0].promise.within_hour));
}

TEST(Placebo, PromisesNothingThatItDidNotTry) {
    const auto report = report_of(quiet(), {.watch = day, .factors = {0.5, 1}});
    for (const auto& signal : report.signals) {
        EXPECT_TRUE(std::isnan(signal.promise.within_watch));
    }
}

TEST(Placebo, SaysWhenZeroIsWhatNoFactorChanges) {
    auto machine = quiet();
    machine.add(up("swapped"), constant(eight_days, 0));
    const auto report = report_of(machine);
    EXPECT_TRUE(std::isnan(report.signals[4].promise.within_watch));
    EXPECT_THAT(report.signals[4].advice, HasSubstr("mostly 0"));
    EXPECT_EQ(report.signals[4].hopeless, 2 * report.signals[4].proven <= 4);
}

TEST(Placebo, SaysWhenASignalWasNeverThere) {
    auto machine = quiet();
    machine.add(up("absent"), Cells(eight_days.size()));
    const auto report = report_of(machine);
    EXPECT_EQ(report.signals[4].watches, 0);
    EXPECT_THAT(report.signals[4].advice, HasSubstr("no data"));
    EXPECT_TRUE(report.signals[4].hopeless);
    EXPECT_THAT(in_words(report, machine.signals), HasSubstr("\nhopeless: absent"));
}

TEST(Placebo, AdvisesALongerBaselineWhereItIsShort) {
    auto course = eight_days;
    course.history = day * 5;
    Machine machine{.course = course};
    machine.add(up("wild"), gauge(course, {.noise = 1.5, .memory = 0.98}, 5));
    const auto report = report_of(machine);
    EXPECT_THAT(report.signals[0].advice, HasSubstr("a baseline of 5 d is short"));
    EXPECT_TRUE(report.signals[0].hopeless);
    EXPECT_THAT(in_words(report, machine.signals), HasSubstr("\nhopeless: wild"));
    machine.course.cycle = 7 * day;
    EXPECT_THAT(report_of(machine).signals[0].advice, HasSubstr("shorter than a cycle of 7 d"));
}

TEST(Placebo, SaysWhenARequiredSignalIsHardlyEverProven) {
    auto machine = quiet();
    machine.add(up("strict"), machine.cells[0]);
    machine.signals[4].tolerated = {0.0005, 0};
    machine.signals[4].margin = {0.001, 0};
    const auto strict = report_of(machine).signals[4];
    EXPECT_EQ(strict.proven, 0);
    EXPECT_LE(or_infinite(strict.promise.within_watch), 1.5);  // a page is no matter
    EXPECT_TRUE(strict.hopeless);
    EXPECT_THAT(strict.advice, HasSubstr("0 of 4 watches are proof: give it a wider margin"));
    EXPECT_THAT(strict.advice, HasSubstr("or do not require it"));
    machine.signals[4].required = false;
    const auto free = report_of(machine).signals[4];
    EXPECT_FALSE(free.hopeless);
    EXPECT_THAT(free.advice, IsEmpty());
}

TEST(Placebo, SaysNothingOfWhatOnlyExplainsOthers) {
    auto machine = quiet();
    machine.signals[2].judged = machine.signals[3].judged = false;
    machine.signals[2].required = machine.signals[3].required = false;
    const auto report = report_of(machine);
    EXPECT_EQ(report.signals[2].watches, 0);
    EXPECT_FALSE(report.signals[2].hopeless);
    EXPECT_THAT(report.signals[2].advice, IsEmpty());
    EXPECT_EQ(report.all_load.watches, 0);
    EXPECT_EQ(report.watches.front().judged, 2);
    EXPECT_GE(report.passed, 3);  // required is what is judged
    EXPECT_THAT(in_words(report, machine.signals), HasSubstr("x2 worse, 2 of 2 signals page"));
    EXPECT_THAT(in_words(report, machine.signals), HasSubstr("\nno signal is hopeless"));
}

TEST(Placebo, MeasuresProofOnlyWhereAWatchCoversTheCycle) {
    const auto machine = quiet();
    const auto whole = report_of(machine);
    EXPECT_THAT(whole.proof_missing, IsEmpty());
    EXPECT_EQ(whole.signals[0].proven, 4);
    const auto half = report_of(machine, {.watch = 12h, .factors = {}});
    EXPECT_EQ(half.proof_missing, "not measurable: the watch is shorter than a cycle");
    EXPECT_EQ(half.signals[0].proven, 0);
    EXPECT_EQ(half.passed, 0);
    EXPECT_THAT(in_words(half, machine.signals), HasSubstr("proof is not measurable"));
}

TEST(Placebo, ExplainsWhyAHistoryIsTooShort) {
    auto course = eight_days;
    course.history = day * 2 + 6h;
    const auto report = report_of(quiet(course), {.watch = 8h});
    EXPECT_THAT(report.watches, IsEmpty());
    EXPECT_THAT(report.emptiness, HasSubstr("a history of 2 d 6 h has no room for a watch of 8 h"));
    EXPECT_THAT(in_words(report, quiet(course).signals), HasSubstr("nothing was replayed: "));
    EXPECT_EQ(report_of(quiet(course), {.watch = 6h}).watches.size(), 1);
    EXPECT_THAT(report_of({}, {.watch = day}).emptiness, HasSubstr("no history"));
    EXPECT_THAT(report_of(quiet(), {.watch = 1min}).emptiness, HasSubstr("shorter than a cell"));
}

TEST(Placebo, SaysTheSameInAnyOrder) {
    const auto machine = with_incident();
    const ForEach backwards = [](std::size_t n, const std::function<void(std::size_t)>& call) {
        while (n > 0) {
            call(--n);
        }
    };
    const auto a = report_of(machine);
    const auto b = report_of(machine, {.watch = day}, backwards);
    EXPECT_EQ(in_words(a, machine.signals), in_words(b, machine.signals));
    for (std::size_t i = 0; i < a.signals.size(); ++i) {
        EXPECT_EQ(a.signals[i].promise.within_hour, b.signals[i].promise.within_hour);
        EXPECT_EQ(a.signals[i].promise.within_day, b.signals[i].promise.within_day);
        EXPECT_EQ(a.signals[i].promise.within_watch, b.signals[i].promise.within_watch);
        EXPECT_EQ(a.signals[i].advice, b.signals[i].advice);
    }
}

TEST(ShareInterval, IsThatOfClopperAndPearson) {
    const auto some = share_interval(2, 17);
    EXPECT_NEAR(some.lower, 0.0146, 1e-4);
    EXPECT_NEAR(some.upper, 0.3644, 1e-4);
    EXPECT_EQ(share_interval(5, 5).upper, 1);
    EXPECT_NEAR(share_interval(5, 5).lower, 0.4782, 1e-4);
    EXPECT_EQ(share_interval(0, 0).lower, 0);
    EXPECT_EQ(share_interval(0, 0).upper, 1);
}

TEST(Placebo, SaysHowFarItIs) {
    const auto machine = quiet();
    std::size_t told = 0;
    std::size_t last = 0;
    std::size_t most = 0;
    report_of(machine, {.watch = day, .factors = {2}, .progress = [&](auto judged, auto all) {
                            ++told;
                            EXPECT_GT(judged, last);
                            last = judged;
                            most = all;
                        }});
    EXPECT_EQ(told, 4 * (1 + 4));  // watches, each unchanged and as costs, `in`, `out` and both
    EXPECT_EQ(last, most);
    EXPECT_EQ(told, most);
}

TEST(Placebo, EndsAndSaysNothingWhenItIsStopped) {
    const auto machine = quiet();
    for (const int calls :
         {0, 3, 12, 14, 30}) {  // 4 signals are learnt by three rounds, then copies
        int left = calls;
        const auto stopping = [&left](std::size_t n, const auto& call) {
            for (std::size_t i = 0; i < n && left > 0; ++i, --left) {
                call(i);
            }
        };
        const auto report = report_of(machine, {.watch = day}, stopping);
        EXPECT_THAT(report.emptiness, HasSubstr("stopped")) << calls;
        EXPECT_THAT(report.watches, IsEmpty());
        EXPECT_THAT(report.signals, IsEmpty());
        EXPECT_EQ(left, 0);
    }
}

}  // namespace
}  // namespace holdfast::rules
