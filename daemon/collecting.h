#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "collectors/collector.h"
#include "collectors/support/detached_calls.h"
#include "collectors/support/http_client.h"
#include "collectors/support/resolver.h"
#include "daemon/clock.h"
#include "daemon/config.h"
#include "daemon/self_metrics.h"
#include "storage/store.h"

namespace holdfast::daemon {

/// What collectors need beside their options; outlives them.
struct CollectorDeps {
    boost::asio::thread_pool& pool;  ///< for what may block a little: log files
    collectors::DetachedCalls& calls;
    collectors::HttpClient& http;
    std::uint64_t own_epoch;  ///< of counters that begin with this process
};

/// A collector with its interval.
struct Task {
    std::unique_ptr<collectors::Collector> collector;
    Milliseconds interval;
};

/// The collectors that `config` asks for: the one table of all kinds. Errc::config when one of them
/// refuses its options.
Result<std::vector<Task>> make_collectors(const Config& config, const CollectorDeps& deps);

/// What a collector's last reading was like, for /api/v1/sources.
struct SourceStatus {
    std::string collector;
    std::string instance;
    Milliseconds interval{};
    bool up = false;
    bool ever = false;
    std::size_t samples = 0;
    std::string last_error;
    Timestamp last_success{};
};

/// Name of a source in the store: `cpu`, `probe/shop`.
std::string source_name(const collectors::Collector& collector);

/// Bounded queue of rows between the collectors and the recorder. A full queue makes senders wait.
/// Ended by sending error::eof, never by close(): in Asio 1.26 close() drops what is buffered.
using RowQueue = boost::asio::experimental::channel<void(boost::system::error_code, storage::Row)>;

/// Runs collectors on their grids and queues their rows. All on one loop.
class Collecting {
public:
    Collecting(Clock& clock, RowQueue& queue, SelfMetrics& metrics);

    /// Runs `tasks` until cancelled; replace() swaps them meanwhile.
    boost::asio::awaitable<void> run(std::vector<Task> tasks);
    /// Ends the collectors that run, awaits them, and goes on with `tasks`.
    void replace(std::vector<Task> tasks);

    std::vector<SourceStatus> sources() const;

private:
    boost::asio::awaitable<void> collect_forever(Task& task);
    boost::asio::awaitable<void> wait_for_replacement();
    void note(Task& task, Timestamp at, const Result<Reading>& reading,
              std::chrono::steady_clock::duration took);

    Clock& clock_;
    RowQueue& queue_;
    SelfMetrics& metrics_;
    std::unique_ptr<boost::asio::steady_timer> replaced_;
    std::optional<std::vector<Task>> next_;
    std::map<std::string, SourceStatus> sources_;
};

}  // namespace holdfast::daemon
