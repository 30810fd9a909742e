#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collectors/support/http_client.h"
#include "daemon/clock.h"
#include "daemon/config.h"
#include "daemon/self_metrics.h"
#include "model/alert.h"
#include "rules/wanted_alerts.h"
#include "storage/store.h"

namespace holdfast::daemon {

/// Tells every Alertmanager of every alert, by the v2 API as Prometheus does: firing ones are
/// resent with an end that lies four resends ahead, resolved ones for 15 minutes. An alert is on
/// disk before it is sent, and stays there until an Alertmanager has taken its end; after a restart
/// all that fired fires on. One sender per Alertmanager: a dead one delays nobody.
/// Ref: docs/operators-guide.md, "Alerts"; Alertmanager's OpenAPI v2.
class Alerting {
public:
    static constexpr std::size_t alerts_max = 10'000;
    static constexpr Milliseconds resolved_resent{std::chrono::minutes{15}};

    Alerting(Clock& clock, storage::RecordStore& store, boost::asio::thread_pool& record_pool,
             collectors::HttpClient& http, SelfMetrics& metrics);

    /// Reads the stored alerts. Before any sender runs.
    boost::asio::awaitable<Result<void>> load();
    void configure(const AlertingConfig& config, std::string external_url);

    /// Brings the alerts of `upgrade` in line with its state: new ones fire, those no longer wanted
    /// and free to go are resolved. On disk when it returns.
    boost::asio::awaitable<void> reconcile(Upgrade upgrade);
    /// Fires an alert `HoldfastTest` that is resolved at once.
    boost::asio::awaitable<Result<void>> test();

    /// Sends until cancelled. One call for each Alertmanager that may ever be: senders beyond the
    /// configured ones wait.
    boost::asio::awaitable<void> send_forever();
    /// One last round to every Alertmanager, for shutdown: nothing is resolved by stopping.
    boost::asio::awaitable<void> drain();

    std::vector<Alert> alerts() const;
    std::size_t alertmanagers() const { return peers_.size(); }

private:
    struct Sent {
        bool resolved = false;
        Timestamp at{};
    };
    struct Peer {
        collectors::Url url;
        std::shared_ptr<const collectors::TlsClient> tls;
        std::string name;
        std::map<std::string, Sent> sent;
        Milliseconds backoff{0};
        Timestamp next_try{};
    };

    boost::asio::awaitable<void> serve(std::shared_ptr<Peer> peer);
    boost::asio::awaitable<bool> send_due(std::shared_ptr<Peer> peer);
    /// True when the Alertmanager took the batch or refused it for good.
    boost::asio::awaitable<bool> post(std::shared_ptr<Peer> peer, std::vector<Alert> batch);
    boost::asio::awaitable<void> wait_for_change(Milliseconds longest);
    boost::asio::awaitable<void> store_alerts(std::vector<Alert> changed);
    boost::asio::awaitable<void> forget_done();
    std::vector<Alert> due(const Peer& peer) const;
    std::string payload(const std::vector<Alert>& batch) const;
    void wake();

    Clock& clock_;
    storage::RecordStore& store_;
    boost::asio::thread_pool& pool_;
    collectors::HttpClient& http_;
    SelfMetrics& metrics_;
    AlertingConfig config_;
    rules::AlertContext context_;
    std::map<std::string, Alert> alerts_;
    std::vector<std::shared_ptr<Peer>> peers_;
    std::vector<boost::asio::steady_timer*> waiters_;
    std::uint64_t change_ = 0;  ///< counts changes of alerts and configuration
};

}  // namespace holdfast::daemon
