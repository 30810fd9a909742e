#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/record_json.h"
#include "storage/store.h"
#include "tests/support/temp_dir.h"

namespace holdfast::storage {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

Upgrade full_upgrade() {
    Upgrade u{.id = "u12",
              .target = "db \"1\"",
              .from = "15",
              .to = "16",
              .reason = "security\nfixes",
              .labels = {{"team", "dbä"}},
              .phase = Phase::watching,
              .verdict = Verdict::rollback,
              .revision = 7,
              .started_at = Timestamp{1'795'513'425'123ms},
              .window_end_at = Timestamp{1'795'513'500'000ms},
              .cycle = 7 * 24h,
              .timezone = "Europe/Berlin",
              .warmup = 15min,
              .baseline_id = "b3"};
    u.rules = {{.name = "latency",
                .signal = "x_seconds",
                .match = {{"device", "sda"}},
                .worse = Direction::both,
                .tolerated = {0.02, 1.0 / 3},
                .margin = {0.1, 1e-300},
                .thresholds = {{Threshold::Side::below, 0.1, 5min, Severity::rollback},
                               {.value = 14.4,
                                .sort = Threshold::Sort::burn_rate,
                                .objective = 0.999,
                                .window = 1h,
                                .short_window = 5min}},
                .required = true,
                .no_data = NoData::ignore}};
    u.signals = {{.name = "x_seconds",
                  .kind = Kind::latency,
                  .numerator = {{{"a_total", {{"m", "1"}}}, Term::Use::increase, -1}},
                  .denominator = {{{"b_total", {}}, Term::Use::increase, 1}},
                  .by = {"device"},
                  .load = true}};
    u.load = {"y_per_second"};
    u.jobs = {{"backup", "x_seconds", {{"device", "sda"}}, Threshold::Side::below, 1.0 / 3}};
    Judged judged{.rule = "latency",
                  .signal = {"x_seconds", {{"device", "sda"}}},
                  .judgement = Judgement::regressed,
                  .severity = Severity::rollback,
                  .regressed_since = Timestamp{5ms},
                  .required = true};
    judged.evidence.effect = 0.1;
    judged.evidence.reason = "worse";
    u.judgements = {judged};
    return u;
}

TEST(RecordJson, GivesEveryFieldBackBitForBit) {
    const auto bytes = encode_record(full_upgrade());
    const auto decoded = decode_record<Upgrade>(bytes);
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(encode_record(*decoded), bytes);
    EXPECT_EQ(decoded->rules, full_upgrade().rules);
    EXPECT_EQ(decoded->signals, full_upgrade().signals);
    EXPECT_EQ(decoded->load, full_upgrade().load);
    EXPECT_EQ(decoded->jobs, full_upgrade().jobs);
    EXPECT_EQ(decoded->window_end_at, full_upgrade().window_end_at);
    EXPECT_FALSE(decoded->ended_at);
    EXPECT_EQ(decoded->judgements[0].severity, Severity::rollback);
}

TEST(RecordJson, TakesAbsentFieldsAsDefaultsAndIgnoresUnknownOnes) {
    const auto older = decode_record<Upgrade>("\x01{\"id\":\"u1\",\"of_the_future\":[1,2]}");
    ASSERT_TRUE(older) << older.error().message();
    EXPECT_EQ(older->id, "u1");
    EXPECT_EQ(older->revision, 1);
}

TEST(RecordJson, TakesThresholdsOfBeforeThereWereSortsForHardOnes) {
    const auto older = decode_record<Upgrade>(
        "\x01{\"rules\":[{\"name\":\"a\",\"thresholds\":[{\"side\":\"below\",\"value\":\"0.5\","
        "\"duration\":1000,\"action\":\"warn\"}]}]}");
    ASSERT_TRUE(older) << older.error().message();
    EXPECT_EQ(older->rules.at(0).thresholds.at(0),
              (Threshold{Threshold::Side::below, 0.5, 1s, Severity::warn, Threshold::Sort::hard}));
}

TEST(RecordJson, NamesTheFieldThatIsNotOfItsType) {
    for (const auto* bytes : {"\x01{\"phase\":\"sideways\"}", "\x01{\"phase\":7}"}) {
        const auto decoded = decode_record<Upgrade>(bytes);
        ASSERT_FALSE(decoded);
        EXPECT_EQ(decoded.error().code(), Errc::corrupt);
        EXPECT_THAT(decoded.error().message(), HasSubstr("'phase'"));
    }
    EXPECT_FALSE(decode_record<Upgrade>("\x02{}"));
    EXPECT_FALSE(decode_record<Upgrade>("\x01[]"));
    EXPECT_FALSE(decode_record<Upgrade>("\x01{\"id\":"));
    EXPECT_FALSE(decode_record<Upgrade>(""));
}

struct RecordStoreTest : ::testing::Test {
    holdfast::testing::TempDir folder;
    std::unique_ptr<RecordStore> open() {
        auto store = open_record_store({.path = folder.path() / "records"});
        EXPECT_TRUE(store) << store.error().message();
        return std::move(*store);
    }
};

TEST_F(RecordStoreTest, KeepsUpgradesInOrderWithTheirEvents) {
    {
        const auto store = open();
        auto second = full_upgrade();
        auto first = full_upgrade();
        first.id = "u9";
        ASSERT_TRUE(store->put_upgrade(second, {{1, Timestamp{1ms}, "started", "me", "a"}}));
        ASSERT_TRUE(store->put_upgrade(first, {{1, Timestamp{1ms}, "started", "me", "b"}}));
        ASSERT_TRUE(store->put_upgrade(first, {{2, Timestamp{2ms}, "closed", "me", "c"}}));
    }
    const auto store = open();
    const auto upgrades = store->upgrades();
    ASSERT_TRUE(upgrades);
    ASSERT_EQ(upgrades->size(), 2);
    EXPECT_EQ((*upgrades)[0].id, "u9");
    EXPECT_EQ((*upgrades)[1].id, "u12");
    const auto events = store->events("u9");
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 2);
    EXPECT_EQ((*events)[1].text, "c");
    EXPECT_EQ(store->events("u12")->size(), 1);
}

