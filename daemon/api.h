#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <string>

#include "daemon/alerting.h"
#include "daemon/collecting.h"
#include "daemon/http_server.h"
#include "daemon/live_board.h"
#include "daemon/live_signals.h"
#include "daemon/placebos.h"
#include "daemon/upgrades.h"
#include "storage/store.h"

namespace holdfast::daemon {

/// What the API tells of the process itself.
struct RuntimeInfo {
    Timestamp started_at{};
    std::string storage_path;
    std::map<std::string, std::string> flags;
    std::string config_text;  ///< as read last, without defaults; holds no secrets
};

/// The HTTP interface: health, metrics, and /api/v1 in the Prometheus envelope. Reading is free, as
/// far as the API is concerned; every request that changes something needs a user (WebAccess).
/// Ref: docs/operators-guide.md.
class Api {
public:
    struct Deps {
        Clock& clock;
        Upgrades& upgrades;
        Placebos& placebos;
        Alerting& alerting;
        Collecting& collecting;
        LiveBoard& board;
        LiveSignals& signals;
        SelfMetrics& metrics;
        const storage::SampleStore& samples;
        boost::asio::thread_pool& read_pool;
    };
    explicit Api(const Deps& deps);

    boost::asio::awaitable<ServerResponse> handle(ServerRequest request);

    /// Empty when ready, else why not.
    void set_not_ready(std::string reason) { not_ready_ = std::move(reason); }
    void set_runtime(RuntimeInfo info) { runtime_ = std::move(info); }
    void set_config(std::shared_ptr<const Config> config, std::string text) {
        config_ = std::move(config);
        runtime_.config_text = std::move(text);
    }
    /// Called for /-/reload.
    void on_reload(std::function<Result<void>()> reload) { reload_ = std::move(reload); }

private:
    boost::asio::awaitable<ServerResponse> dispatch(ServerRequest request);
    boost::asio::awaitable<ServerResponse> get(ServerRequest request, std::string path);
    boost::asio::awaitable<ServerResponse> post(ServerRequest request, std::string path);
    boost::asio::awaitable<ServerResponse> get_upgrade(ServerRequest request, std::string path);
    boost::asio::awaitable<ServerResponse> get_rule(Upgrade upgrade, std::string rule);
    boost::asio::awaitable<ServerResponse> post_upgrade(ServerRequest request, std::string path);
    boost::asio::awaitable<ServerResponse> start_upgrade(ServerRequest request);
    boost::asio::awaitable<ServerResponse> take_baseline(ServerRequest request);
    boost::asio::awaitable<ServerResponse> query_series(ServerRequest request);
    ServerResponse get_baseline(const ServerRequest& request, const std::string& path) const;
    ServerResponse ask_placebo(const ServerRequest& request, const std::string& id);
    ServerResponse list_upgrades(const ServerRequest& request) const;
    ServerResponse status(const std::string& what) const;
    ServerResponse list(const std::string& path) const;

    Deps deps_;
    std::string not_ready_ = "starting";
    RuntimeInfo runtime_;
    std::shared_ptr<const Config> config_;
    std::function<Result<void>()> reload_;
};

}  // namespace holdfast::daemon
