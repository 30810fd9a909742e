#include "daemon/collecting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "daemon/recorder.h"
#include "daemon/run_until_one_ends.h"
#include "daemon/schedule.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run.h"
#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
using holdfast::testing::FakeClock;
using ::testing::ElementsAre;

/// Gives its count; fails on every third call.
class Counting final : public collectors::Collector {
public:
    std::string_view name() const override { return "counting"; }
    asio::awaitable<Result<Reading>> collect(Timestamp now) override {
        if (++calls_ % 3 == 0) {
            co_return failure(Errc::denied, "read x: Permission denied");
        }
        Reading reading{.epoch = 1};
        reading.samples.push_back({series_, now, static_cast<double>(calls_)});
        co_return reading;
    }

private:
    std::shared_ptr<const Series> series_ = std::make_shared<const Series>(Series{"x"});
    int calls_ = 0;
};

std::vector<Task> counting() {
    std::vector<Task> tasks;
    tasks.push_back({std::make_unique<Counting>(), 1s});
    return tasks;
}

/// Runs the collectors until the clock's end and gives what they queued, as "ms=value".
struct Outcome {
    std::vector<std::string> rows;
    std::vector<SourceStatus> sources;
    double errors = 0;
};

asio::awaitable<Outcome> collect(std::size_t wanted, bool replace_first) {
    const auto executor = co_await asio::this_coro::executor;
    FakeClock clock{Timestamp{500ms}, Timestamp{20s}};
    auto metrics = SelfMetrics::make();
    RowQueue queue{executor, 4};
    Collecting collecting{clock, queue, metrics};
    Outcome outcome;
    auto take = [&]() -> asio::awaitable<void> {
        while (outcome.rows.size() < wanted) {
            auto [end, row] = co_await queue.async_receive(asio::as_tuple(asio::use_awaitable));
            outcome.rows.push_back(fmt::format("{}={}", row.at.time_since_epoch().count(),
                                               row.reading.samples.front().value));
            if (replace_first && outcome.rows.size() == 1) {
                collecting.replace(counting());
            }
        }
    };
    std::vector<asio::awaitable<void>> tasks;
    tasks.push_back(take());
    tasks.push_back(collecting.run(counting()));
    co_await run_until_one_ends(std::move(tasks));
    outcome.sources = collecting.sources();
    outcome.errors = metrics.collector_errors("counting", "", "permission").Value();
    co_return outcome;
}

TEST(Collecting, ReadsOnTheGridAndGoesOnAfterAFailure) {
    const auto outcome = holdfast::testing::run(collect(4, false));
    EXPECT_THAT(outcome.rows, ElementsAre("1000=1", "2000=2", "4000=4", "5000=5"));
    EXPECT_GE(outcome.errors, 1);
    ASSERT_EQ(outcome.sources.size(), 1);
    EXPECT_EQ(outcome.sources[0].collector, "counting");
}

TEST(Collecting, ReplacesItsCollectorsWhileItRuns) {
    const auto outcome = holdfast::testing::run(collect(6, true));
    const auto ones = std::count_if(outcome.rows.begin(), outcome.rows.end(),
                                    [](const std::string& row) { return row.ends_with("=1"); });
    EXPECT_EQ(ones, 2);  // the new collector counts from one again
}

TEST(NextSlot, SkipsWhatIsLateAndNeverBunches) {
    const Timestamp t0{0ms};
    EXPECT_EQ(next_slot(t0, t0, 1s).at, Timestamp{1s});
    EXPECT_EQ(next_slot(t0, t0 + 999ms, 1s).missed, 0);
    EXPECT_EQ(next_slot(t0, t0 + 3500ms, 1s).at, Timestamp{4s});
    EXPECT_EQ(next_slot(t0, t0 + 3500ms, 1s).missed, 3);
    EXPECT_EQ(next_slot(Timestamp{10s}, t0, 1s).at, Timestamp{11s});  // the clock went back
    EXPECT_EQ(grid_before(Timestamp{1'999ms}, 1s), Timestamp{1s});
}

TEST(Recorder, StampsAndAppendsAllThatWasQueuedBeforeItEnds) {
    holdfast::testing::TempDir folder;
    auto store = storage::open_sample_store({.path = folder.path() / "samples"});
    ASSERT_TRUE(store);
    asio::thread_pool pool{1};
    auto metrics = SelfMetrics::make();
    FakeClock clock{Timestamp{700ms}};
    int observed = 0;
    auto all = [&]() -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        RowQueue queue{executor, 4};
        Recorder recorder{clock,
                          **store,
                          pool,
                          queue,
                          metrics,
                          [&](const std::shared_ptr<const storage::Row>& row) {
                              EXPECT_EQ(row->received, Timestamp{700ms});
                              ++observed;
                          }};
        auto send = [&]() -> asio::awaitable<void> {
            const auto series = std::make_shared<const Series>(Series{"x"});
            for (int i = 0; i < 100; ++i) {
                storage::Row row{"s", Timestamp{i * 1ms}, {}};
                row.reading.samples.push_back({series, row.at, 1.0 * i});
                co_await queue.async_send(boost::system::error_code{}, std::move(row),
                                          asio::use_awaitable);
            }
            storage::Row none;
            co_await queue.async_send(asio::error::eof, std::move(none), asio::use_awaitable);
        };
        co_await (send() && recorder.take() && recorder.write());
    };
    holdfast::testing::run(all());
    int stored = 0;
    ASSERT_TRUE((*store)->scan({Timestamp{0ms}, Timestamp{1s}}, [&](const storage::Row& row) {
        EXPECT_EQ(row.reading.samples.front().value, stored);
        EXPECT_EQ(row.received, Timestamp{700ms});
        ++stored;
        return true;
    }));
    EXPECT_EQ(stored, 100);
    EXPECT_EQ(observed, 100);
    EXPECT_EQ(metrics.rows_appended.Value(), 100);
}

}  // namespace
}  // namespace holdfast::daemon
