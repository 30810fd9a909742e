#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "storage/history_head.h"
#include "storage/record_json.h"
#include "storage/rocks.h"
#include "storage/store.h"
#include "tests/support/temp_dir.h"

namespace holdfast::storage {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
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
    u.rules = {
        {.name = "latency",
         .signal = "x_seconds",
         .match = {{"device", "sda"}},
         .worse = Direction::both,
         .tolerated = {0.02, 1.0 / 3},
         .margin = {0.1, 1e-300},
         .thresholds =
             {{Threshold::Side::below, 0.1, 5min, Severity::rollback},
              {.value = 14.4,
               .sort = Threshold::Sort::burn_rate,
               .objective = 0.999,
               .window = 1h,
               .short_window = 5min},
              {.value = 0.95, .sort = Threshold::Sort::projected, .within = 72h, .over = 6h}},
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
        "\"duration\":1000,\"action\":\"warn\"},{\"sort\":\"burn_rate\",\"window\":1000}]}]}");
    ASSERT_TRUE(older) << older.error().message();
    EXPECT_EQ(older->rules.at(0).thresholds.at(0),
              (Threshold{Threshold::Side::below, 0.5, 1s, Severity::warn, Threshold::Sort::hard}));
    EXPECT_EQ(older->rules.at(0).thresholds.at(1),  // of before they looked ahead
              (Threshold{.sort = Threshold::Sort::burn_rate, .window = 1s}));
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
    baseline.signals = {{.signal = {"x", {}}, .seasons = {{1.0 / 3, 2, 3, 4}}, .typical = 1e-17}};
    baseline.history_digest = "h";
    baseline.excluded = {{{Timestamp{1ms}, Timestamp{2ms}}, "incident"}};
    baseline.digest = "d";
    const auto store = open();
    ASSERT_TRUE(store->put_baseline(baseline, {}));
    const auto back = store->baseline("b1");
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(encode_record(*back), encode_record(baseline));
    EXPECT_EQ(canonical_bytes(*back), canonical_bytes(baseline));
    EXPECT_EQ(store->baseline("b2").error().code(), Errc::not_found);
    EXPECT_EQ(store->baseline("nonsense").error().code(), Errc::invalid);
}

Baseline with_signals(std::string id, std::size_t signals) {
    Baseline baseline{.id = std::move(id)};
    baseline.signals.resize(signals, {.signal = {"x", {}}});
    return baseline;
}

BaselineHistory two_signals() {
    return {.begin = Timestamp{-5ms},
            .cell = 5min,
            .signals = {{{1.0 / 3, 1}, {}, {-0.0, 2}}, {{7, 300}, {8, 300}, {}}}};
}

TEST_F(RecordStoreTest, KeepsTheCellsOfBaselines) {
    BaselineHistory other{.begin = Timestamp{1ms}, .cell = 1s, .signals = {{{5, 1}}}};
    {
        const auto store = open();
        ASSERT_TRUE(store->put_baseline(with_signals("b1", 2), two_signals()));
        ASSERT_TRUE(store->put_baseline(with_signals("b2", 1), other));
        ASSERT_TRUE(store->put_baseline(with_signals("b3", 0), {.cell = 1s}));
    }
    const auto store = open();
    const auto first = store->baseline_history("b1");
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_EQ(*first, two_signals());
    EXPECT_TRUE(std::signbit(first->signals[0][2].numerator));
    const auto second = store->baseline_history("b2");
    ASSERT_TRUE(second) << second.error().message();
    EXPECT_EQ(*second, other);
    EXPECT_EQ(store->baseline_history("b3").value(), (BaselineHistory{.cell = 1s}));
}

TEST_F(RecordStoreTest, SaysWhatToDoAboutABaselineWithoutCells) {
    const auto store = open();
    ASSERT_TRUE(store->put_baseline(with_signals("b1", 2), {}));
    const auto none = store->baseline_history("b1");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code(), Errc::not_found);
    EXPECT_THAT(none.error().message(),
                AllOf(HasSubstr("b1"), HasSubstr("older holdfast"), HasSubstr("baseline take")));
    EXPECT_EQ(store->baseline_history("b2").error().code(), Errc::not_found);
    EXPECT_THAT(store->baseline_history("b2").error().message(), HasSubstr("no baseline b2"));
    EXPECT_EQ(store->baseline_history("nonsense").error().code(), Errc::invalid);
}

