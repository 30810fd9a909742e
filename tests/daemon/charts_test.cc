#include "daemon/charts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "daemon/baselines.h"
#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;

constexpr auto cycle = 60s;
const Timestamp start{24h * 20'000};
const Timestamp upgrade_at = start + 3 * cycle;
const Timestamp end = start + 5 * cycle;

/// Samples of one disk, one a second from `start` to `end`: it grows by 2 bytes a second, and by 5
/// from the upgrade on.
struct Charts : ::testing::Test {
    holdfast::testing::TempDir folder;
    std::unique_ptr<storage::SampleStore> samples;
    SignalDefinition disk{.name = "disk_used_bytes", .numerator = {{{"holdfast_disk", {}}}}};

    void SetUp() override {
        samples = std::move(*storage::open_sample_store({.path = folder.path() / "samples"}));
        const auto series = std::make_shared<const Series>(Series{"holdfast_disk", {}});
        std::vector<std::shared_ptr<const storage::Row>> rows;
        double used = 1'000;
        for (auto at = start; at < end; at += 1s) {
            storage::Row row{"disks", at, {.epoch = 1}};
            row.reading.samples.push_back({series, at, used});
            used += at >= upgrade_at ? 5 : 2;
            rows.push_back(std::make_shared<const storage::Row>(std::move(row)));
        }
        ASSERT_TRUE(samples->append(rows));
    }
    Chart chart() const {
        const auto going_on = [] { return false; };
        const auto learnt = learn_baseline(*samples,
                                           {.end = upgrade_at,
                                            .cycle = cycle,
                                            .timezone = "UTC",
                                            .step = 1s,
                                            .signals = {disk},
                                            .exclude = {}},
                                           going_on);
        EXPECT_TRUE(learnt) << learnt.error().message();
        Upgrade upgrade{.id = "u1", .window_end_at = upgrade_at, .cycle = cycle};
        upgrade.rules = {{.name = "disk", .signal = disk.name}};
        upgrade.signals = {disk};
        const auto charts = charts_of(*samples, upgrade, learnt->baseline, "disk", end, going_on);
        EXPECT_TRUE(charts) << charts.error().message();
        return charts->at(0);
    }
};

TEST_F(Charts, DrawALevelAgainstItsBand) {
    const auto drawn = chart();
    EXPECT_EQ(drawn.kind, Kind::gauge);
    EXPECT_EQ(drawn.begin, upgrade_at);
    ASSERT_EQ(drawn.values.size(), 120);
    EXPECT_DOUBLE_EQ(drawn.values[0], 1'360);
    EXPECT_DOUBLE_EQ(drawn.values[10], 1'410);
    EXPECT_DOUBLE_EQ(drawn.middle[0], 1'129);  // of the slot's thirty seconds in three cycles
}

TEST_F(Charts, DrawTheGrowthOfATrendFromTheUpgradeOn) {
    constexpr double a_day = 86'400;
    disk.kind = Kind::trend;
    const auto drawn = chart();
    EXPECT_EQ(drawn.kind, Kind::trend);
    EXPECT_EQ(drawn.begin, upgrade_at);
    ASSERT_EQ(drawn.values.size(), 120);
    EXPECT_NEAR(drawn.values[0], 2 * a_day, 1e-6);
    EXPECT_NEAR(drawn.values[30], 3.5 * a_day, 1e-6);
    EXPECT_NEAR(drawn.values[60], 5 * a_day, 1e-6);
    EXPECT_NEAR(drawn.values[119], 5 * a_day, 1e-6);
    EXPECT_NEAR(drawn.middle[0], 2 * a_day, 1e-6);
}

}  // namespace
}  // namespace holdfast::daemon
