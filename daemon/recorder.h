#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <functional>
#include <memory>

#include "daemon/clock.h"
#include "daemon/collecting.h"
#include "daemon/self_metrics.h"
#include "storage/store.h"

namespace holdfast::daemon {

/// Takes rows from the collectors, stamps when it took them, shows them to `observe` at once, and
/// appends them to the store. When the store does not keep up (a full disk), rows wait in memory up
/// to `waiting_max`; then the oldest are dropped and counted. Collection and judging go on
/// meanwhile.
class Recorder {
public:
    using Observe = std::function<void(const std::shared_ptr<const storage::Row>&)>;
    static constexpr std::size_t waiting_max = 20'000;
    static constexpr Milliseconds sync_interval{5000};

    /// `store_pool` has one thread: appends and syncs keep their order.
    Recorder(Clock& clock, storage::SampleStore& store, boost::asio::thread_pool& store_pool,
             RowQueue& queue, SelfMetrics& metrics, Observe observe);

    /// Takes rows until the queue's eof. Ends the writer by and by.
    boost::asio::awaitable<void> take();
    /// Appends what waits; syncs every sync_interval. Ends, flushed and synced, after take().
    boost::asio::awaitable<void> write();

private:
    boost::asio::awaitable<void> append_waiting();
    void update_metrics();

    Clock& clock_;
    storage::SampleStore& store_;
    boost::asio::thread_pool& pool_;
    RowQueue& queue_;
    SelfMetrics& metrics_;
    Observe observe_;
    std::deque<std::shared_ptr<const storage::Row>> waiting_;
    std::unique_ptr<boost::asio::steady_timer> wake_;
    bool ended_ = false;
    std::uint64_t refused_before_ = 0;
};

}  // namespace holdfast::daemon