TEST_F(RecordStoreTest, KeepsBaselinesAndKnowsThoseItDoesNotHave) {
    Baseline baseline{.id = "b1", .cycle = 24h, .offsets = {{Timestamp{1ms}, 3600s}}};
    baseline.signals = {{.signal = {"x", {}},
                         .level = SeasonLevel::hour_of_day,
                         .seasons = {{1.0 / 3, 2, 3}},
                         .variances = {{1, 1e-17, 5}}}};
    baseline.excluded = {{{Timestamp{1ms}, Timestamp{2ms}}, "incident"}};
    baseline.digest = "d";
    const auto store = open();
    ASSERT_TRUE(store->put_baseline(baseline));
    const auto back = store->baseline("b1");
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(encode_record(*back), encode_record(baseline));
    EXPECT_EQ(canonical_bytes(*back), canonical_bytes(baseline));
    EXPECT_EQ(store->baseline("b2").error().code(), Errc::not_found);
    EXPECT_EQ(store->baseline("nonsense").error().code(), Errc::invalid);
}

TEST_F(RecordStoreTest, KeepsAlertsUntilTheyAreErased) {
    const auto store = open();
    ASSERT_TRUE(store->put_alerts({{.key = "a", .labels = {{"alertname", "A"}}}, {.key = "b"}}));
    ASSERT_TRUE(store->put_alerts({{.key = "a", .ended_at = Timestamp{5ms}, .delivered = true}}));
    ASSERT_TRUE(store->erase_alerts({"b", "c"}));
    const auto alerts = store->alerts();
    ASSERT_TRUE(alerts);
    ASSERT_EQ(alerts->size(), 1);
    EXPECT_EQ(alerts->front().ended_at, Timestamp{5ms});
    EXPECT_TRUE(alerts->front().delivered);
}

}  // namespace
}  // namespace holdfast::storage
