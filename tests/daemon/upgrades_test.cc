#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/quantities.h"
#include "model/names.h"
#include "tests/daemon/world.h"
#include "tests/support/run.h"
#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto cycle = 60s;
const Timestamp start{24h * 20'000};

constexpr auto configuration = R"(
collectors: {cpu: {interval: 1s}}
defaults: {interval: 1s}
upgrades:
  cycle: 60s
  warmup: 1s
  load: [requests]
  exclude: [{from: 2024-10-04T00:00:30Z, to: 2024-10-04T00:00:40Z, reason: incident 4711}]
  jobs: [{name: backup, signal: queue_length, above: 5}]
default_rules: false
signals:
  - {name: queue_length, numerator: [{metric: holdfast_queue}], by: [queue]}
  - {name: requests, numerator: [{metric: holdfast_requests}]}
rules:
  - {name: queue, signal: queue_length, required: true, tolerated: {absolute: 1}, margin: {absolute: 3}}
)";

/// One gauge that is recorded every second.
struct World : testing::World {
    World(const std::filesystem::path& folder, Timestamp now)
        : testing::World{folder, now, configuration} {}

    /// Seconds of the world: a sample is recorded and seen, the clock moves, rules judge.
    void live(std::chrono::seconds length, double level) {
        for (auto i = 0s; i < length; i += 1s) {
            const double wobble =
                static_cast<double>((clock.now().time_since_epoch() / 1s) % 3) - 1;
            record("queues", {{series, clock.now(), level + 0.1 * wobble}});
            clock.set(clock.now() + 1s);
            evaluate();
        }
    }
    Upgrade begin(bool no_window = true) {
        StartRequest request;
        request.target = "shop";
        request.from = "1";
        request.to = "2";
        request.no_window = no_window;
        auto started = run(upgrades->start(std::move(request)));
        EXPECT_TRUE(started) << started.error().message();
        return started->upgrade;
    }

    std::shared_ptr<const Series> series =
        std::make_shared<const Series>(Series{"holdfast_queue", {{"queue", "orders"}}});
};

struct UpgradesTest : ::testing::Test {
    holdfast::testing::TempDir folder;
    std::optional<World> world;

    void SetUp() override {
        world.emplace(folder.path(), start);
        world->live(2 * cycle + 1s, 10);
    }
    /// The daemon dies and comes back.
    void restart() {
        const auto now = world->clock.now();
        world.reset();
        world.emplace(folder.path(), now);
    }
};

TEST_F(UpgradesTest, ProvesAnUnchangedSystemAfterACycleAndLetsItClose) {
    const auto upgrade = world->begin();
    EXPECT_EQ(upgrade.id, "u1");
    world->live(50s, 10);
    const auto refused =
        world->run(world->upgrades->transition("u1", rules::Transition::close, "me", ""));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::conflict);
    EXPECT_THAT(refused.error().message(), HasSubstr("more of the business cycle"));
    world->live(15s, 10);
    EXPECT_EQ(world->now("u1").verdict, Verdict::proven)
        << world->now("u1").judgements[0].evidence.reason;
    const auto closed =
        world->run(world->upgrades->transition("u1", rules::Transition::close, "me", ""));
    ASSERT_TRUE(closed) << closed.error().message();
    EXPECT_EQ(closed->phase, Phase::closed);
    EXPECT_THAT(world->firing(), ElementsAre());
    const auto events = world->run(world->upgrades->events("u1"));
    ASSERT_TRUE(events);
    std::vector<std::string> types;
    for (const auto& event : *events) {
        types.push_back(event.type);
    }
    EXPECT_THAT(types, ElementsAre("started", "judgement", "close_refused", "judgement", "verdict",
                                   "closed"));
}

TEST_F(UpgradesTest, AdvisesARollbackAndEndsItsAlertsWithIt) {
    world->begin();
    world->live(15s, 20);
    EXPECT_EQ(world->now("u1").verdict, Verdict::rollback)
        << world->now("u1").judgements[0].evidence.reason;
    EXPECT_THAT(world->firing(), ElementsAre("HoldfastRegression", "HoldfastRollbackRecommended",
                                             "HoldfastWatchdog"));
    const auto rolled =
        world->run(world->upgrades->transition("u1", rules::Transition::roll_back, "me", "slow"));
    ASSERT_TRUE(rolled);
    EXPECT_THAT(world->firing(), ElementsAre());
}

TEST_F(UpgradesTest, MutesJudgingInTheWindow) {
    world->begin(false);
    world->live(30s, 50);
    EXPECT_EQ(world->now("u1").phase, Phase::window);
    EXPECT_TRUE(world->now("u1").judgements.empty());
    ASSERT_TRUE(
        world->run(world->upgrades->transition("u1", rules::Transition::window_end, "me", "")));
    world->live(65s, 10);
    EXPECT_EQ(world->now("u1").verdict, Verdict::proven)
        << world->now("u1").judgements[0].evidence.reason;
}

