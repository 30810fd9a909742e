#include "daemon/recompute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "model/names.h"
#include "tests/daemon/world.h"
#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr auto cycle = 60s;
const Timestamp start{24h * 20'000};

constexpr auto configuration = R"(
collectors: {cpu: {interval: 1s}}
defaults: {interval: 1s}
upgrades: {cycle: 60s, warmup: 1s, jobs: [{name: backup, signal: requests, above: 150}]}
default_rules: false
signals:
  - {name: queue_length, numerator: [{metric: holdfast_queue}], by: [queue]}
  - {name: requests, worse: both, load: true, numerator: [{metric: holdfast_requests}]}
rules:
  - {name: queue, signal: queue_length, required: true, tolerated: {absolute: 1}, margin: {absolute: 3},
     thresholds: [{above: 40, action: warn}]}
  - {name: traffic, signal: requests, worse: both, tolerated: {relative: 20%}, margin: {relative: 60%}}
)";

/// A queue and its requests that are recorded every second, judged as often, and a notebook with
/// what was said each time.
class RecomputeTest : public ::testing::Test {
protected:
    void SetUp() override {
        open(start);
        live(2 * cycle + 1s, 10);
    }
    void open(Timestamp now) { world_.emplace(folder_.path(), now, configuration); }
    /// The daemon dies and comes back.
    void restart(Milliseconds away = 0ms) {
        const auto now = world_->clock.now();
        world_.reset();
        open(now + away);
    }
    void live(std::chrono::seconds length, double level) {
        for (auto i = 0s; i < length; i += 1s) {
            const auto second = world_->clock.now().time_since_epoch() / 1s;
            const double wobble = static_cast<double>(second % 3) - 1;
            world_->record("queues", {{queue_, {}, level + 0.1 * wobble}});
            world_->record("shop", {{requests_, {}, second % 60 == 40 ? 200 : 100 + wobble}});
            world_->clock.set(world_->clock.now() + 1s);
            world_->evaluate();
            if (const auto known = world_->upgrades->find("u1"); known && known->judged_at) {
                said_.push_back(*known);
            }
        }
    }
    void begin() {
        StartRequest request;
        request.target = "shop";
        request.from = "1";
        request.to = "2";
        request.no_window = true;
        const auto started = world_->run(world_->upgrades->start(std::move(request)));
        ASSERT_TRUE(started) << started.error().message();
    }
    void end(rules::Transition how) {
        const auto ended = world_->run(world_->upgrades->transition("u1", how, "me", "why"));
        ASSERT_TRUE(ended) << ended.error().message();
    }
    /// By what is stored, beside the world that holds the stores.
    Result<Recomputed> recomputed(std::optional<Timestamp> at = std::nullopt) {
        const auto records =
            storage::open_record_store({.path = folder_.path() / "records", .read_only = true});
        const auto samples =
            storage::open_sample_store({.path = folder_.path() / "samples", .read_only = true});
        EXPECT_TRUE(records && samples);
        return recompute(**samples, **records, "u1", at);
    }
    static std::string told(const std::vector<Difference>& differences) {
        std::string out;
        for (const auto& d : differences) {
            out +=
                fmt::format("{} {} {}: {} {}\n", d.rule, d.signal, d.field,
                            boost::json::serialize(d.stored), boost::json::serialize(d.recomputed));
        }
        return out;
    }
    void expect_identical() {
        const auto again = recomputed();
        ASSERT_TRUE(again) << again.error().message();
        ASSERT_TRUE(again->differences);
        EXPECT_EQ(told(*again->differences), "");
        EXPECT_EQ(again->judged_at, again->upgrade.judged_at);
        EXPECT_EQ(again->verdict, again->upgrade.verdict);
        EXPECT_EQ(again->judgements.size(), 2);
    }
    /// Whatever was said in the notebook comes out again.
    void expect_all_said_again() {
        ASSERT_THAT(said_, Not(IsEmpty()));
        for (const auto& upgrade : said_) {
            const auto again = recomputed(upgrade.judged_at);
            ASSERT_TRUE(again) << again.error().message();
            ASSERT_EQ(told(differences(upgrade.judgements, again->judgements)), "")
                << (*upgrade.judged_at - *upgrade.window_end_at).count() << " ms after the window";
            ASSERT_EQ(again->verdict, upgrade.verdict);
        }
    }

    holdfast::testing::TempDir folder_;
    std::optional<testing::World> world_;
    std::vector<Upgrade> said_;
    std::shared_ptr<const Series> queue_ =
        std::make_shared<const Series>(Series{"holdfast_queue", {{"queue", "orders"}}});
    std::shared_ptr<const Series> requests_ =
        std::make_shared<const Series>(Series{"holdfast_requests", {}});
};

TEST_F(RecomputeTest, SaysTheSameBitForBitOfAProvenUpgradeThatWasClosed) {
    begin();
    live(70s, 10.2);
    end(rules::Transition::close);
    expect_identical();
    EXPECT_EQ(recomputed()->verdict, Verdict::proven);
    expect_all_said_again();
}

TEST_F(RecomputeTest, SaysTheSameOfARegressionThatTookARestartAndEnded) {
    begin();
    live(20s, 10);
    live(12s, 20);
    expect_identical();
    restart(5s);
    live(8s, 20);
    EXPECT_EQ(world_->now("u1").verdict, Verdict::rollback);
    expect_identical();
    live(40s, 10);
    EXPECT_EQ(world_->now("u1").verdict, Verdict::watching);
    end(rules::Transition::override_close);
    live(5s, 10);
    expect_identical();
    expect_all_said_again();
}

