#include "daemon/placebos.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <future>
#include <numbers>
#include <random>

#include "daemon/quantities.h"
#include "tests/daemon/world.h"
#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const Timestamp start{24h * 20'000};
constexpr auto minimal = R"(
default_rules: false
signals: [{name: queue_length, numerator: [{metric: holdfast_queue}], by: [queue]}]
)";

constexpr auto configuration = R"(
collectors: {cpu: {interval: 15m}}
defaults: {interval: 15m}
upgrades: {cycle: 1d}
default_rules: false
signals:
  - {name: queue_length, numerator: [{metric: holdfast_queue}], by: [queue]}
rules:
  - {name: queue, signal: queue_length, required: true, tolerated: {absolute: 1}, margin: {absolute: 3}}
  - {name: gone, signal: cpu_busy_ratio}
)";

/// Two weeks of two queues, read every quarter of an hour; the orders follow the day.
struct PlacebosTest : ::testing::Test {
    holdfast::testing::TempDir folder;
    std::optional<testing::World> world;

    void SetUp() override {
        world.emplace(folder.path(), start, configuration);
        std::mt19937_64 random{7};
        std::normal_distribution<> noise{0, 0.3};
        while (world->clock.now() <= start + 14 * 24h) {
            const double day = static_cast<double>((world->clock.now() - start) / 15min % 96) / 96;
            const double busy = std::sin(2 * std::numbers::pi * day);
            world->record("queues", {{orders, {}, 20 + 5 * busy + noise(random)},
                                     {mails, {}, 10 + noise(random)}});
            world->clock.set(world->clock.now() + 15min);
        }
    }
    /// A baseline of two weeks.
    std::string take() {
        const auto taken =
            world->run(world->upgrades->take_baseline(14 * 24h, std::nullopt, std::nullopt));
        EXPECT_TRUE(taken) << taken.error().message();
        return taken->id;
    }
    Result<PlaceboState> ask(const std::string& baseline,
                             std::optional<Milliseconds> watch = std::nullopt) {
        return world->placebos->ask(world->upgrades->baseline(baseline), watch);
    }
    Result<PlaceboState> find(const std::string& baseline) {
        return world->placebos->find(baseline);
    }
    void work() { world->run(world->placebos->work()); }

    std::shared_ptr<const Series> orders =
        std::make_shared<const Series>(Series{"holdfast_queue", {{"queue", "orders"}}});
    std::shared_ptr<const Series> mails =
        std::make_shared<const Series>(Series{"holdfast_queue", {{"queue", "mails"}}});
};

TEST_F(PlacebosTest, RunsWhenItIsAskedForAndKeepsTheResult) {
    const auto id = take();
    const auto never = find(id);
    ASSERT_FALSE(never);
    EXPECT_EQ(never.error().code(), Errc::not_found);
    EXPECT_THAT(never.error().message(), HasSubstr("'holdfast placebo b1'"));

    const auto asked = ask(id);
    ASSERT_TRUE(asked) << asked.error().message();
    EXPECT_FALSE(asked->result);
    EXPECT_EQ(asked->watch, 24h);  // the cycle
    const auto again = ask(id);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->since, asked->since);
    EXPECT_FALSE(find(id)->result);

    world->clock.set(world->clock.now() + 1min);
    work();
    const auto done = find(id);
    ASSERT_TRUE(done) << done.error().message();
    ASSERT_TRUE(done->result);
    const auto& result = *done->result;
    EXPECT_EQ(result.at("history_seconds"), 14 * 86'400);
    EXPECT_EQ(result.at("watch_seconds"), 86'400);
    EXPECT_EQ(result.at("watches").as_array().size(), 7);
    ASSERT_EQ(result.at("metrics").as_array().size(), 2);
    for (const auto& queue : result.at("metrics").as_array()) {
        EXPECT_EQ(queue.at("rule"), "queue");
        EXPECT_EQ(queue.at("watches"), 7);
        EXPECT_EQ(queue.at("paged"), 0);
        EXPECT_EQ(queue.at("hopeless"), false);
        EXPECT_EQ(queue.at("proven_ratio"), 1.0);
        const auto& seen = queue.at("smallest_factor");
        EXPECT_LE(seen.at("within_watch").to_number<double>(), 2);
        EXPECT_TRUE(seen.as_object().contains("within_hour"));
        EXPECT_TRUE(seen.as_object().contains("within_day"));
    }
    EXPECT_EQ(result.at("metrics").at(0).at("metric"), R"(queue_length{queue="orders"})");
    EXPECT_EQ(result.at("paged"), 0);
    EXPECT_EQ(result.at("passed_ratio"), 1.0);
    EXPECT_THAT(std::string{result.at("summary").as_string()},
                HasSubstr("0 of 7 past days would have paged"));
    EXPECT_EQ(result.at("notes"),
              (boost::json::array{"rule gone is not judged: the baseline has no cpu_busy_ratio"}));

    const auto kept = ask(id);
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->result, done->result);
    EXPECT_EQ(kept->since, asked->since);
}

