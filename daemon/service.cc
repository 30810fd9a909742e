#include "daemon/service.h"

#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <csignal>
#include <fstream>
#include <sstream>

#include "collectors/metrics.h"
#include "collectors/run_blocking.h"
#include "daemon/alerting.h"
#include "daemon/api.h"
#include "daemon/bcrypt.h"
#include "daemon/collecting.h"
#include "daemon/http_server.h"
#include "daemon/live_board.h"
#include "daemon/live_signals.h"
#include "daemon/placebos.h"
#include "daemon/recorder.h"
#include "daemon/run_until_one_ends.h"
#include "daemon/self_metrics.h"
#include "daemon/token.h"
#include "daemon/upgrades.h"
#include "daemon/version.h"
#include "daemon/web_access.h"
#include "storage/store.h"

namespace holdfast::daemon {
namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
namespace {

constexpr std::size_t queue_capacity = 1024;
constexpr std::size_t detached_calls_max = 32;
constexpr auto retention_interval = std::chrono::hours{1};
constexpr auto drain_time = std::chrono::seconds{10};

std::string text_of(const std::optional<std::filesystem::path>& file) {
    std::ostringstream text;
    if (file) {
        std::ifstream in{*file};
        text << in.rdbuf();
    }
    return text.str();
}

std::uint64_t epoch_of(Timestamp at) {
    return static_cast<std::uint64_t>(at.time_since_epoch().count());
}

/// All parts of a running daemon, in the order in which they may refer to each other.
class Service {
public:
    Service(ServiceOptions options, Clock& clock, std::shared_ptr<const Config> config,
            WebConfig web_config, std::unique_ptr<storage::SampleStore> samples,
            std::unique_ptr<storage::RecordStore> records, WebAccess::Secrets secrets)
        : options_{std::move(options)},
          clock_{clock},
          config_{std::move(config)},
          web_config_{std::move(web_config)},
          samples_{std::move(samples)},
          records_{std::move(records)},
          own_epoch_{epoch_of(clock.now())},
          queue_{io_, queue_capacity},
          board_{collectors::all_metrics()},
          recorder_{clock_,
                    *samples_,
                    sample_pool_,
                    queue_,
                    metrics_,
                    [this](const std::shared_ptr<const storage::Row>& row) { observe(row); }},
          alerting_{clock_, *records_, record_pool_, http_, metrics_},
          upgrades_{{clock_, *samples_, *records_, record_pool_, work_pool_, judge_pool_, alerting_,
                     metrics_},
                    io_.get_executor()},
          placebos_{{clock_, *records_, placebo_pool_}, io_.get_executor()},
          collecting_{clock_, queue_, metrics_},
          api_{{clock_, upgrades_, placebos_, alerting_, collecting_, board_, signals_, metrics_,
                *samples_, read_pool_}},
          access_{clock_, metrics_, std::move(secrets), bcrypt_matches} {}

    Result<void> run();

private:
    void observe(const std::shared_ptr<const storage::Row>& row) {
        board_.observe(row->reading);
        signals_.observe(*row);
        upgrades_.observe(row);
    }
    CollectorDeps collector_deps() { return {work_pool_, calls_, http_, own_epoch_}; }
    void configure();
    Result<void> reload();
    Result<void> take_new_configuration();
    asio::awaitable<ServerResponse> answer(ServerRequest request);
    asio::awaitable<void> until_stopped();
    asio::awaitable<void> reload_on_hangup();
    asio::awaitable<void> work();
    asio::awaitable<void> keep_retention();
    asio::awaitable<void> produce();
    asio::awaitable<void> live();
    asio::awaitable<void> drain();

