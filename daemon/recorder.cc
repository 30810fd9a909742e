#include "daemon/recorder.h"

#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "collectors/run_blocking.h"

namespace holdfast::daemon {
namespace asio = boost::asio;

Recorder::Recorder(Clock& clock, storage::SampleStore& store, asio::thread_pool& store_pool,
                   RowQueue& queue, SelfMetrics& metrics, Observe observe)
    : clock_{clock},
      store_{store},
      pool_{store_pool},
      queue_{queue},
      metrics_{metrics},
      observe_{std::move(observe)} {}

asio::awaitable<void> Recorder::take() {
    for (;;) {
        auto [end, row] = co_await queue_.async_receive(asio::as_tuple(asio::use_awaitable));
        if (end) {
            break;
        }
        row.received = clock_.now();
        const auto shared = std::make_shared<const storage::Row>(std::move(row));
        observe_(shared);
        waiting_.push_back(shared);
        if (waiting_.size() > waiting_max) {
            waiting_.pop_front();
            metrics_.rows_dropped.Increment();
        }
        if (wake_) {
            wake_->cancel();
        }
    }
    ended_ = true;
    if (wake_) {
        wake_->cancel();
    }
}

asio::awaitable<void> Recorder::write() {
    wake_ = std::make_unique<asio::steady_timer>(co_await asio::this_coro::executor);
    auto next_sync = std::chrono::steady_clock::now() + sync_interval;
    for (;;) {
        if (waiting_.empty() && !ended_) {
            wake_->expires_at(next_sync);
            co_await wake_->async_wait(asio::as_tuple(asio::use_awaitable));
        }
        co_await append_waiting();
        if (std::chrono::steady_clock::now() >= next_sync || (ended_ && waiting_.empty())) {
            auto sync = [this] { return store_.sync(); };
            const auto synced = co_await run_blocking(pool_, std::move(sync));
            if (!synced) {
                metrics_.append_errors.Increment();
                spdlog::error("sync failed error=\"{}\"", synced.error().message());
            }
            next_sync = std::chrono::steady_clock::now() + sync_interval;
        }
        if (ended_ && waiting_.empty()) {
            break;
        }
    }
}

asio::awaitable<void> Recorder::append_waiting() {
    if (waiting_.empty()) {
        co_return;
    }
    std::vector<std::shared_ptr<const storage::Row>> taken{waiting_.begin(), waiting_.end()};
    waiting_.clear();
    const auto count = taken.size();
    auto append = [this, taken = std::move(taken)] { return store_.append(taken); };
    const auto appended = co_await run_blocking(pool_, std::move(append));
    if (appended) {
        metrics_.rows_appended.Increment(static_cast<double>(count));
    } else {
        metrics_.append_errors.Increment();
        metrics_.rows_dropped.Increment(static_cast<double>(count));
        spdlog::error("append failed rows={} error=\"{}\"", count, appended.error().message());
    }
    update_metrics();
}

void Recorder::update_metrics() {
    const auto statistics = store_.statistics();
    metrics_.rows_waiting.Set(static_cast<double>(waiting_.size()));
    metrics_.space_waiting.Set(statistics.waiting_for_space ? 1 : 0);
    metrics_.series.Set(static_cast<double>(statistics.series));
    metrics_.series_refused.Increment(
        static_cast<double>(statistics.series_refused - refused_before_));
    refused_before_ = statistics.series_refused;
}

}  // namespace holdfast::daemon
