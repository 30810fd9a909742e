#include "daemon/web_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "daemon/base64.h"
#include "daemon/bcrypt.h"
#include "tests/support/fake_clock.h"
#include "tests/support/run.h"

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;
using holdfast::testing::FakeClock;
using holdfast::testing::run;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr Timestamp noon{Milliseconds{1'000'000}};
const std::string hash_of_ops = "$2b$04$holdfastTestSaltNo1aaOY6f1wryF4OycEJ3Ce8XsW7XQ7bpTE0O";
const std::string hash_of_dev = "$2y$05$holdfastTestSaltNo2aaOKUxvVYJnCVEIiUmroDhjnwDcdnSidmS";

std::string basic(const std::string& user, const std::string& password) {
    return "Basic " + base64_encoded(user + ":" + password);
}

ServerRequest request(const std::string& authorization = "", const std::string& path = "/metrics",
                      const std::string& method = "GET") {
    ServerRequest out;
    out.method = method;
    out.path = path;
    if (!authorization.empty()) {
        out.headers["authorization"] = authorization;
    }
    return out;
}

class WebAccessTest : public ::testing::Test {
protected:
    WebAccessTest() { access_.configure(with_users()); }

    static WebConfig with_users() {
        WebConfig config;
        config.users = {{"ops", hash_of_ops}, {"dev", hash_of_dev}};
        return config;
    }
    /// The status of the refusal, or 0 for what may go on.
    int status_of(ServerRequest asked) {
        const auto refused = run(access_.admit(asked));
        return refused ? refused->status : 0;
    }
    /// Who `asked` is found to be.
    std::string user_of(ServerRequest asked) {
        const auto refused = run(access_.admit(asked));
        EXPECT_FALSE(refused) << refused->body;
        return asked.user;
    }
    double refusals(const char* reason) {
        return metrics_.http_refused.Add({{"reason", reason}}).Value();
    }

    FakeClock clock_{noon};
    SelfMetrics metrics_ = SelfMetrics::make();
    std::atomic<int> compared_ = 0;
    std::atomic<bool> compared_on_the_loop_ = false;
    std::thread::id loop_ = std::this_thread::get_id();
    WebAccess access_{clock_,
                      metrics_,
                      {"t0ken", "salt"},
                      [this](const std::string& password, const std::string& hash) {
                          ++compared_;
                          if (std::this_thread::get_id() == loop_) {
                              compared_on_the_loop_ = true;
                          }
                          return bcrypt_matches(password, hash);
                      }};
};

TEST_F(WebAccessTest, LetsUsersInByTheirPassword) {
    EXPECT_EQ(user_of(request(basic("ops", "correct horse"))), "ops");
    EXPECT_EQ(user_of(request(basic("dev", "battery staple"))), "dev");
    EXPECT_EQ(user_of(request("bAsIc  " + base64_encoded("ops:correct horse"))), "ops");
    EXPECT_FALSE(compared_on_the_loop_);
}

TEST_F(WebAccessTest, LetsTheTokenIn) {
    EXPECT_EQ(user_of(request("Bearer t0ken")), WebAccess::token_user);
    EXPECT_EQ(user_of(request("bearer t0ken", "/api/v1/upgrades", "POST")), WebAccess::token_user);
    EXPECT_EQ(compared_, 0);
}

TEST_F(WebAccessTest, RefusesEverythingElseAndAsksForCredentials) {
    for (const auto& wrong :
         {std::string{}, basic("ops", "battery staple"), basic("ops", ""),
          basic("", "correct horse"), basic("nobody", "correct horse"),
          basic("OPS", "correct horse"), std::string{"Bearer t0ke"}, std::string{"Bearer t0kenn"},
          std::string{"Bearer T0ken"}, std::string{"Bearer"}, std::string{"Basic"},
          std::string{"Basic !!!"}, "Basic " + base64_encoded("no colon"),
          "Digest " + base64_encoded("ops:correct horse"), base64_encoded("ops:correct horse"),
          std::string{"Basic t0ken"}}) {
        auto asked = request(wrong);
        const auto refused = run(access_.admit(asked));
        ASSERT_TRUE(refused) << wrong;
        EXPECT_EQ(refused->status, 401);
        EXPECT_EQ(asked.user, "");
        EXPECT_THAT(refused->headers,
                    Contains(Pair("WWW-Authenticate", "Basic realm=\"holdfast\"")));
        EXPECT_EQ(refused->headers.size(), 1);
        EXPECT_THAT(refused->body, HasSubstr("\"status\":\"error\""));
    }
    EXPECT_GT(refusals("credentials"), 10);
}