TEST_F(PlacebosTest, BeginsAnewForOtherRulesOrAnotherWatch) {
    const auto id = take();
    ASSERT_TRUE(ask(id));
    work();
    ASSERT_TRUE(ask(id, 24h)->result);  // what the default is, too
    ASSERT_FALSE(ask(id, 48h)->result);
    work();
    EXPECT_EQ(find(id)->result->at("watch_seconds"), 2 * 86'400);

    auto other = *parse_config(configuration, "test");
    other.rules[0].tolerated.absolute = 2;
    world->configure(std::move(other));
    EXPECT_FALSE(ask(id, 48h)->result);
}

TEST_F(PlacebosTest, WorksOnOneAtATime) {
    const auto first = take();
    const auto second = take();
    ASSERT_TRUE(ask(first));
    for (const auto& refused : {ask(second), ask(first, 48h)}) {
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), Errc::conflict);
        EXPECT_THAT(refused.error().message(), HasSubstr("that of b1 with a watch of 1d runs"));
    }
    work();
    EXPECT_TRUE(ask(second));
}

TEST_F(PlacebosTest, KeepsTheNewestEight) {
    for (std::size_t i = 0; i <= Placebos::results_max; ++i) {
        const auto id = take();
        ASSERT_TRUE(ask(id, 7 * 24h));
        work();
        ASSERT_TRUE(find(id));
    }
    EXPECT_FALSE(find("b1"));
    EXPECT_TRUE(find("b2"));
    EXPECT_TRUE(find("b9"));
}

TEST_F(PlacebosTest, RefusesABaselineThatHasNoCells) {
    ASSERT_TRUE(world->records->put_baseline(
        {.id = "b1", .window = {start, start + 14 * 24h}, .cycle = 24h}, {}));
    const auto now = world->clock.now();
    world.reset();
    world.emplace(folder.path(), now, configuration);
    const auto refused = ask("b1");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::invalid);
    EXPECT_THAT(refused.error().message(), HasSubstr("an older holdfast took it"));
    EXPECT_THAT(refused.error().message(), HasSubstr("'holdfast baseline take'"));
}

TEST_F(PlacebosTest, RefusesAWatchThatIsShorterThanACell) {
    const auto id = take();
    const auto cell = world->upgrades->baseline(id)->cell;
    EXPECT_TRUE(ask(id, cell));
    const auto refused = ask(id, cell - 1ms);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::invalid);
    EXPECT_THAT(refused.error().message(), HasSubstr("is shorter than a cell of"));
}

TEST_F(PlacebosTest, SaysWhatFailedAndTriesAgain) {
    const auto id = take();
    auto ruleless = parse_config(minimal, "test");
    ASSERT_TRUE(ruleless) << ruleless.error().message();
    world->configure(std::move(*ruleless));
    ASSERT_TRUE(ask(id));
    work();
    const auto failed = find(id);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code(), Errc::invalid);
    EXPECT_THAT(failed.error().message(), HasSubstr("no rule asks for a signal that it has"));
    EXPECT_TRUE(ask(id));
}

TEST_F(PlacebosTest, SaysThatThresholdsAreNotReplayed) {
    const auto id = take();
    auto config = *parse_config(configuration, "test");
    config.rules[0].thresholds.push_back({.value = 1});  // it would be crossed all the time
    world->configure(std::move(config));
    ASSERT_TRUE(ask(id));
    work();
    EXPECT_THAT(boost::json::serialize(find(id)->result->at("notes")),
                HasSubstr("thresholds are not replayed, their pages are not counted: queue"));
}

TEST_F(PlacebosTest, FailsWhenTheBaselineIsGoneMeanwhile) {
    auto gone = *world->upgrades->baseline(take());
    gone.id = "b9";
    ASSERT_TRUE(world->placebos->ask(std::make_shared<const Baseline>(gone), std::nullopt));
    work();
    const auto failed = find("b9");
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code(), Errc::not_found);
    EXPECT_THAT(failed.error().message(), HasSubstr("no baseline b9"));
}

// A record thread that is busy for ever would hold up a placebo that read on it, and the reverse.
TEST_F(PlacebosTest, NeedsNoThreadThatJudgesOrWritesPages) {
    const auto id = take();
    ASSERT_TRUE(ask(id));
    std::promise<void> release;
    const auto released = release.get_future().share();
    for (auto* pool : {&world->record_pool, &world->work_pool, &world->judge_pool}) {
        boost::asio::post(*pool, [released] { released.wait(); });
    }
    work();
    release.set_value();
    EXPECT_TRUE(find(id)->result);
}

TEST_F(PlacebosTest, EndsSoonWhenTheDaemonStops) {
    const auto id = take();
    ASSERT_TRUE(ask(id, 1h));
    auto stop_midway = [this, &id]() -> boost::asio::awaitable<void> {
        for (auto state = find(id); state && state->progress_ratio <= 0; state = find(id)) {
            co_await boost::asio::post(world->io, boost::asio::use_awaitable);
        }
        world->placebos->stop();
    };
    auto stopped = boost::asio::co_spawn(world->io, stop_midway(), boost::asio::use_future);
    work();
    stopped.get();
    const auto gone = find(id);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code(), Errc::not_found);
    const auto refused = ask(id, 1h);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::cancelled);
}

}  // namespace
}  // namespace holdfast::daemon
