#include "rules/judging/reasons.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr double not_known = std::numeric_limits<double>::quiet_NaN();
const Timestamp upgrade{24h * 20'000 + 10h};  // a Friday
const Timestamp now = upgrade + 6h;
const EnsemblePlan plan{.upgrade = upgrade, .cell = 5min, .cycle = 24h * 7};

EnsembleSignal signal(std::string name, Direction worse = Direction::up) {
    return {.name = std::move(name), .worse = worse};
}

/// The level is `usual` and moved by `share` of it, give or take 5 %.
EnsembleJudged moved(Judgement judgement, double usual, double share) {
    EnsembleJudged j{.judgement = judgement, .detector = "level", .up = share > 0};
    j.window = {now - 25min, now};
    j.usual = usual;
    j.observed = usual * (1 + share);
    j.effect = usual * share;
    j.effect_lower = usual * (share - 0.05);
    j.effect_upper = usual * (share + 0.05);
    j.tolerated = 0.02 * usual;
    j.margin = 0.1 * usual;
    j.data_needed = 0ms;
    return j;
}
EnsembleJudged regressed(double usual, double share) {
    auto j = moved(Judgement::regressed, usual, share);
    j.severity = Severity::page;
    return j;
}
EnsembleJudged watching() {
    return moved(Judgement::watching, 0.024, 0.01);
}
Evidence told(const EnsembleJudged& j, const EnsembleSignal& of = signal("p95_latency_seconds")) {
    return evidence_of(of, j, plan, now);
}

// --- trends --------------------------------------------------------------------------------------

constexpr double gib = 1024.0 * 1024 * 1024;

EnsembleSignal disk(Direction worse = Direction::up) {
    return {.name = R"(disk_used_bytes{device="sda"})",
            .kind = Kind::trend,
            .worse = Direction::up,
            .shrinks = worse == Direction::down};
}

TEST(Reasons, TellHowFastATrendGrowsAndHowFastItUsuallyDoes) {
    const auto e = told(regressed(gib, 0.5), disk());
    EXPECT_EQ(e.reason,
              R"(disk_used_bytes{device="sda"} grows by 1.5 GiB a day (1.45 GiB to 1.55 GiB) over )"
              "25 min, usually by 1 GiB; tolerated 20.5 MiB, margin 102 MiB a day");
    EXPECT_EQ(e.observed, 1.5 * gib);
    EXPECT_EQ(e.effect, 0.5 * gib);
    auto share = disk();
    share.name = "disk_used_ratio";
    EXPECT_THAT(told(regressed(0.12, 0.5), share).reason,
                HasSubstr("grows by 18 points a day (17.4 points to 18.6 points) over 25 min, "
                          "usually by 12 points; tolerated 0.24 points, margin 1.2 points a day"));
}

TEST(Reasons, TellThatATrendShrinks) {
    const auto e = told(regressed(gib, 0.5), disk(Direction::down));
    EXPECT_THAT(e.reason, HasSubstr("shrinks by 1.5 GiB a day (1.45 GiB to 1.55 GiB) over 25 min, "
                                    "usually by 1 GiB"));
    EXPECT_EQ(e.baseline, -gib);
    EXPECT_EQ(e.observed, -1.5 * gib);
    EXPECT_EQ(e.effect, 0.5 * gib);
    EXPECT_THAT(told(moved(Judgement::watching, gib, -3), disk()).reason,
                HasSubstr("shrinks by 2 GiB a day (1.95 GiB to 2.05 GiB) over 25 min, usually it "
                          "grows by 1 GiB"));
}

TEST(Reasons, TellThatTheGrowthOfATrendScatters) {
    auto j = regressed(gib, 0.5);
    j.detector = "dispersion";
    EXPECT_THAT(told(j, disk()).reason,
                StartsWith(R"(the growth of disk_used_bytes{device="sda"} scatters more)"));
}

TEST(NextLimit, IsTheFirstThatIsReachedAtThisPace) {
    using Sort = Threshold::Sort;
    using Side = Threshold::Side;
    const std::vector<Threshold> limits{{Side::below, 0.5},
                                        {Side::above, 0.95},
                                        {.value = 0.9, .sort = Sort::projected},
                                        {.value = 0.7, .sort = Sort::relative},
                                        {.value = 0.71, .sort = Sort::burn_rate}};
    const auto next = [&](double level, double per_day) {
        return next_limit(limits, "disk_used_ratio", level, per_day);
    };
    EXPECT_EQ(next(0.6, 0.1), "at this pace 90.0 % is reached in 3 d");
    EXPECT_EQ(next(0.92, 0.72), "at this pace 95.0 % is reached in 1 h");
    EXPECT_EQ(next(0.6, -0.01), "at this pace 50.0 % is reached in 10 d");
    EXPECT_EQ(next(0.96, 0.1), "");
    EXPECT_EQ(next(0.6, 0), "");
    EXPECT_EQ(next(0.6, 0.00001), "");  // in eighty years
    EXPECT_EQ(next(0.6, not_known), "");
}

// --- regressions -------------------------------------------------------------------------------

TEST(Reasons, TellHowFarAboveItsUsualLevelASignalIs) {
    const auto e = told(regressed(0.024, 0.31), signal(R"(p95_latency_seconds{path="/infer"})"));
    EXPECT_EQ(e.reason,
              R"(p95_latency_seconds{path="/infer"} is 31.4 ms, 31.0 % (26.0 % to 36.0 %) above )"
              "its usual 24.0 ms over 25 min; tolerated 2 %, margin 10.0 %");
    EXPECT_EQ(e.missing, "the end of the regression");
    EXPECT_DOUBLE_EQ(e.effect, 0.31 * 0.024);
    EXPECT_LT(e.effect_lower, e.effect_upper);
}

TEST(Reasons, TellHowFarBelowItsUsualLevelASignalIsWhoseFallIsWorse) {
    const auto e = told(regressed(200, -0.31), signal("requests_per_second", Direction::down));
    EXPECT_EQ(e.reason,
              "requests_per_second is 138/s, 31.0 % (26.0 % to 36.0 %) below its usual 200/s over "
              "25 min; tolerated 2 %, margin 10.0 %");
    EXPECT_DOUBLE_EQ(e.effect, 62);  // a worsening is positive
    EXPECT_DOUBLE_EQ(e.effect_lower, 52);
    EXPECT_DOUBLE_EQ(e.effect_upper, 72);
}

TEST(Reasons, TakeTheSideThatWasLeftForTheWorseOneWhereBothAre) {
    for (const double share : {0.31, -0.31}) {
        SCOPED_TRACE(share);
        const auto e = told(regressed(200, share), signal("threads", Direction::both));
        EXPECT_THAT(e.reason,
                    HasSubstr(share > 0 ? "31.0 % (26.0 % to 36.0 %) above its usual 200"
                                        : "31.0 % (26.0 % to 36.0 %) below its usual 200"));
        EXPECT_NEAR(e.effect, 62, 1e-9);
        EXPECT_NEAR(e.effect_lower, 52, 1e-9);
        EXPECT_NEAR(e.effect_upper, 72, 1e-9);
    }
}

TEST(Reasons, TellOfScatterAndPeaksWithoutALevel) {
    auto j = regressed(0.024, 0);
    j.spoken_ratio = 0.8;
    j.spoken_lower_ratio = 0.5;
    j.spoken_upper_ratio = 1.2;
    j.window = {now - 6h, now};
    j.detector = "dispersion";
    EXPECT_EQ(told(j).reason,
              "p95_latency_seconds scatters more than usual, 80.0 % (50.0 % to 120 %) over 6 h");
    j.detector = "tail";
    EXPECT_EQ(told(j).reason,
              "p95_latency_seconds has more peaks than usual, 80.0 % (50.0 % to 120 %) over 6 h");
    j.detector = "fast";
    EXPECT_THAT(told(j).reason, HasSubstr("its usual 24.0 ms"));
}

// --- what is worth how much --------------------------------------------------------------------

TEST(Reasons, TellSharesInPoints) {
    EXPECT_EQ(told(regressed(0.2, 0.5), signal("cpu_busy_ratio")).reason,
              "cpu_busy_ratio is 30.0 %, 10 points (9 points to 11 points) above its usual 20.0 % "
              "over 25 min; tolerated 0.4 points, margin 2 points");
}

TEST(Reasons, TellAmountsInTheUnitWhereTheUsualLevelIsZero) {
    EnsembleJudged j{.judgement = Judgement::regressed, .detector = "level", .up = true};
    j.window = {now - 1h, now};
    j.observed = j.effect = 3;
    j.effect_lower = 2;
    j.effect_upper = 4;
    j.margin = 1;
    EXPECT_EQ(told(j, signal("restarts_per_second")).reason,
              "restarts_per_second is 3/s, 3/s (2/s to 4/s) above its usual 0/s over 1 h; "
              "tolerated 0/s, margin 1/s");
}

TEST(Reasons, SayNoMoreThanTenTimesOfALimitFarAway) {
    auto j = watching();
    j.effect_lower = -0.5;
    for (const double limit : {0.241, 7.0, 1e300, infinite}) {
        j.effect_upper = limit;
        EXPECT_THAT(told(j).reason, HasSubstr("(-1000 % or less to 1000 % or more) above"));
    }
    j.effect_lower = -0.2;
    j.effect_upper = 0.2;
    EXPECT_THAT(told(j).reason, HasSubstr("(-833 % to 833 %) above"));
}

TEST(Reasons, RoundWhatIsAllowedToTwoDigits) {
    auto j = watching();
    j.tolerated = 0.01987 * j.usual;
    j.margin = 0.09953 * j.usual;
    EXPECT_THAT(told(j).reason, HasSubstr("; tolerated 2 %, margin 10.0 %;"));
    j.tolerated = 0;
    j.margin = 0.1234 * j.usual;
    EXPECT_THAT(told(j).reason, HasSubstr("; tolerated 0 %, margin 12.0 %;"));
}

// --- before a proof ----------------------------------------------------------------------------

TEST(Reasons, TellAnImprovementAsOne) {
    const auto down = told(moved(Judgement::watching, 0.024, -0.2));
    EXPECT_THAT(down.reason,
                StartsWith("p95_latency_seconds is 19.2 ms, 20.0 % (15.0 % to 25.0 %) below its "
                           "usual 24.0 ms over 25 min"));
    EXPECT_LT(down.effect, 0);
    const auto up =
        told(moved(Judgement::watching, 200, 0.2), signal("requests_per_second", Direction::down));
    EXPECT_THAT(up.reason, HasSubstr("is 240/s, 20.0 % (15.0 % to 25.0 %) above its usual 200/s"));
    EXPECT_LT(up.effect, 0);
}

TEST(Reasons, TakeEitherSideForTheWorseOneWhereBothAre) {
    for (const double share : {0.2, -0.2}) {
        const auto e =
            told(moved(Judgement::watching, 200, share), signal("threads", Direction::both));
        EXPECT_DOUBLE_EQ(e.effect, 40) << share;
        EXPECT_THAT(e.reason,
                    HasSubstr(share > 0 ? "20.0 % (15.0 % to 25.0 %) above its usual 200"
                                        : "20.0 % (15.0 % to 25.0 %) below its usual 200"));
    }
}

TEST(Reasons, OfAProofLackNothing) {
    const auto e = told(moved(Judgement::proven, 0.024, 0.01));
    EXPECT_EQ(e.missing, "");
    EXPECT_THAT(e.reason, EndsWith("; proven to be within the margin over the whole cycle"));
}

TEST(Reasons, AskForEvidenceWhereNoAmountOfDataWouldDo) {
    auto j = watching();
    j.data_needed.reset();
    EXPECT_EQ(told(j).missing, "more evidence: the effect may be as large as the margin");
    EXPECT_THAT(told(j).reason, EndsWith("; not yet proven: needs " + told(j).missing));
}

TEST(Reasons, AskForAsMuchDataAsIsNeeded) {
    auto j = watching();
    for (const auto& [needed, words] :
         {std::pair{Milliseconds{1ms}, "about 1 s more data"},
          std::pair{Milliseconds{90s}, "about 1 min 30 s more data"},
          std::pair{Milliseconds{44min + 40s}, "about 45 min more data"},
          std::pair{Milliseconds{7h + 20min}, "about 7 h more data"},
          std::pair{Milliseconds{24h * 3 + 13h}, "about 4 d more data"},
          std::pair{Milliseconds{24h * 28}, "about 28 d more data"},
          std::pair{Milliseconds{24h * 28 + 1ms},
                    "about 28 d more data: the noise is large beside the margin"}}) {
        j.data_needed = needed;
        EXPECT_EQ(told(j).missing, words);
    }
}

TEST(Reasons, AskForTheRestOfTheCycleWithItsLastSlot) {
    auto j = watching();
    j.covered_at = now + 24h * 2 + 3h;
    EXPECT_EQ(told(j).missing, "2 d 3 h more of the business cycle");
    j.slot_missing = 24 + 9;
    EXPECT_EQ(told(j).missing, "2 d 3 h more of the business cycle, at the least Tuesday 09:00");
}

TEST(Reasons, AskForTheUsualLoad) {
    auto j = watching();
    j.load_seen_ratio = 0.5;
    EXPECT_EQ(told(j).missing, "the usual load: 45.0 % of its peak was seen, 90.0 % are needed");
    j.load_seen_ratio = 0;
    EXPECT_THAT(told(j).missing, HasSubstr("0 % of its peak was seen"));
}

TEST(Reasons, AskForAllThatIsMissing) {
    auto j = watching();
    j.data_needed = 3h;
    j.covered_at = now + 24h;
    j.load_seen_ratio = 0.8;
    EXPECT_EQ(told(j).missing,
              "about 3 h more data, 1 d more of the business cycle, the usual load: 72.0 % of its "
              "peak was seen, 90.0 % are needed");
}

TEST(Reasons, SayWhyThereIsNothingToSay) {
    const auto learning = told({.judgement = Judgement::learning});
    EXPECT_THAT(learning.reason, HasSubstr("it was not there before the upgrade"));
    EXPECT_EQ(learning.missing, "a baseline that knows it");
    const auto no_data = told({.judgement = Judgement::no_data});
    EXPECT_EQ(no_data.reason, "p95_latency_seconds: no data since the upgrade");
    EXPECT_EQ(no_data.missing, "data");
}

// --- odd figures -------------------------------------------------------------------------------

/// Every judgement of every sort of signal with limits that are `limit` away.
void expect_no_nonsense(double usual, double limit) {
    for (const auto judgement : {Judgement::watching, Judgement::proven, Judgement::regressed}) {
        for (const auto worse : {Direction::up, Direction::down, Direction::both}) {
            for (const auto* name : {"heap_bytes", "cpu_busy_ratio", "latency_seconds",
                                     "requests_per_second", "threads"}) {
                auto j = moved(judgement, usual, 0.01);
                j.effect_lower = -limit;
                j.effect_upper = limit;
                EXPECT_THAT(told(j, signal(name, worse)).reason,
                            Not(AnyOf(HasSubstr("nan"), HasSubstr("inf"))))
                    << name << " " << usual;
            }
        }
    }
}

TEST(Reasons, PrintNoFiguresThatAreNone) {
    for (const double usual : {0.0, 0.2, -7.0, 1e300}) {
        expect_no_nonsense(usual, 1e6);
    }
    for (const double usual : {0.2, -7.0, 1e300}) {
        auto j = watching();
        j.effect_lower = -infinite;
        j.effect_upper = infinite;
        EXPECT_THAT(told(j, signal("heap_bytes")).reason, Not(HasSubstr("inf"))) << usual;
    }
    auto j = watching();
    j.effect_lower = j.effect_upper = not_known;
    EXPECT_THAT(told(j, signal("heap_bytes")).reason, Not(HasSubstr("nan")));
}

// Shares and signals whose usual level is 0 are told in their unit, without a bound.
TEST(Reasons, PrintNoInfiniteLimitsOfSharesAndOfWhatIsUsuallyZero) {
    for (const double usual : {0.0, 0.2}) {
        expect_no_nonsense(usual, infinite);
    }
}

}  // namespace
}  // namespace holdfast::rules