TEST_F(WebAccessTest, HealthNeedsNobody) {
    for (const auto* path : {"/-/healthy", "/-/ready"}) {
        EXPECT_EQ(status_of(request("", path)), 0);
        EXPECT_EQ(status_of(request(basic("ops", "wrong"), path)), 0);
    }
    for (const auto* path : {"/-/healthy/", "/-/reload", "/", "/-/Ready", "//-/ready"}) {
        EXPECT_EQ(status_of(request("", path)), 401) << path;
    }
    EXPECT_EQ(compared_, 0);
}

TEST_F(WebAccessTest, WithoutUsersReadingIsFreeAndTheTokenIsStillKnown) {
    access_.configure({});
    EXPECT_EQ(user_of(request()), "");
    EXPECT_EQ(user_of(request("Bearer wrong")), "");
    EXPECT_EQ(user_of(request(basic("ops", "correct horse"))), "");
    EXPECT_EQ(user_of(request("Bearer t0ken")), WebAccess::token_user);
}

TEST_F(WebAccessTest, AUserThatARequestBringsAlongCountsForNothing) {
    access_.configure({});
    auto asked = request();
    asked.user = "ops";
    EXPECT_EQ(user_of(asked), "");
}

TEST_F(WebAccessTest, ComparesAPasswordOnceAndRemembersTheVerdict) {
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(status_of(request(basic("ops", "correct horse"))), 0);
    }
    EXPECT_EQ(compared_, 1);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(status_of(request(basic("ops", "wrong"))), 401);
    }
    EXPECT_EQ(compared_, 2);
}

TEST_F(WebAccessTest, UnknownUsersCostAsMuchAsKnownOnes) {
    EXPECT_EQ(status_of(request(basic("nobody", "battery staple"))), 401);
    EXPECT_EQ(compared_, 1) << "with the dearest hash, whatever comes of it";
    EXPECT_EQ(status_of(request(basic("nobody", "battery staple"))), 401);
    EXPECT_EQ(compared_, 1);
}

TEST_F(WebAccessTest, AFloodOfWrongPasswordsDoesNotDriveOutTheRightOnes) {
    EXPECT_EQ(status_of(request(basic("ops", "correct horse"))), 0);
    for (std::size_t i = 0; i <= WebAccess::verdicts_max; ++i) {
        EXPECT_EQ(status_of(request(basic("ops", std::to_string(i)))), 401);
    }
    const auto before = compared_.load();
    EXPECT_EQ(status_of(request(basic("ops", "correct horse"))), 0);
    EXPECT_EQ(compared_, before);
    EXPECT_EQ(status_of(request(basic("ops", "0"))), 401);
    EXPECT_EQ(compared_, before + 1) << "the oldest wrong one is forgotten";
}

TEST_F(WebAccessTest, ANewHashEndsTheOldPassword) {
    EXPECT_EQ(status_of(request(basic("ops", "correct horse"))), 0);
    auto changed = with_users();
    changed.users["ops"] = hash_of_dev;
    access_.configure(changed);
    EXPECT_EQ(status_of(request(basic("ops", "correct horse"))), 401);
    EXPECT_EQ(status_of(request(basic("ops", "battery staple"))), 0);
    changed.users.erase("ops");
    access_.configure(changed);
    EXPECT_EQ(status_of(request(basic("ops", "battery staple"))), 401)
        << "also while somebody else has the same hash";
    changed.users["ops"] = hash_of_dev;
    access_.configure(changed);
    EXPECT_EQ(status_of(request(basic("ops", "battery staple"))), 0) << "known again";
}

