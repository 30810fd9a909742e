#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "storage/store.h"
#include "tests/support/temp_dir.h"

namespace holdfast::storage {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::SizeIs;

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

struct ReadOnlySampleStoreTest : SampleStoreTest {
    Result<std::unique_ptr<SampleStore>> open_to_read() {
        return open_sample_store({.path = folder.path() / "samples", .read_only = true});
    }
    /// Name, size and time of every file of the store.
    std::set<std::string> files() {
        std::set<std::string> out;
        for (const auto& file : std::filesystem::recursive_directory_iterator{folder.path()}) {
            const auto written = file.last_write_time().time_since_epoch().count();
            out.insert(fmt::format("{} {} {}", file.path().string(),
                                   file.is_regular_file() ? file.file_size() : 0, written));
        }
        return out;
    }
    std::set<std::filesystem::path> tables() {
        std::set<std::filesystem::path> out;
        for (const auto& file : std::filesystem::recursive_directory_iterator{folder.path()}) {
            if (file.path().extension() == ".sst") {
                out.insert(file.path());
            }
        }
        return out;
    }
    static bool gone(const std::set<std::filesystem::path>& tables) {
        return !std::all_of(tables.begin(), tables.end(),
                            [](const auto& table) { return std::filesystem::exists(table); });
    }
};

TEST_F(ReadOnlySampleStoreTest, SeesWhatWasAppendedBesideTheOneThatWrites) {
    const auto store = open();
    ASSERT_TRUE(store->append({row("cpu", day, {{"x", 1}})}));
    const auto before = files();
    const auto reader = open_to_read();
    ASSERT_TRUE(reader) << reader.error().message();
    EXPECT_THAT(seen(**reader, {day, day + 1h}), ElementsAre("cpu 0 x=1"));
    EXPECT_EQ((*reader)->extent()->value(), (Window{day, day + 1ms}));
    EXPECT_EQ(files(), before) << "nothing is written";
    ASSERT_TRUE(store->append({row("cpu", day + 1ms, {{"y", 2}})}));
    EXPECT_THAT(seen(**reader, {day, day + 1h}), ElementsAre("cpu 0 x=1"));
    EXPECT_THAT(seen(**open_to_read(), {day, day + 1h}), ElementsAre("cpu 0 x=1", "cpu 1 y=2"));
}

TEST_F(ReadOnlySampleStoreTest, ReadsToItsEndThoughItsFilesAreCompactedAway) {
    std::vector<std::string> all{"cpu 0 x=0"};
    // Opening makes a file of what was appended before; those that overlap are compacted.
    const auto open_and_append = [&](int i) {
        auto store = open();
        EXPECT_TRUE(
            store->append({row("cpu", day, {{"x", 0}}), row("cpu", day + i * 1ms, {{"x", i}})}));
        all.push_back(fmt::format("cpu {} x={}", i, i));
        return store;
    };
    for (int i = 1; i < 4; ++i) {
        open_and_append(i);
    }
    const auto before = tables();
    ASSERT_THAT(before, SizeIs(Ge(2)));
    const auto reader = open_to_read();
    ASSERT_TRUE(reader) << reader.error().message();
    const auto expected = all;
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    for (int i = 4; !gone(before) && std::chrono::steady_clock::now() < deadline; ++i) {
        const auto store = open_and_append(i);
        for (int patience = 0; patience < 10 && !gone(before); ++patience) {
            std::this_thread::sleep_for(10ms);
        }
    }
    ASSERT_TRUE(gone(before)) << "nothing was compacted";
    EXPECT_EQ(seen(**reader, {day, day + 1h}), expected);
    EXPECT_EQ(seen(**open_to_read(), {day, day + 1h}), all);
}

TEST_F(ReadOnlySampleStoreTest, RefusesToWrite) {
    open();
    const auto reader = open_to_read();
    ASSERT_TRUE(reader);
    for (const auto& refused : {(*reader)->append({row("cpu", day, {{"x", 1}})}), (*reader)->sync(),
                                (*reader)->retain(day + 48h, {})}) {
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), Errc::invalid);
        EXPECT_THAT(refused.error().message(), HasSubstr("the store was opened for reading"));
    }
}

TEST_F(ReadOnlySampleStoreTest, CreatesNothingWhereThereIsNone) {
    const auto reader = open_to_read();
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().code(), Errc::not_found);
    EXPECT_THAT(reader.error().message(), HasSubstr("/samples: there is none; check --storage."));
    EXPECT_TRUE(files().empty());
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
