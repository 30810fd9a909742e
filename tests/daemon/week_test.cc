#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>

#include "daemon/quantities.h"
#include "model/names.h"
#include "rules/words.h"
#include "tests/daemon/world.h"
#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto week = 7 * 24h;
const Timestamp monday{std::chrono::sys_days{std::chrono::year{2026} / 6 / 1} - 2h};  // in Berlin

constexpr auto configuration = R"(
collectors: {cpu: {interval: 60s}}
defaults: {interval: 60s}
upgrades: {cycle: 7d, timezone: Europe/Berlin}
default_rules: false
signals:
  - {name: shop_requests_per_second, kind: rate, worse: both, load: true,
     numerator: [{metric: holdfast_shop_requests_total, use: increase}]}
  - {name: shop_latency_seconds, kind: latency,
     numerator: [{metric: holdfast_shop_seconds_total, use: increase}],
     denominator: [{metric: holdfast_shop_requests_total, use: increase}]}
  - {name: shop_failure_ratio, kind: ratio,
     numerator: [{metric: holdfast_shop_failures_total, use: increase}],
     denominator: [{metric: holdfast_shop_requests_total, use: increase}]}
rules:
  - {name: traffic, signal: shop_requests_per_second, worse: both, tolerated: {relative: 5%}, margin: {relative: 30%}}
  - {name: latency, signal: shop_latency_seconds, required: true}
  - {name: failures, signal: shop_failure_ratio, required: true, tolerated: {relative: 5%}, margin: {relative: 50%}}
)";

/// A shop that is busy by day and quiet at weekends, read once a minute into the stores of a real
/// daemon on a simulated clock. Seeded: every run is the same.
class Shop {
public:
    Shop(const std::filesystem::path& folder, Timestamp begin)
        : world_{folder, begin, configuration} {}

    testing::World& world() { return world_; }
    Timestamp now() const { return world_.clock.now(); }

    /// Lives until `end`; the rules judge every five minutes. Latency is `slow` times the usual.
    void live(Timestamp end, double slow = 1) {
        while (now() < end) {
            minute(slow);
            world_.clock.set(now() + 1min);
            if (now().time_since_epoch() % 5min == 0ms) {
                world_.evaluate();
            }
        }
    }
    Upgrade begin(const std::string& to, const std::string& baseline = {}) {
        StartRequest request;
        request.target = "shop";
        request.from = "1";
        request.to = to;
        request.baseline = baseline;
        request.no_window = true;
        auto started = world_.run(world_.upgrades->start(std::move(request)));
        EXPECT_TRUE(started) << started.error().message();
        return started->upgrade;
    }
    const Judged& judged(const Upgrade& upgrade, const std::string& rule) const {
        for (const auto& j : upgrade.judgements) {
            if (j.rule == rule) {
                return j;
            }
        }
        throw std::runtime_error("no judgement of " + rule);
    }

private:
    void minute(double slow) {
        const auto in_week = (now() - (monday - 8 * week)) % week;
        const double day = static_cast<double>(in_week / 24h);
        const double phase = static_cast<double>((in_week % 24h) / 1min) / 1440;
        const double busy =
            (day < 5 ? 1 : 0.5) * (0.55 - 0.45 * std::cos(2 * std::numbers::pi * (phase - 0.1)));
        traffic_noise_ = 0.95 * traffic_noise_ + 0.01 * normal_(random_);
        latency_noise_ = 0.98 * latency_noise_ + 0.006 * normal_(random_);
        const double requests = std::round(6000 * busy * std::exp(traffic_noise_));
        const double latency = 0.05 * (1 + 0.4 * busy) * slow * std::exp(latency_noise_);
        std::binomial_distribution<long> failures{static_cast<long>(requests), 0.002};
        requests_ += requests;
        seconds_ += requests * latency;
        failures_ += static_cast<double>(failures(random_));
        world_.record("shop", {{requests_series_, {}, requests_},
                               {seconds_series_, {}, seconds_},
                               {failures_series_, {}, failures_}});
    }
    static std::shared_ptr<const Series> counter(const char* name) {
        return std::make_shared<const Series>(Series{name, {}, SeriesType::counter});
    }

    testing::World world_;
    std::mt19937_64 random_{20261124};
    std::normal_distribution<> normal_;
    double traffic_noise_ = 0, latency_noise_ = 0;
    double requests_ = 0, seconds_ = 0, failures_ = 0;
    std::shared_ptr<const Series> requests_series_ = counter("holdfast_shop_requests_total");
    std::shared_ptr<const Series> seconds_series_ = counter("holdfast_shop_seconds_total");
    std::shared_ptr<const Series> failures_series_ = counter("holdfast_shop_failures_total");
};

TEST(Week, PagesASlowMondayAndProvesTheGoodUpgradeAfterItsLastSeason) {
    const holdfast::testing::TempDir folder;
    Shop shop{folder.path(), monday - 4 * week - 2 * 24h};
    auto& world = shop.world();
    shop.live(monday - 2 * 24h + 6h);  // Saturday morning
    const auto bad = shop.begin("2.0");
    shop.live(monday + 8h);
    EXPECT_EQ(world.now(bad.id).verdict, Verdict::watching);
    EXPECT_THAT(world.firing(), ::testing::ElementsAre("HoldfastWatchdog"));

    const auto slow_since = shop.now();
    while (world.now(bad.id).verdict != Verdict::rollback && shop.now() < slow_since + 24h) {
        shop.live(shop.now() + 5min, 1.2);
    }
    const auto paged = world.now(bad.id);
    const auto& latency = shop.judged(paged, "latency");
    EXPECT_EQ(paged.verdict, Verdict::rollback) << latency.evidence.reason;
    EXPECT_EQ(latency.judgement, Judgement::regressed);
    EXPECT_THAT(latency.evidence.reason, HasSubstr("above its usual"));
    EXPECT_GT(latency.evidence.effect_lower, latency.evidence.tolerated);
    EXPECT_THAT(world.firing(), ::testing::Contains("HoldfastRollbackRecommended"));
    EXPECT_NE(shop.judged(paged, "failures").judgement, Judgement::regressed);
    RecordProperty("paged_after", rules::in_words(shop.now() - slow_since));
    ASSERT_TRUE(
        world.run(world.upgrades->transition(bad.id, rules::Transition::roll_back, "me", "")));
    EXPECT_THAT(world.firing(), ::testing::IsEmpty());

    shop.live(monday + 24h + 12h);  // Tuesday noon; judged against the old baseline
    const auto good = shop.begin("2.1", bad.baseline_id);
    const auto last_season_ends = shop.now() + week;
    while (shop.now() < last_season_ends) {
        shop.live(shop.now() + 1h);
        const auto watched = world.now(good.id);
        ASSERT_EQ(watched.verdict, Verdict::watching) << rules::in_words(shop.now());
        ASSERT_THAT(shop.judged(watched, "latency").evidence.reason, HasSubstr("not yet proven"));
    }
    EXPECT_EQ(shop.judged(world.now(good.id), "latency").evidence.missing,
              "5 min more of the business cycle");
    shop.live(last_season_ends + 10min);
    const auto proven = world.now(good.id);
    EXPECT_EQ(proven.verdict, Verdict::proven)
        << shop.judged(proven, "latency").evidence.reason << '\n'
        << shop.judged(proven, "failures").evidence.reason;
    const auto closed =
        world.run(world.upgrades->transition(good.id, rules::Transition::close, "me", ""));
    ASSERT_TRUE(closed) << closed.error().message();
    EXPECT_THAT(world.firing(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace holdfast::daemon
