#pragma once
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/alerting.h"
#include "daemon/async_mutex.h"
#include "daemon/baselines.h"
#include "daemon/clock.h"
#include "daemon/config.h"
#include "daemon/self_metrics.h"
#include "model/upgrade.h"
#include "rules/phase.h"
#include "rules/upgrade_watch.h"
#include "storage/store.h"

namespace holdfast::daemon {

/// What somebody asks for when an upgrade begins. Empty fields take the configured defaults.
struct StartRequest {
    std::string target, from, to, reason;
    Labels labels;
    std::optional<Milliseconds> cycle;
    std::optional<std::string> timezone;
    std::string baseline;  ///< id; empty: one is taken now
    bool no_window = false;
    std::string idempotency_key;
    std::string digest;  ///< of the request, to tell a repetition from another one
};

struct Started {
    Upgrade upgrade;
    bool created = false;  ///< false: the idempotency key was seen before
};

/// The upgrades of this daemon, their life and their judging. All state belongs to the loop; every
/// change is on disk before it is seen. Judgements are recomputed from the stored samples when the
/// daemon starts, by the same code that judges live.
class Upgrades {
public:
    static constexpr std::size_t pending_rows_max = 100'000;

    struct Deps {
        Clock& clock;
        const storage::SampleStore& samples;
        storage::RecordStore& records;
        boost::asio::thread_pool& record_pool;  ///< one thread: record writes keep their order
        boost::asio::thread_pool& work_pool;    ///< learning, which may take minutes
        boost::asio::thread_pool& judge_pool;   ///< judging, which must not wait for that
        Alerting& alerting;
        SelfMetrics& metrics;
    };
    Upgrades(const Deps& deps, const boost::asio::any_io_executor& loop);

    /// Reads the records.
    boost::asio::awaitable<Result<void>> load();
    void configure(std::shared_ptr<const Config> config);
    /// Makes long work on the pool end soon.
    void stop() { stopping_ = true; }
    bool stopping() const { return stopping_; }  ///< from any thread

    void observe(const std::shared_ptr<const storage::Row>& row);
    /// Makes what judges the upgrades under watch, one at a time and in the background: learns from
    /// the baseline and takes the stored rows since the window's end. Until cancelled.
    boost::asio::awaitable<void> prepare_forever();
    /// Once, those that are missing now.
    boost::asio::awaitable<void> prepare_all();
    /// Judges the upgrades under watch on every evaluation interval, until cancelled.
    boost::asio::awaitable<void> evaluate_forever();
    /// Judges each of them once, with the clock's present time.
    boost::asio::awaitable<void> evaluate_all();

    boost::asio::awaitable<Result<Started>> start(StartRequest request);
    boost::asio::awaitable<Result<Upgrade>> transition(std::string id, rules::Transition transition,
                                                       std::string by, std::string reason);
    boost::asio::awaitable<Result<Upgrade>> note(std::string id, std::string by, std::string text);
    boost::asio::awaitable<Result<std::vector<Event>>> events(std::string id);
    boost::asio::awaitable<Result<Baseline>> take_baseline(std::optional<Milliseconds> range,
                                                           std::optional<Milliseconds> cycle,
                                                           std::optional<std::string> timezone);
    /// The upgrade as soon as its revision is above `since`, at the latest after `longest`.
    boost::asio::awaitable<Result<Upgrade>> wait(std::string id, std::uint64_t since,
                                                 Milliseconds longest);

    Result<Upgrade> find(const std::string& id) const;
    const std::map<std::uint64_t, Upgrade>& all() const { return upgrades_; }
    const std::map<std::uint64_t, std::shared_ptr<const Baseline>>& baselines() const {
        return baselines_;
    }
    std::shared_ptr<const Baseline> baseline(const std::string& id) const;
    /// What retention must keep: the windows of baselines and of open upgrades.
    std::vector<Window> pinned() const;

private:
    /// What judges one upgrade; rows wait here until it is made, and between two evaluations.
    struct Live {
        std::shared_ptr<rules::UpgradeWatch> watch;  ///< null: it is not made yet
        std::vector<std::shared_ptr<const storage::Row>> pending;
        bool overflowed = false;  ///< rows were dropped here: they are to be read from the store
    };

    /// What no baseline learns: of the configuration and of earlier upgrades; the newest 1,000.
    std::vector<Exclusion> exclusions() const;
    Result<BaselineRequest> baseline_request(std::optional<Milliseconds> range,
                                             std::optional<Milliseconds> cycle,
                                             const std::optional<std::string>& timezone) const;
    boost::asio::awaitable<Result<std::shared_ptr<const Baseline>>> learn(BaselineRequest request);
    boost::asio::awaitable<void> prepare(std::uint64_t number);
    boost::asio::awaitable<void> evaluate(std::uint64_t number);
    boost::asio::awaitable<void> apply(std::uint64_t number, std::vector<Judged> judgements,
                                       Timestamp judged_at);
    /// Writes the upgrade with its events and only then makes it the present state.
    boost::asio::awaitable<Result<void>> commit(Upgrade upgrade, std::vector<Event> events);
    Event event(std::uint64_t number, std::string type, std::string by, std::string text);
    void watch(std::uint64_t number);
    bool to_prepare(std::uint64_t number, const Live& live) const;
    void wake();

    Deps deps_;
    AsyncMutex mutex_;  ///< one change of the records at a time
    std::shared_ptr<const Config> config_;
    std::map<std::uint64_t, Upgrade> upgrades_;
    std::map<std::uint64_t, std::uint64_t> event_counts_;
    std::map<std::uint64_t, std::shared_ptr<const Baseline>> baselines_;
    std::map<std::uint64_t, std::shared_ptr<Live>> live_;
    std::map<std::uint64_t, Timestamp> stored_at_;
    std::map<std::uint64_t, Timestamp> reconciled_at_;
    std::vector<boost::asio::steady_timer*> waiters_;
    boost::asio::steady_timer preparing_;  ///< cancelled when there is something to prepare
    std::atomic<bool> stopping_ = false;
};

}  // namespace holdfast::daemon