TEST_F(UpgradesTest, SaysTheSameBitForBitAfterARestart) {
    world->begin();
    world->live(40s, 10.4);
    const auto before = world->now("u1");
    restart();
    world->evaluate();
    const auto after = world->now("u1");
    EXPECT_EQ(after.revision, before.revision);
    EXPECT_EQ(after.verdict, before.verdict);
    ASSERT_EQ(after.judgements.size(), 1);
    EXPECT_EQ(after.judgements[0].evidence.effect, before.judgements[0].evidence.effect);
    EXPECT_EQ(after.judgements[0].evidence.effect_upper,
              before.judgements[0].evidence.effect_upper);
    EXPECT_EQ(after.judgements[0].evidence.reason, before.judgements[0].evidence.reason);
}

TEST_F(UpgradesTest, KeepsAFiringPageThroughARestart) {
    world->begin();
    world->live(15s, 20);
    const auto before = world->firing();
    ASSERT_EQ(before.size(), 3);
    restart();
    ASSERT_TRUE(world->run(world->alerting->load()));
    EXPECT_EQ(world->firing(), before);
    world->evaluate();
    EXPECT_EQ(world->firing(), before);
}

TEST_F(UpgradesTest, StartsOnlyOneUpgradeForAnIdempotencyKey) {
    StartRequest request;
    request.target = "shop";
    request.from = "1";
    request.to = "2";
    request.idempotency_key = "run-7";
    request.digest = "a";
    auto copy = request;
    const auto first = world->run(world->upgrades->start(std::move(copy)));
    copy = request;
    const auto again = world->run(world->upgrades->start(std::move(copy)));
    ASSERT_TRUE(first && again);
    EXPECT_TRUE(first->created);
    EXPECT_FALSE(again->created);
    EXPECT_EQ(first->upgrade.id, again->upgrade.id);
    request.digest = "b";
    const auto other = world->run(world->upgrades->start(std::move(request)));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code(), Errc::invalid);
}

TEST_F(UpgradesTest, RefusesASecondOpenUpgradeOfTheSameTarget) {
    world->begin();
    StartRequest request;
    request.target = "shop";
    request.from = "2";
    request.to = "3";
    const auto second = world->run(world->upgrades->start(std::move(request)));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), Errc::conflict);
    EXPECT_THAT(second.error().message(), HasSubstr("u1 is still watching"));
}

TEST_F(UpgradesTest, RefusesWhatCanNeverStart) {
    const auto refused = [&](auto&& change) {
        StartRequest request;
        request.target = "shop";
        request.from = "1";
        request.to = "2";
        change(request);
        const auto started = world->run(world->upgrades->start(std::move(request)));
        return started ? std::string{"started"} : started.error().message();
    };
    EXPECT_THAT(refused([](StartRequest& r) { r.target.clear(); }),
                HasSubstr("'target' must have"));
    EXPECT_THAT(refused([](StartRequest& r) { r.cycle = 1s; }),
                HasSubstr("cycle 1s is out of range"));
    EXPECT_THAT(refused([](StartRequest& r) { r.baseline = "b99"; }), HasSubstr("no baseline b99"));
    EXPECT_THAT(refused([](StartRequest& r) { r.timezone = "Mars/Olympus"; }),
                HasSubstr("no time zone"));
}

TEST_F(UpgradesTest, OverridesOnlyForANamedPersonWithAReason) {
    world->begin();
    const auto nobody =
        world->run(world->upgrades->transition("u1", rules::Transition::override_close, "", "why"));
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code(), Errc::invalid);
    const auto person = world->run(
        world->upgrades->transition("u1", rules::Transition::override_close, "kim", "known"));
    ASSERT_TRUE(person);
    EXPECT_EQ(person->phase, Phase::closed);
    EXPECT_TRUE(person->overridden);
    const auto events = world->run(world->upgrades->events("u1"));
    EXPECT_EQ(events->back().by, "kim");
    EXPECT_EQ(events->back().text, "known");
}

TEST_F(UpgradesTest, SealsBaselinesWithADigestThatSurvives) {
    const auto taken =
        world->run(world->upgrades->take_baseline(std::nullopt, std::nullopt, std::nullopt));
    ASSERT_TRUE(taken) << taken.error().message();
    EXPECT_EQ(taken->whole_cycles, 2);
    EXPECT_THAT(taken->note, HasSubstr("only 2 whole cycles"));
    ASSERT_EQ(taken->signals.size(), 1);
    EXPECT_EQ(to_string(taken->signals[0].signal), R"(queue_length{queue="orders"})");
    restart();
    const auto back = world->upgrades->baseline(taken->id);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->digest, taken->digest);
    EXPECT_EQ(sha256_hex(storage::canonical_bytes(*back)), taken->digest);
}