    ServiceOptions options_;
    Clock& clock_;
    std::shared_ptr<const Config> config_;
    WebConfig web_config_;
    std::unique_ptr<storage::SampleStore> samples_;
    std::unique_ptr<storage::RecordStore> records_;
    std::uint64_t own_epoch_;
    asio::io_context io_{1};
    asio::thread_pool sample_pool_{1};
    asio::thread_pool record_pool_{1};
    asio::thread_pool work_pool_{2};
    asio::thread_pool judge_pool_{1};    // pages wait for nothing that burns or reads
    asio::thread_pool read_pool_{1};     // what the API reads from the disk, one at a time
    asio::thread_pool placebo_pool_{1};  // minutes at the lowest priority, which stays with it
    SelfMetrics metrics_ = SelfMetrics::make();
    collectors::DetachedCalls calls_{detached_calls_max};
    collectors::Resolver resolver_{calls_};
    collectors::HttpClient http_{resolver_, version};
    RowQueue queue_;
    LiveBoard board_;
    LiveSignals signals_;
    Recorder recorder_;
    Alerting alerting_;
    Upgrades upgrades_;
    Placebos placebos_;
    Collecting collecting_;
    Api api_;
    WebAccess access_;
    std::optional<HttpServer> server_;
    std::string external_url_;
    std::string fatal_;
};

void Service::configure() {
    server_->configure({web_config_.tls, web_config_.headers});
    access_.configure(web_config_);
    signals_.configure(config_->signals);
    upgrades_.configure(config_);
    placebos_.configure(config_);
    alerting_.configure(config_->alerting, external_url_);
    api_.set_config(config_, text_of(options_.config_file));
    metrics_.config_last_reload_successful.Set(1);
    metrics_.config_last_reload_success_timestamp_seconds.Set(
        static_cast<double>(clock_.now().time_since_epoch().count()) / 1e3);
}

/// Everything new is made before anything old is given up.
Result<void> Service::take_new_configuration() {
    auto config = effective_config(options_);
    if (!config) {
        return tl::unexpected(config.error());
    }
    auto tasks = make_collectors(*config, collector_deps());
    if (!tasks) {
        return tl::unexpected(tasks.error());
    }
    auto web_config = effective_web_config(options_);
    if (!web_config) {
        return tl::unexpected(web_config.error());
    }
    if ((web_config->tls == nullptr) != (web_config_.tls == nullptr)) {
        return failure(Errc::config, "{}: tls_server_config: TLS {} needs a restart",
                       options_.web_config_file.value_or("").string(),
                       web_config->tls ? "where there was none" : "that is switched off");
    }
    config_ = std::make_shared<const Config>(std::move(*config));
    web_config_ = std::move(*web_config);
    configure();
    collecting_.replace(std::move(*tasks));
    return {};
}

Result<void> Service::reload() {
    const auto taken = take_new_configuration();
    if (!taken) {
        metrics_.config_last_reload_successful.Set(0);
        spdlog::error("reload failed, the old configuration stays error=\"{}\"",
                      taken.error().message());
        return tl::unexpected(
            taken.error().while_doing("reload failed, the old configuration stays"));
    }
    spdlog::info("configuration reloaded");
    return {};
}

asio::awaitable<ServerResponse> Service::answer(ServerRequest request) {
    auto refused = co_await access_.admit(request);
    if (refused) {
        co_return std::move(*refused);
    }
    co_return co_await api_.handle(std::move(request));
}

asio::awaitable<void> Service::until_stopped() {
    asio::signal_set signals{io_, SIGTERM, SIGINT};
    const int signal = co_await signals.async_wait(asio::use_awaitable);
    spdlog::info("stopping signal={}", signal);
    api_.set_not_ready("stopping");
    upgrades_.stop();
    placebos_.stop();
}

asio::awaitable<void> Service::reload_on_hangup() {
    asio::signal_set signals{io_, SIGHUP};
    for (;;) {
        co_await signals.async_wait(asio::use_awaitable);
        const auto reloaded = reload();  // says by itself what went wrong
        static_cast<void>(reloaded);
    }
}

/// Loads what was stored, and then does everything that a ready daemon does.
asio::awaitable<void> Service::work() {
    const auto alerts = co_await alerting_.load();
    if (!alerts) {
        fatal_ = alerts.error().message();
        co_return;
    }
    const auto upgrades = co_await upgrades_.load();
    if (!upgrades) {
        fatal_ = upgrades.error().message();
        co_return;
    }
    auto tasks = make_collectors(*config_, collector_deps());
    if (!tasks) {
        fatal_ = tasks.error().message();
        co_return;
    }
    api_.set_not_ready("");
    spdlog::info("ready address={}", server_->address());
    std::vector<asio::awaitable<void>> running;
    running.push_back(collecting_.run(std::move(*tasks)));
    running.push_back(upgrades_.prepare_forever());
    running.push_back(upgrades_.evaluate_forever());
    running.push_back(placebos_.work_forever());
    running.push_back(alerting_.send_forever());
    running.push_back(keep_retention());
    co_await run_until_one_ends(std::move(running));
}

asio::awaitable<void> Service::keep_retention() {
    for (;;) {
        auto pinned = upgrades_.pinned();
        auto retain = [this, oldest = clock_.now() - config_->retention,
                       pinned = std::move(pinned)] { return samples_->retain(oldest, pinned); };
        const auto retained = co_await run_blocking(sample_pool_, std::move(retain));
        if (!retained) {
            spdlog::error("retention failed error=\"{}\"", retained.error().message());
        }
        co_await clock_.sleep_until(clock_.now() + retention_interval);
    }
}

/// Everything that ends with the stop signal; then the end of the recorder's queue.
asio::awaitable<void> Service::produce() {
    std::vector<asio::awaitable<void>> running;
    running.push_back(until_stopped());
    running.push_back(reload_on_hangup());
    running.push_back(
        server_->serve([this](ServerRequest request) { return answer(std::move(request)); }));
    running.push_back(work());
    co_await run_until_one_ends(std::move(running));
    upgrades_.stop();
    placebos_.stop();
    samples_->give_up_waiting();
    storage::Row none;
    co_await queue_.async_send(asio::error::eof, std::move(none), asio::use_awaitable);
}

asio::awaitable<void> Service::drain() {
    asio::steady_timer limit{io_, drain_time};
    co_await (alerting_.drain() || limit.async_wait(asio::use_awaitable));
}

asio::awaitable<void> Service::live() {
    co_await (produce() && recorder_.take() && recorder_.write());
    co_await drain();
}

Result<void> Service::run() {
    auto server = HttpServer::listen(io_.get_executor(), options_.listen_address, metrics_);
    if (!server) {
        return tl::unexpected(server.error());
    }
    server_.emplace(std::move(*server));
    const auto state = *config_->storage_path;
    if (auto written = write_file(state / "address", server_->address() + "\n", 0644); !written) {
        return written;
    }
    external_url_ = config_->external_url.value_or((web_config_.tls ? "https://" : "http://") +
                                                   server_->address());
    while (external_url_.ends_with('/')) {
        external_url_.pop_back();
    }
    api_.set_runtime({clock_.now(), state.string(), options_.flags, {}});
    api_.on_reload([this] { return reload(); });
    configure();
    spdlog::info("holdfastd starts version={} address={} external_url={} state={}", version,
                 server_->address(), external_url_, state.string());
    auto ended = asio::co_spawn(io_, live(), asio::use_future);
    io_.run();
    ended.get();
    spdlog::info("holdfastd stopped");
    return fatal_.empty() ? Result<void>{} : failure(Errc::io, "{}", fatal_);
}

}  // namespace

Result<Config> effective_config(const ServiceOptions& options) {
    auto config = load_config(options.config_file);
    if (!config) {
        return config;
    }
    const auto set = [](std::filesystem::path& path,
                        const std::optional<std::filesystem::path>& flag) {
        path = flag.value_or(path);
    };
    set(config->paths.procfs, options.procfs);
    set(config->paths.sysfs, options.sysfs);
    set(config->paths.cgroupfs, options.cgroupfs);
    set(config->paths.rootfs, options.rootfs);
    if (options.storage_path) {
        config->storage_path = options.storage_path;
    } else if (!config->storage_path) {
        const auto* const state = std::getenv("STATE_DIRECTORY");  // systemd's StateDirectory=
        config->storage_path = state != nullptr ? state : "holdfast-data";
    }
    if (options.external_url) {
        config->external_url = options.external_url;
    }
    return config;
}

Result<WebConfig> effective_web_config(const ServiceOptions& options) {
    return options.web_config_file ? load_web_config(*options.web_config_file)
                                   : Result<WebConfig>{WebConfig{}};
}

Result<void> run_service(const ServiceOptions& options, Clock& clock) {
    auto config = effective_config(options);
    if (!config) {
        return tl::unexpected(config.error());
    }
    auto web_config = effective_web_config(options);
    if (!web_config) {
        return tl::unexpected(web_config.error());
    }
    const auto state = *config->storage_path;
    auto samples = storage::open_sample_store({state / "samples", config->series_max});
    if (!samples) {
        return tl::unexpected(samples.error());
    }
    auto records = storage::open_record_store({.path = state / "records"});
    if (!records) {
        return tl::unexpected(records.error());
    }
    auto token = read_or_make_token(state);
    if (!token) {
        return tl::unexpected(token.error());
    }
    auto salt = random_secret();
    if (!salt) {
        return tl::unexpected(salt.error());
    }
    std::signal(SIGPIPE, SIG_IGN);
    return Service{options,
                   clock,
                   std::make_shared<const Config>(std::move(*config)),
                   std::move(*web_config),
                   std::move(*samples),
                   std::move(*records),
                   {std::move(*token), std::move(*salt)}}
        .run();
}

}  // namespace holdfast::daemon
