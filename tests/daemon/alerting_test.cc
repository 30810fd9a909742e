#include "daemon/alerting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "collectors/support/resolver.h"
#include "daemon/quantities.h"
#include "daemon/run_until_one_ends.h"
#include "daemon/version.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_server.h"

namespace holdfast::daemon {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using namespace std::chrono_literals;
using holdfast::testing::FakeClock;
using holdfast::testing::TinyServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// An Alertmanager's front: says `status` and keeps what it was sent.
class Front {
public:
    explicit Front(std::function<int(const std::string& body)> status)
        : status_{std::move(status)}, server_{[this](asio::ip::tcp::socket& socket) {
              return serve(socket);
          }} {}

    std::string url() const { return "http://127.0.0.1:" + server_.port() + "/prefix"; }
    std::vector<std::string> bodies() const {
        const std::lock_guard lock{mutex_};
        return bodies_;
    }
    std::string first_line() const {
        const std::lock_guard lock{mutex_};
        return first_line_;
    }

private:
    asio::awaitable<void> serve(asio::ip::tcp::socket& socket) {
        std::string text;
        std::size_t length = 0;
        std::size_t body = std::string::npos;
        std::array<char, 4096> buffer{};
        while (body == std::string::npos || text.size() < body + length) {
            const auto n =
                co_await socket.async_read_some(asio::buffer(buffer), asio::use_awaitable);
            text.append(buffer.data(), n);
            if (body == std::string::npos && text.find("\r\n\r\n") != std::string::npos) {
                body = text.find("\r\n\r\n") + 4;
                const auto at = text.find("Content-Length: ");
                length = at == std::string::npos ? 0 : std::stoul(text.substr(at + 16));
            }
        }
        const auto content = text.substr(body);
        int status = 0;
        {
            const std::lock_guard lock{mutex_};
            bodies_.push_back(content);
            first_line_ = text.substr(0, text.find("\r\n"));
            status = status_(content);
        }
        const auto answer = fmt::format("HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n", status);
        co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
    }

    std::function<int(const std::string&)> status_;
    mutable std::mutex mutex_;
    std::vector<std::string> bodies_;
    std::string first_line_;
    TinyServer server_;  // last: its thread uses the rest
};

Upgrade open_upgrade(const std::string& id) {
    return {.id = id,
            .target = "shop-" + id,
            .from = "1",
            .to = "2",
            .phase = Phase::window,
            .cycle = 24h};
}

struct AlertingTest : ::testing::Test {
    holdfast::testing::TempDir folder;
    std::unique_ptr<storage::RecordStore> records =
        std::move(*storage::open_record_store({.path = folder.path() / "records"}));
    asio::thread_pool pool{1};
    SelfMetrics metrics = SelfMetrics::make();
    collectors::DetachedCalls calls{1};
    collectors::Resolver resolver{calls};
    collectors::HttpClient http{resolver, version};
    SystemClock clock;

