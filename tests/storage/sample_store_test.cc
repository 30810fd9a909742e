#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/store.h"
#include "tests/support/temp_dir.h"

namespace holdfast::storage {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Timestamp day{24h * 20'000};

std::shared_ptr<const Row> row(std::string source, Timestamp at,
                               std::vector<std::pair<std::string, double>> values,
                               std::uint64_t epoch = 1) {
    Row out{std::move(source), at, {.epoch = epoch}};
    for (auto& [metric, value] : values) {
        out.reading.samples.push_back(
            {std::make_shared<const Series>(Series{metric, {{"a", "ä\"\n"}}, SeriesType::counter}),
             at, value});
    }
    return std::make_shared<const Row>(std::move(out));
}

std::vector<std::string> seen(const SampleStore& store, const Window& window) {
    std::vector<std::string> out;
    const auto scanned = store.scan(window, [&out](const Row& r) {
        for (const auto& sample : r.reading.samples) {
            out.push_back(fmt::format("{} {} {}={}", r.source, (r.at - day).count(),
                                      sample.series->metric, sample.value));
        }
        return true;
    });
    EXPECT_TRUE(scanned) << scanned.error().message();
    return out;
}

struct SampleStoreTest : ::testing::Test {
    holdfast::testing::TempDir folder;
    std::unique_ptr<SampleStore> open(std::size_t series_max = 100) {
        auto store = open_sample_store({folder.path() / "samples", series_max});
        EXPECT_TRUE(store) << store.error().message();
        return std::move(*store);
    }
};

TEST_F(SampleStoreTest, GivesRowsOfASourceBackInTimeOrder) {
    const auto store = open();
    ASSERT_TRUE(store->append({row("cpu", day + 5ms, {{"x", 2}}), row("mem", day, {{"y", 3}})}));
    ASSERT_TRUE(store->append({row("cpu", day, {{"x", 1}})}));
    EXPECT_THAT(seen(*store, {day, day + 6ms}), ElementsAre("cpu 0 x=1", "cpu 5 x=2", "mem 0 y=3"));
    EXPECT_THAT(seen(*store, {day + 1ms, day + 5ms}), ElementsAre());
    EXPECT_THAT(seen(*store, {day, day + 5ms}), ElementsAre("cpu 0 x=1", "mem 0 y=3"));
}

TEST_F(SampleStoreTest, CrossesDays) {
    const auto store = open();
    ASSERT_TRUE(store->append({row("cpu", day - 1ms, {{"x", 1}}), row("cpu", day, {{"x", 2}}),
                               row("cpu", day + 48h, {{"x", 3}})}));
    EXPECT_THAT(seen(*store, {day - 1h, day + 49h}),
                ElementsAre("cpu -1 x=1", "cpu 0 x=2", "cpu 172800000 x=3"));
    EXPECT_EQ(store->extent()->value(), (Window{day - 1ms, day + 48h + 1ms}));
}

TEST_F(SampleStoreTest, KeepsSeriesWithLabelsTypeAndEpochThroughAReopen) {
    {
        const auto store = open();
        ASSERT_TRUE(store->append({row("cpu", day, {{"x", 1}}, 42)}));
    }
    const auto store = open();
    ASSERT_EQ(store->series().size(), 1);
    EXPECT_EQ(store->series()[0]->labels, (Labels{{"a", "ä\"\n"}}));
    EXPECT_EQ(store->series()[0]->type, SeriesType::counter);
    ASSERT_TRUE(store->append({row("cpu", day + 1ms, {{"x", 2}}, 43)}));
    EXPECT_EQ(store->series().size(), 1);
    std::vector<std::uint64_t> epochs;
    ASSERT_TRUE(store->scan({day, day + 1h}, [&](const Row& r) {
        epochs.push_back(r.reading.epoch);
        return true;
    }));
    EXPECT_THAT(epochs, ElementsAre(42, 43));
}

TEST_F(SampleStoreTest, KnowsWhenARowWasReceived) {
    const auto store = open();
    const auto received_after = [](Timestamp at, Timestamp received) {
        auto out = *row("cpu", at, {{"x", 1}});
        out.received = received;
        return std::make_shared<const Row>(std::move(out));
    };
    ASSERT_TRUE(store->append(
        {received_after(day, day + 1500ms), received_after(day + 1h, day + 1h - 20ms),
         received_after(day + 2h, Timestamp::max()), received_after(day + 3h, Timestamp{})}));
    std::vector<Timestamp> received;
    ASSERT_TRUE(store->scan({day, day + 24h}, [&](const Row& r) {
        received.push_back(r.received);
        return true;
    }));
    EXPECT_THAT(received, ElementsAre(day + 1500ms, day + 1h - 20ms, Timestamp::max(), day + 3h));
}

TEST_F(SampleStoreTest, CountsSamplesOfSeriesBeyondTheBound) {
    const auto store = open(1);
    ASSERT_TRUE(store->append({row("cpu", day, {{"x", 1}, {"y", 2}})}));
    EXPECT_THAT(seen(*store, {day, day + 1h}), ElementsAre("cpu 0 x=1"));
    EXPECT_EQ(store->statistics().series_refused, 1);
}

TEST_F(SampleStoreTest, DropsOldDaysButNotThoseThatAreStillNeeded) {
    const auto store = open();
    for (int d = 0; d < 6; ++d) {
        ASSERT_TRUE(store->append({row("cpu", day + d * 24h, {{"x", d}})}));
    }
    ASSERT_TRUE(store->retain(day + 4 * 24h,
                              {{day + 24h, day + 24h + 1ms}, {day + 2 * 24h, day + 3 * 24h}}));
    EXPECT_THAT(seen(*store, {day, day + 10 * 24h}),
                ElementsAre("cpu 86400000 x=1", "cpu 172800000 x=2", "cpu 345600000 x=4",
                            "cpu 432000000 x=5"));
}

TEST_F(SampleStoreTest, SaysWhoHoldsItWhenOpenedTwice) {
    const auto store = open();
    const auto second = open_sample_store({.path = folder.path() / "samples"});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), Errc::io);
    EXPECT_THAT(second.error().message(), HasSubstr("another holdfastd holds it"));
}

TEST_F(SampleStoreTest, HasNoExtentWhenEmpty) {
    const auto store = open();
    EXPECT_FALSE(store->extent()->has_value());
    EXPECT_TRUE(store->retain(day, {}));
}

TEST_F(SampleStoreTest, EndsAScanWhenAsked) {
    const auto store = open();
    ASSERT_TRUE(store->append({row("cpu", day, {{"x", 1}}), row("cpu", day + 1ms, {{"x", 2}})}));
    int rows = 0;
    ASSERT_TRUE(store->scan({day, day + 1h}, [&](const Row&) { return ++rows < 1; }));
    EXPECT_EQ(rows, 1);
}

}  // namespace
}  // namespace holdfast::storage