TEST_F(RecomputeTest, SaysTheSameOfAProofThatABreachOfAThresholdStartedAnew) {
    begin();
    live(20s, 10);
    live(1s, 60);
    live(70s, 10);
    end(rules::Transition::override_close);
    expect_identical();
    expect_all_said_again();
}

TEST_F(RecomputeTest, SaysWhichFieldDiffersWhenASampleIsNotWhatWasJudged) {
    begin();
    live(30s, 10);
    end(rules::Transition::override_close);
    expect_identical();
    storage::Row other{"queues", world_->clock.now() - 15s, {.epoch = 1}};
    other.received = other.at;
    other.reading.samples = {{queue_, other.at, 11}};
    ASSERT_TRUE(world_->samples->append({std::make_shared<const storage::Row>(other)}));
    const auto again = recomputed();
    ASSERT_TRUE(again) << again.error().message();
    ASSERT_TRUE(again->differences);
    EXPECT_THAT(*again->differences,
                Contains(AllOf(Field(&Difference::rule, "queue"),
                               Field(&Difference::signal, R"(queue_length{queue="orders"})"),
                               Field(&Difference::field, "evidence.effect"))))
        << told(*again->differences);
    for (const auto& difference : *again->differences) {
        EXPECT_EQ(difference.rule, "queue") << difference.field;
        EXPECT_NE(difference.stored, difference.recomputed) << difference.field;
    }
}

TEST_F(RecomputeTest, ComparesOnlyWithJudgementsOfTheSameMoment) {
    begin();
    live(10s, 10);
    const auto stored = recomputed()->judged_at;
    EXPECT_TRUE(recomputed(stored)->differences);
    const auto later = recomputed(stored + 3s);
    ASSERT_TRUE(later) << later.error().message();
    EXPECT_EQ(later->judged_at, stored + 3s);
    EXPECT_FALSE(later->differences);
}

TEST_F(RecomputeTest, RefusesWhatWasNeverJudgedAndMomentsThatNobodyKnows) {
    const auto refusal = [this](std::optional<Timestamp> at) {
        const auto again = recomputed(at);
        return again ? std::pair{Errc::cancelled, std::string{"no refusal"}}
                     : std::pair{again.error().code(), again.error().message()};
    };
    EXPECT_EQ(refusal({}).first, Errc::not_found);
    begin();
    EXPECT_EQ(refusal({}).first, Errc::conflict);
    EXPECT_THAT(refusal({}).second, HasSubstr("nothing was judged yet; wait"));
    live(10s, 10);
    const auto now = world_->clock.now();
    EXPECT_TRUE(recomputed(now - 1s)) << "received then, though judged later";
    EXPECT_EQ(refusal(now + 1ms).first, Errc::invalid);
    EXPECT_THAT(refusal(now + 1ms).second, HasSubstr("what is stored ends at"));
    EXPECT_EQ(refusal(now - 1h).first, Errc::invalid);
    EXPECT_THAT(refusal(now - 1h).second, HasSubstr("its window ended at"));
}

// ---- comparing

Judged judged() {
    Judged out{.rule = "latency", .signal = {"x_seconds", {{"device", "sda"}}}};
    out.evidence.effect = 1;
    out.evidence.effect_upper = std::numeric_limits<double>::quiet_NaN();
    return out;
}

std::string only_difference(const Judged& a, const Judged& b) {
    const auto found = differences({a}, {b});
    return found.size() == 1
               ? fmt::format("{} {}", found[0].field, boost::json::serialize(found[0].recomputed))
               : fmt::format("{} differences", found.size());
}

TEST(Differences, TellsDoublesApartByTheirBitsAndTakesNanForNan) {
    EXPECT_THAT(differences({judged()}, {judged()}), IsEmpty());
    auto other = judged();
    other.evidence.effect = std::nextafter(1.0, 2.0);
    EXPECT_EQ(only_difference(judged(), other), "evidence.effect 1.0000000000000002E0");
    other = judged();
    other.evidence.effect_upper = -other.evidence.effect_upper;
    EXPECT_EQ(only_difference(judged(), other), "0 differences");
    other.evidence.effect_upper = 2;
    EXPECT_EQ(only_difference(judged(), other), "evidence.effect_upper 2E0");
    other = judged();
    other.evidence.tolerated = -0.0;
    EXPECT_EQ(only_difference(judged(), other), "evidence.tolerated -0E0");
}

TEST(Differences, NamesEveryFieldByItsPath) {
    auto other = judged();
    other.evidence.window.end = Timestamp{1ms};
    EXPECT_EQ(only_difference(judged(), other),
              R"(evidence.window.end "1970-01-01T00:00:00.001Z")");
    other = judged();
    other.regressed_since = Timestamp{};
    EXPECT_EQ(only_difference(judged(), other), R"(regressed_since "1970-01-01T00:00:00.000Z")");
    other = judged();
    other.signal.labels = {{"device", "sdb"}};
    EXPECT_EQ(only_difference(judged(), other), R"(signal.labels.device "sdb")");
    other = judged();
    other.no_data = NoData::ignore;
    EXPECT_EQ(only_difference(judged(), other), R"(no_data "ignore")");
}

TEST(Differences, MissesNoJudgement) {
    const auto less = differences({judged(), judged()}, {judged()});
    ASSERT_EQ(less.size(), 1);
    EXPECT_EQ(less[0].field, "judgement");
    EXPECT_EQ(less[0].stored, "learning");
    EXPECT_EQ(less[0].recomputed, nullptr);
    EXPECT_EQ(differences({}, {judged()}).size(), 1);
}

}  // namespace
}  // namespace holdfast::daemon