    std::unique_ptr<Alerting> alerting(const std::vector<std::string>& urls) {
        auto out = std::make_unique<Alerting>(clock, *records, pool, http, metrics);
        AlertingConfig config{.resend_interval = 200ms};
        for (const auto& url : urls) {
            config.alertmanagers.push_back({*collectors::parse_url(url), nullptr});
        }
        out->configure(config, "http://holdfast:9750");
        return out;
    }
    /// Sends until `done` says so, at most a minute.
    template <class Done>
    bool send_until(Alerting& alerts, Done done) {
        auto until = [&]() -> asio::awaitable<void> {
            asio::steady_timer timer{co_await asio::this_coro::executor};
            const auto deadline = std::chrono::steady_clock::now() + 60s;
            while (!done() && std::chrono::steady_clock::now() < deadline) {
                timer.expires_after(5ms);
                co_await timer.async_wait(asio::use_awaitable);
            }
        };
        auto both = [&]() -> asio::awaitable<void> {
            std::vector<asio::awaitable<void>> tasks;
            tasks.push_back(alerts.send_forever());
            tasks.push_back(until());
            co_await run_until_one_ends(std::move(tasks));
        };
        holdfast::testing::run(both());
        return done();
    }
    double sent(const Front& front) {
        const auto url = front.url();
        const auto name = url.substr(7, url.find("/prefix") - 7);
        return metrics.notifications_sent.Add({{"alertmanager", name}}).Value();
    }
};

TEST_F(AlertingTest, PostsFiringAlertsWithAnEndAheadAndResendsThem) {
    Front front{[](const std::string&) { return 200; }};
    const auto alerts = alerting({front.url()});
    holdfast::testing::run(alerts->reconcile(open_upgrade("u1")));
    ASSERT_TRUE(send_until(*alerts, [&] { return front.bodies().size() >= 3; }));
    EXPECT_EQ(front.first_line(), "POST /prefix/api/v2/alerts HTTP/1.1");
    const auto alert = json::parse(front.bodies()[0]).at(0);
    EXPECT_EQ(alert.at("labels").at("alertname").as_string(), "HoldfastWatchdog");
    EXPECT_EQ(alert.at("generatorURL").as_string(), "http://holdfast:9750/api/v1/upgrades/u1");
    EXPECT_LT(alert.at("startsAt").as_string(), alert.at("endsAt").as_string());
    const auto resent = json::parse(front.bodies()[2]).at(0);
    EXPECT_EQ(resent.at("labels"), alert.at("labels"));
    EXPECT_EQ(resent.at("startsAt"), alert.at("startsAt"));
    EXPECT_GT(resent.at("endsAt").as_string(), alert.at("endsAt").as_string());
    EXPECT_TRUE(records->alerts()->at(0).delivered);
}

TEST_F(AlertingTest, SendsTheResolveAtOnceAndKeepsItUntilItIsTaken) {
    std::atomic<int> status = 200;
    Front front{[&](const std::string&) { return status.load(); }};
    const auto alerts = alerting({front.url()});
    auto upgrade = open_upgrade("u1");
    holdfast::testing::run(alerts->reconcile(upgrade));
    ASSERT_TRUE(send_until(*alerts, [&] { return records->alerts()->at(0).delivered; }));
    status = 503;
    upgrade.phase = Phase::cancelled;
    holdfast::testing::run(alerts->reconcile(upgrade));
    const auto refused = front.bodies().size();
    ASSERT_TRUE(send_until(*alerts, [&] { return front.bodies().size() > refused; }));
    EXPECT_FALSE(records->alerts()->at(0).delivered);
    status = 200;
    const auto again = alerting({front.url()});  // a restart meanwhile
    ASSERT_TRUE(holdfast::testing::run(again->load()));
    ASSERT_TRUE(send_until(*again, [&] { return records->alerts()->at(0).delivered; }));
    const auto last = json::parse(front.bodies().back()).at(0);
    EXPECT_EQ(last.at("endsAt").as_string(), format_time(*records->alerts()->at(0).ended_at));
}

TEST_F(AlertingTest, FiresOnAfterARestartFromTheDiskAlone) {
    {
        const auto alerts = alerting({});
        holdfast::testing::run(alerts->reconcile(open_upgrade("u1")));
    }
    Front front{[](const std::string&) { return 200; }};
    const auto alerts = alerting({front.url()});
    ASSERT_TRUE(holdfast::testing::run(alerts->load()));
    ASSERT_TRUE(send_until(*alerts, [&] { return !front.bodies().empty(); }));
    EXPECT_THAT(front.bodies()[0], HasSubstr("HoldfastWatchdog"));
}

TEST_F(AlertingTest, IsNotDelayedByADeadAlertmanager) {
    TinyServer hangs{[](asio::ip::tcp::socket&) -> asio::awaitable<void> {
        asio::steady_timer forever{co_await asio::this_coro::executor,
                                   asio::steady_timer::time_point::max()};
        co_await forever.async_wait(asio::use_awaitable);
    }};
    Front front{[](const std::string&) { return 200; }};
    const auto alerts = alerting({"http://127.0.0.1:" + hangs.port(), front.url()});
    holdfast::testing::run(alerts->reconcile(open_upgrade("u1")));
    EXPECT_TRUE(send_until(*alerts, [&] { return front.bodies().size() >= 2; }));
}

TEST_F(AlertingTest, GivesUpOnlyOnTheAlertThatIsRefused) {
    Front front{[](const std::string& body) {
        return body.find("shop-u2") != std::string::npos ? 400 : 200;
    }};
    const auto alerts = alerting({front.url()});
    for (const auto* id : {"u1", "u2", "u3"}) {
        holdfast::testing::run(alerts->reconcile(open_upgrade(id)));
    }
    ASSERT_TRUE(send_until(*alerts, [&] { return sent(front) >= 2; }));
    const auto url = front.url();
    const auto name = url.substr(7, url.find("/prefix") - 7);
    EXPECT_GE(metrics.notifications_dropped.Add({{"alertmanager", name}}).Value(), 1);
}

TEST_F(AlertingTest, SaysWhoDidNotTakeATestAlert) {
    Front front{[](const std::string&) { return 200; }};
    EXPECT_TRUE(holdfast::testing::run(alerting({front.url()})->test()));
    EXPECT_THAT(front.bodies().at(0), HasSubstr("HoldfastTest"));
    const auto refused = holdfast::testing::run(alerting({"http://127.0.0.1:1"})->test());
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), HasSubstr("not taken by 127.0.0.1:1"));
    EXPECT_EQ(holdfast::testing::run(alerting({})->test()).error().code(), Errc::conflict);
}

}  // namespace
}  // namespace holdfast::daemon