TEST_F(UpgradesTest, CopiesLoadAndJobsOfTheConfigurationIntoTheUpgrade) {
    const auto upgrade = world->begin();
    EXPECT_THAT(upgrade.load, ElementsAre("requests"));
    EXPECT_THAT(upgrade.jobs,
                ElementsAre(Job{"backup", "queue_length", {}, Threshold::Side::above, 5}));
}

TEST_F(UpgradesTest, LearnsNeitherIncidentsNorWindowsNorWhatWasRolledBack) {
    const auto take = [this] {
        auto taken =
            world->run(world->upgrades->take_baseline(std::nullopt, std::nullopt, std::nullopt));
        EXPECT_TRUE(taken) << taken.error().message();
        return *taken;
    };
    const auto before = take();
    ASSERT_EQ(before.excluded.size(), 1);
    EXPECT_EQ(before.excluded[0].reason, "incident 4711");
    const auto began = world->clock.now();
    world->begin(false);
    world->live(5s, 50);
    ASSERT_TRUE(
        world->run(world->upgrades->transition("u1", rules::Transition::window_end, "me", "")));
    const auto window_end = world->clock.now();
    world->live(60s, 20);
    EXPECT_EQ(take().excluded.back(), (Exclusion{{began, window_end}, "upgrade u1"}));
    ASSERT_TRUE(
        world->run(world->upgrades->transition("u1", rules::Transition::roll_back, "me", "slow")));
    const auto ended = world->clock.now();
    world->live(5s, 10);
    const auto after = take();
    EXPECT_EQ(after.excluded.back(), (Exclusion{{began, ended}, "upgrade u1"}));
    EXPECT_THAT(after.note, HasSubstr("(upgrade u1)"));
    EXPECT_LT(after.signals.at(0).maximum, 11);  // neither of the 50s nor of the 20s
}

TEST_F(UpgradesTest, StaysLearningWithLessThanACycleOfBaseline) {
    const auto taken = world->run(world->upgrades->take_baseline(30s, std::nullopt, std::nullopt));
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->whole_cycles, 0);
    StartRequest request;
    request.target = "shop";
    request.from = "1";
    request.to = "2";
    request.baseline = taken->id;
    request.no_window = true;
    ASSERT_TRUE(world->run(world->upgrades->start(std::move(request))));
    world->live(70s, 10);
    EXPECT_EQ(world->now("u1").judgements[0].judgement, Judgement::learning);
    EXPECT_EQ(world->now("u1").verdict, Verdict::watching);
}

TEST_F(UpgradesTest, StaysLearningWithABaselineOfAnOlderHoldfastThatHasNoCells) {
    const auto taken =
        world->run(world->upgrades->take_baseline(std::nullopt, std::nullopt, std::nullopt));
    ASSERT_TRUE(taken) << taken.error().message();
    auto older = *taken;
    older.id = "b2";
    older.cell = 0s;
    ASSERT_TRUE(world->records->put_baseline(older, {}));
    restart();
    StartRequest request;
    request.target = "shop";
    request.from = "1";
    request.to = "2";
    request.baseline = "b2";
    request.no_window = true;
    ASSERT_TRUE(world->run(world->upgrades->start(std::move(request))));
    world->live(5s, 10);
    EXPECT_EQ(world->now("u1").judgements.at(0).judgement, Judgement::learning);
}

TEST_F(UpgradesTest, IsBlockedWhenARequiredSignalStops) {
    world->begin();
    world->live(10s, 10);
    world->clock.set(world->clock.now() + 60s);
    world->evaluate();
    EXPECT_EQ(world->now("u1").verdict, Verdict::blocked);
    EXPECT_THAT(world->firing(), ElementsAre("HoldfastUpgradeBlocked", "HoldfastWatchdog"));
    world->live(2s, 10);
    EXPECT_EQ(world->now("u1").verdict, Verdict::watching);
}

TEST_F(UpgradesTest, DoesNotTakeItsOwnAbsenceForSilence) {
    world->begin();
    world->live(10s, 10);
    const auto away = world->clock.now() + 10min;
    world.reset();
    world.emplace(folder.path(), away);
    world->evaluate();
    EXPECT_EQ(world->now("u1").verdict, Verdict::watching);
    world->clock.set(away + 16s);
    world->evaluate();
    EXPECT_EQ(world->now("u1").verdict, Verdict::blocked);
}

TEST_F(UpgradesTest, PinsWhatBaselinesAndOpenUpgradesNeed) {
    world->begin();
    const auto pinned = world->upgrades->pinned();
    ASSERT_EQ(pinned.size(), 2);
    EXPECT_EQ(pinned[0].begin, start + 1s);  // two cycles before the newest row's step ends
    EXPECT_EQ(pinned[1].begin, world->now("u1").started_at);
}

}  // namespace
}  // namespace holdfast::daemon
