#include "daemon/alerting.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>

#include "collectors/run_blocking.h"
#include "daemon/quantities.h"
#include "daemon/run_until_one_ends.h"
#include "daemon/waiting.h"

namespace holdfast::daemon {
namespace asio = boost::asio;
namespace json = boost::json;
namespace {

constexpr std::size_t batch_max = 256;
constexpr Milliseconds post_timeout{10'000};
constexpr Milliseconds backoff_min{1'000};
constexpr Milliseconds backoff_max{30'000};
constexpr std::size_t answer_max = std::size_t{64} << 10U;
constexpr int resends_ahead = 4;  // as Prometheus: an alert outlives three lost resends

json::object to_object(const Labels& labels) {
    json::object out;
    for (const auto& [name, value] : labels) {
        out[name] = value;
    }
    return out;
}

}  // namespace

Alerting::Alerting(Clock& clock, storage::RecordStore& store, asio::thread_pool& record_pool,
                   collectors::HttpClient& http, SelfMetrics& metrics)
    : clock_{clock}, store_{store}, pool_{record_pool}, http_{http}, metrics_{metrics} {
    metrics_.notifications_queue_capacity.Set(static_cast<double>(alerts_max));
}

asio::awaitable<Result<void>> Alerting::load() {
    auto read = [this] { return store_.alerts(); };
    auto stored = co_await run_blocking(pool_, std::move(read));
    if (!stored) {
        co_return tl::unexpected(stored.error());
    }
    for (auto& alert : *stored) {
        auto key = alert.key;
        alerts_.emplace(std::move(key), std::move(alert));
    }
    metrics_.notifications_queue_length.Set(static_cast<double>(alerts_.size()));
    co_return Result<void>{};
}

void Alerting::configure(const AlertingConfig& config, std::string external_url) {
    config_ = config;
    context_ = {std::move(external_url), config.external_labels};
    std::vector<std::shared_ptr<Peer>> peers;
    for (const auto& alertmanager : config.alertmanagers) {
        auto url = alertmanager.url;
        if (url.target.ends_with('/')) {
            url.target.pop_back();
        }
        url.target += "/api/v2/alerts";
        auto name = collectors::authority(url);
        const auto known = std::find_if(peers_.begin(), peers_.end(),
                                        [&](const auto& peer) { return peer->name == name; });
        peers.push_back(known != peers_.end() ? *known : std::make_shared<Peer>());
        peers.back()->url = std::move(url);
        peers.back()->tls = alertmanager.tls;
        peers.back()->name = name;
        metrics_.notifications_sent.Add({{"alertmanager", name}});
        metrics_.notifications_errors.Add({{"alertmanager", name}});
        metrics_.notifications_dropped.Add({{"alertmanager", name}});
    }
    peers_ = std::move(peers);
    metrics_.alertmanagers_discovered.Set(static_cast<double>(peers_.size()));
    wake();
}

void Alerting::wake() {
    ++change_;
    for (auto* waiter : waiters_) {
        waiter->cancel();
    }
}

asio::awaitable<void> Alerting::reconcile(Upgrade upgrade) {
    const auto now = clock_.now();
    auto wanted = rules::wanted_alerts(upgrade, context_, now);
    std::vector<Alert> changed;
    for (auto& alert : wanted) {
        const auto known = alerts_.find(alert.key);
        if (known != alerts_.end() && !known->second.ended_at) {
            known->second.annotations = alert.annotations;  // the newest figures go out next
            continue;
        }
        if (alerts_.size() >= alerts_max) {
            spdlog::error("alert dropped, too many alerts key=\"{}\"", alert.key);
            continue;
        }
        spdlog::warn("alert fires {} summary=\"{}\"", alert.key, alert.annotations["summary"]);
        changed.push_back(alert);
    }
    for (const auto& [key, alert] : alerts_) {
        const bool still = std::any_of(wanted.begin(), wanted.end(),
                                       [&key = key](const Alert& w) { return w.key == key; });
        if (alert.upgrade != upgrade.id || alert.ended_at || still) {
            continue;
        }
        // The milder alert of a regression that got worse stays until the regression ends.
        if (rules::may_resolve(alert, upgrade)) {
            auto resolved = alert;
            resolved.ended_at = now;
            resolved.delivered = false;
            spdlog::info("alert resolved {}", key);
            changed.push_back(std::move(resolved));
        }
    }
    if (changed.empty()) {
        co_return;
    }
    co_await store_alerts(changed);
    for (auto& alert : changed) {
        auto key = alert.key;
        alerts_[key] = std::move(alert);
    }
    metrics_.notifications_queue_length.Set(static_cast<double>(alerts_.size()));
    wake();
}

asio::awaitable<Result<void>> Alerting::test() {
    if (peers_.empty()) {
        co_return failure(Errc::conflict,
                          "send a test alert: no Alertmanager; set alerting.alertmanagers");
    }
    const auto now = clock_.now();
    Alert alert{.labels = context_.external_labels,
                .annotations = {{"summary", "Test of holdfast's way to the pager"},
                                {"description", "Somebody ran 'holdfast alerts test'."}},
                .generator_url = context_.external_url,
                .starts_at = now,
                .ended_at = now + std::chrono::minutes{1}};
    alert.labels["alertname"] = "HoldfastTest";
    alert.labels["severity"] = "none";
    std::string refused;
    const auto peers = peers_;
    for (const auto& peer : peers) {
        std::vector<Alert> batch{alert};
        const bool taken = co_await post(peer, std::move(batch));
        if (!taken) {
            refused += (refused.empty() ? "" : ", ") + peer->name;
        }
    }
    if (!refused.empty()) {
        co_return failure(Errc::io, "send a test alert: not taken by {}; see the daemon's log",
                          refused);
    }
    co_return Result<void>{};
}

asio::awaitable<void> Alerting::send_forever() {
    for (;;) {
        const auto peers = peers_;
        const auto seen = change_;
        if (peers.empty()) {
            co_await forget_done();
            co_await wait_for_change(std::chrono::minutes{1});
            continue;
        }
        std::vector<asio::awaitable<void>> senders;
        senders.reserve(peers.size());
        for (const auto& peer : peers) {
            senders.push_back(serve(peer));
        }
        co_await run_until_one_ends(std::move(senders));
        if (seen == change_) {
            co_await wait_for_change(std::chrono::seconds{1});
        }
    }
}

/// Serves one Alertmanager as long as it is configured.
asio::awaitable<void> Alerting::serve(std::shared_ptr<Peer> peer) {
    const auto configured = [this, &peer] {
        return std::find(peers_.begin(), peers_.end(), peer) != peers_.end();
    };
    while (configured()) {
        const auto seen = change_;
        bool sent = true;
        if (clock_.now() >= peer->next_try) {
            sent = co_await send_due(peer);
            co_await forget_done();
        }
        if (!sent) {
            peer->backoff = std::clamp<Milliseconds>(2 * peer->backoff, backoff_min, backoff_max);
            peer->next_try = clock_.now() + peer->backoff;
        } else if (clock_.now() >= peer->next_try) {
            peer->backoff = Milliseconds{0};
        }
        if (seen == change_) {
            const auto until_try = peer->next_try - clock_.now();
            co_await wait_for_change(until_try > Milliseconds{0}
                                         ? until_try
                                         : std::max(config_.resend_interval / 4, Milliseconds{50}));
        }
    }
}

asio::awaitable<void> Alerting::wait_for_change(Milliseconds longest) {
    asio::steady_timer timer{co_await asio::this_coro::executor, longest};
    const Waiting waiting{waiters_, timer};
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

std::vector<Alert> Alerting::due(const Peer& peer) const {
    const auto now = clock_.now();
    std::vector<Alert> out;
    for (const auto& [key, alert] : alerts_) {
        const auto sent = peer.sent.find(key);
        const bool news =
            sent == peer.sent.end() || sent->second.resolved != alert.ended_at.has_value();
        const bool resend = !news && sent->second.at + config_.resend_interval <= now;
        const bool over = alert.ended_at && !news && now > *alert.ended_at + resolved_resent;
        if ((news || resend) && !over) {
            out.push_back(alert);
        }
    }
    return out;
}

asio::awaitable<bool> Alerting::send_due(std::shared_ptr<Peer> peer) {
    const auto all = due(*peer);
    for (std::size_t first = 0; first < all.size(); first += batch_max) {
        std::vector<Alert> batch{
            all.begin() + static_cast<std::ptrdiff_t>(first),
            all.begin() + static_cast<std::ptrdiff_t>(std::min(first + batch_max, all.size()))};
        const auto sent = batch;
        const bool taken = co_await post(peer, std::move(batch));
        if (!taken) {
            co_return false;
        }
        std::vector<Alert> delivered;
        for (const auto& alert : sent) {
            peer->sent[alert.key] = {alert.ended_at.has_value(), clock_.now()};
            const auto known = alerts_.find(alert.key);
            if (known != alerts_.end() && !known->second.delivered &&
                known->second.ended_at == alert.ended_at) {
                known->second.delivered = true;
                delivered.push_back(known->second);
            }
        }
        co_await store_alerts(std::move(delivered));
    }
    co_return true;
}

asio::awaitable<bool> Alerting::post(std::shared_ptr<Peer> peer, std::vector<Alert> batch) {
    collectors::HttpRequest request{peer->url, post_timeout, answer_max};
    request.method = "POST";
    request.tls = peer->tls;
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = payload(batch);
    const auto outcome = co_await http_.send(std::move(request));
    const std::map<std::string, std::string> labels{{"alertmanager", peer->name}};
    const auto count = static_cast<double>(batch.size());
    if (outcome && outcome->status >= 200 && outcome->status < 300) {
        metrics_.notifications_sent.Add(labels).Increment(count);
        if (peer->backoff > Milliseconds{0}) {
            spdlog::info("alertmanager takes alerts again alertmanager={}", peer->name);
        }
        co_return true;
    }
    metrics_.notifications_errors.Add(labels).Increment();
    if (peer->backoff == Milliseconds{0}) {  // once per outage, not once per try
        spdlog::error(
            "alertmanager did not take alerts alertmanager={} alerts={} error=\"{}\"", peer->name,
            batch.size(),
            outcome ? fmt::format("status {}: {}", outcome->status, outcome->body.substr(0, 200))
                    : outcome.error().error.message());
    }
    if (!outcome || outcome->status != 400) {
        co_return false;
    }
    // A batch with one invalid alert is refused as a whole: find it, give up on it alone.
    if (batch.size() == 1) {
        metrics_.notifications_dropped.Add(labels).Increment();
        co_return true;
    }
    const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
    std::vector<Alert> first{batch.begin(), middle};
    std::vector<Alert> second{middle, batch.end()};
    const bool first_done = co_await post(peer, std::move(first));
    const bool second_done = co_await post(peer, std::move(second));
    co_return first_done&& second_done;
}

std::string Alerting::payload(const std::vector<Alert>& batch) const {
    const auto ahead = clock_.now() + resends_ahead * config_.resend_interval;
    json::array out;
    for (const auto& alert : batch) {
        out.push_back(json::object{{"labels", to_object(alert.labels)},
                                   {"annotations", to_object(alert.annotations)},
                                   {"startsAt", format_time(alert.starts_at)},
                                   {"endsAt", format_time(alert.ended_at.value_or(ahead))},
                                   {"generatorURL", alert.generator_url}});
    }
    return json::serialize(out);
}

asio::awaitable<void> Alerting::store_alerts(std::vector<Alert> changed) {
    if (changed.empty()) {
        co_return;
    }
    auto put = [this, changed = std::move(changed)] { return store_.put_alerts(changed); };
    const auto stored = co_await run_blocking(pool_, std::move(put));
    if (!stored) {
        spdlog::error("alerts not stored error=\"{}\"", stored.error().message());
    }
}

/// Forgets resolved alerts that were delivered and resent for long enough, or for a day in vain.
asio::awaitable<void> Alerting::forget_done() {
    const auto now = clock_.now();
    std::vector<std::string> done;
    for (const auto& [key, alert] : alerts_) {
        if (alert.ended_at && ((alert.delivered && now > *alert.ended_at + resolved_resent) ||
                               peers_.empty() || now > *alert.ended_at + std::chrono::hours{24})) {
            done.push_back(key);
        }
    }
    if (done.empty()) {
        co_return;
    }
    for (const auto& key : done) {
        alerts_.erase(key);
        for (const auto& peer : peers_) {
            peer->sent.erase(key);
        }
    }
    metrics_.notifications_queue_length.Set(static_cast<double>(alerts_.size()));
    auto erase = [this, done] { return store_.erase_alerts(done); };
    const auto erased = co_await run_blocking(pool_, std::move(erase));
    if (!erased) {
        spdlog::error("alerts not erased error=\"{}\"", erased.error().message());
    }
}

asio::awaitable<void> Alerting::drain() {
    const auto peers = peers_;
    for (const auto& peer : peers) {
        co_await send_due(peer);
    }
}

std::vector<Alert> Alerting::alerts() const {
    std::vector<Alert> out;
    for (const auto& [key, alert] : alerts_) {
        out.push_back(alert);
    }
    return out;
}

}  // namespace holdfast::daemon