TEST_F(WebAccessTest, TakesABurstAndThenOneRequestPerInterval) {
    WebConfig config;
    config.rate_limit = {.interval = 1500ms, .burst = 3};
    access_.configure(config);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(status_of(request()), 0);
    }
    auto asked = request();
    const auto refused = run(access_.admit(asked));
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->status, 429);
    EXPECT_THAT(refused->headers, Contains(Pair("Retry-After", "2")));
    EXPECT_EQ(refusals("rate_limit"), 1);
    EXPECT_EQ(status_of(request("", "/-/healthy")), 0);
    EXPECT_EQ(status_of(request("", "/-/ready")), 0);
    clock_.set(noon + 1499ms);
    EXPECT_EQ(status_of(request()), 429);
    clock_.set(noon + 1500ms);
    EXPECT_EQ(status_of(request()), 0);
    EXPECT_EQ(status_of(request()), 429);
    clock_.set(noon + 1h);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(status_of(request()), 0);
    }
    EXPECT_EQ(status_of(request()), 429);
}

TEST_F(WebAccessTest, AClockThatIsSetBackDoesNotCloseTheDoor) {
    WebConfig config;
    config.rate_limit = {.interval = 1s, .burst = 2};
    access_.configure(config);
    clock_.set(noon - 1h);
    EXPECT_EQ(status_of(request()), 429);
    clock_.set(noon - 1h + 1s);
    EXPECT_EQ(status_of(request()), 0);
}

TEST_F(WebAccessTest, TheLimitCountsThoseThatAreRefusedToo) {
    auto config = with_users();
    config.rate_limit = {.interval = 1s, .burst = 1};
    access_.configure(config);
    EXPECT_EQ(status_of(request()), 401);
    EXPECT_EQ(status_of(request(basic("ops", "correct horse"))), 429);
}

/// Comparisons that end only when the test says so.
class Gate {
public:
    bool pass() {
        std::unique_lock lock{mutex_};
        ++inside_;
        most_ = std::max(most_, inside_);
        changed_.notify_all();
        changed_.wait(lock, [this] { return open_; });
        --inside_;
        return false;
    }
    bool wait_until_inside(std::size_t count) {
        std::unique_lock lock{mutex_};
        return changed_.wait_for(lock, 60s, [&] { return inside_ == count; });
    }
    void open() {
        const std::lock_guard lock{mutex_};
        open_ = true;
        changed_.notify_all();
    }
    std::size_t most() {
        const std::lock_guard lock{mutex_};
        return most_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t inside_ = 0;
    std::size_t most_ = 0;
    bool open_ = false;
};

TEST_F(WebAccessTest, ComparesAFewPasswordsAtATimeAndLetsABoundedNumberWait) {
    Gate gate;
    WebAccess access{
        clock_, metrics_, {"t0ken", "salt"}, [&](const std::string&, const std::string&) {
            return gate.pass();
        }};
    access.configure(with_users());
    std::vector<ServerRequest> asked;
    for (std::size_t i = 0; i <= WebAccess::waiting_max; ++i) {
        asked.push_back(request(basic("ops", std::to_string(i))));
    }
    boost::asio::io_context io{1};
    std::vector<std::future<std::optional<ServerResponse>>> answers;
    for (auto& one : asked) {
        answers.push_back(boost::asio::co_spawn(io, access.admit(one), boost::asio::use_future));
    }
    while (answers.back().wait_for(0s) != std::future_status::ready) {
        io.run_one();
    }
    const auto busy = answers.back().get();
    ASSERT_TRUE(busy);
    EXPECT_EQ(busy->status, 429);
    EXPECT_THAT(busy->headers, Contains(Pair("Retry-After", "1")));
    EXPECT_EQ(refusals("busy"), 1);
    EXPECT_TRUE(gate.wait_until_inside(WebAccess::threads));
    gate.open();
    io.run();
    EXPECT_EQ(gate.most(), WebAccess::threads);
    answers.pop_back();
    for (auto& answer : answers) {
        EXPECT_EQ(answer.get()->status, 401);
    }
}

}  // namespace
}  // namespace holdfast::daemon