TEST_F(RecordStoreTest, RefusesCellsThatAreNotThoseOfTheSignals) {
    const auto store = open();
    EXPECT_EQ(store->put_baseline(with_signals("b1", 3), two_signals()).error().code(),
              Errc::invalid);
    auto ragged = two_signals();
    ragged.signals[1].pop_back();
    const auto refused = store->put_baseline(with_signals("b1", 2), ragged);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::invalid);
    EXPECT_THAT(refused.error().message(), HasSubstr("2 cells of one signal, 3 of the first"));
    EXPECT_EQ(store->baseline("b1").error().code(), Errc::not_found);  // together or not at all
}

TEST_F(RecordStoreTest, OpensAStoreFromBeforeBaselinesKeptTheirCells) {
    const auto path = folder.path() / "records";
    ASSERT_TRUE(Rocks::open(
        path,
        {{.name = "upgrades"}, {.name = "events"}, {.name = "baselines"}, {.name = "alerts"}}));
    const auto store = open();
    ASSERT_TRUE(store->put_baseline(with_signals("b1", 2), two_signals()));
    EXPECT_EQ(store->baseline_history("b1").value(), two_signals());
}

TEST_F(RecordStoreTest, IsReadBesideTheOneThatWritesAndThenRefusesToWrite) {
    const auto path = folder.path() / "records";
    const auto store = open();
    ASSERT_TRUE(store->put_baseline(with_signals("b1", 2), two_signals()));
    const auto reader = open_record_store({.path = path, .read_only = true});
    ASSERT_TRUE(reader) << reader.error().message();
    EXPECT_EQ((*reader)->baseline_history("b1").value(), two_signals());
    const auto refused = (*reader)->put_alerts({{.key = "a"}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::invalid);
    EXPECT_THAT(refused.error().message(),
                HasSubstr("store alerts: the store was opened for reading"));
}

TEST_F(RecordStoreTest, SaysHowToReadAStoreOfAnOlderHoldfast) {
    const auto path = folder.path() / "records";
    ASSERT_TRUE(Rocks::open(path, {{.name = "upgrades"}, {.name = "events"}}));
    const auto reader = open_record_store({.path = path, .read_only = true});
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().code(), Errc::unsupported);
    EXPECT_THAT(reader.error().message(),
                AllOf(HasSubstr("baselines"), HasSubstr("start this holdfastd on it once")));
}

TEST(HistoryHead, ComesBackFromItsBytesAndRefusesOthers) {
    const HistoryHead head{Timestamp::min(), Milliseconds::max(), 300, 8064};
    const auto bytes = encode(head);
    EXPECT_EQ(decode_history_head(bytes).value(), head);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_EQ(decode_history_head(std::string_view{bytes}.substr(0, size)).error().code(),
                  Errc::corrupt);
    }
    EXPECT_FALSE(decode_history_head(bytes + "x"));
    EXPECT_FALSE(decode_history_head(encode({.cells = std::size_t{1} << 23U})));
    EXPECT_FALSE(decode_history_head(encode({.signals = std::size_t{1} << 33U})));
}

TEST(CanonicalBytes, OfAHistoryTellEveryPartOfItApart) {
    const auto bytes = canonical_bytes(two_signals());
    EXPECT_EQ(canonical_bytes(two_signals()), bytes);
    auto other = two_signals();
    other.begin += 1ms;
    EXPECT_NE(canonical_bytes(other), bytes);
    other = two_signals();
    other.cell += 1ms;
    EXPECT_NE(canonical_bytes(other), bytes);
    other = two_signals();
    other.signals[0][2].numerator = 0.0;
    EXPECT_NE(canonical_bytes(other), bytes);
    other = two_signals();
    std::swap(other.signals[0], other.signals[1]);
    EXPECT_NE(canonical_bytes(other), bytes);
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
