#include "collectors/support/resolver.h"

#include <gmock/gmock.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/use_future.hpp>
#include <future>

#include "tests/support/run.h"

namespace holdfast::collectors {
namespace {

using namespace std::chrono_literals;
using holdfast::testing::run;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Milliseconds generous{10'000};
constexpr Milliseconds short_deadline{50};

boost::asio::ip::tcp::endpoint endpoint(const std::string& address, std::uint16_t port) {
    return {boost::asio::ip::make_address(address), port};
}

/// A look-up that counts its calls and answers 10.0.0.<number of the call>.
struct CountingLookup {
    std::shared_ptr<std::atomic<int>> calls = std::make_shared<std::atomic<int>>(0);

    Result<Resolver::Endpoints> operator()(const std::string&, std::uint16_t port) const {
        return Resolver::Endpoints{endpoint("10.0.0." + std::to_string(++*calls), port)};
    }
};

class ResolverTest : public ::testing::Test {
protected:
    Resolver make(Resolver::Lookup lookup) {
        return Resolver{calls_, std::move(lookup), [this] { return now_; }};
    }
    static Result<Resolver::Endpoints> resolve(Resolver& resolver, Milliseconds deadline) {
        return run(resolver.resolve("db.example", "5432", deadline));
    }

    DetachedCalls calls_{4};
    Resolver::SteadyTime now_{1h};
};

TEST_F(ResolverTest, TakesAddressesAsTheyAreWithoutALookup) {
    const CountingLookup lookup;
    auto resolver = make(lookup);
    EXPECT_THAT(*run(resolver.resolve("127.0.0.1", "80", generous)),
                ElementsAre(endpoint("127.0.0.1", 80)));
    EXPECT_THAT(*run(resolver.resolve("::1", "65535", generous)),
                ElementsAre(endpoint("::1", 65535)));
    EXPECT_EQ(*lookup.calls, 0);
}

TEST_F(ResolverTest, AnswersHoldForThirtySecondsOfTheSteadyClock) {
    const CountingLookup lookup;
    auto resolver = make(lookup);
    EXPECT_THAT(*resolve(resolver, generous), ElementsAre(endpoint("10.0.0.1", 5432)));
    now_ += 30s - 1ns;
    EXPECT_THAT(*resolve(resolver, generous), ElementsAre(endpoint("10.0.0.1", 5432)));
    now_ += 1ns;
    EXPECT_THAT(*resolve(resolver, generous), ElementsAre(endpoint("10.0.0.2", 5432)));
    EXPECT_EQ(*lookup.calls, 2);
}

TEST_F(ResolverTest, AFailureIsNotKept) {
    const auto fails = std::make_shared<std::atomic<bool>>(true);
    auto resolver =
        make([fails](const std::string& host, std::uint16_t port) -> Result<Resolver::Endpoints> {
            if (*fails) {
                return failure(Errc::io, "{}: Name or service not known", host);
            }
            return Resolver::Endpoints{endpoint("10.0.0.9", port)};
        });
    const auto failed = resolve(resolver, generous);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code(), Errc::io);
    EXPECT_THAT(failed.error().message(), HasSubstr("db.example: Name or service not known"));
    *fails = false;
    EXPECT_TRUE(resolve(resolver, generous));
}

TEST_F(ResolverTest, ANameWithoutAddressesIsAFailure) {
    auto resolver = make([](const std::string&, std::uint16_t) { return Resolver::Endpoints{}; });
    const auto endpoints = resolve(resolver, generous);
    ASSERT_FALSE(endpoints);
    EXPECT_THAT(endpoints.error().message(), HasSubstr("the name has no address"));
}

TEST_F(ResolverTest, ALookupThatHangsCostsItsDeadlineAndDelaysNobodyElse) {
    const auto release = std::make_shared<std::promise<void>>();
    const auto released = release->get_future().share();
    auto resolver = make([released](const std::string& host, std::uint16_t port) {
        if (host == "db.example") {
            released.wait();
        }
        return Resolver::Endpoints{endpoint("10.0.0.1", port)};
    });
    const auto hung = resolve(resolver, short_deadline);
    ASSERT_FALSE(hung);
    EXPECT_EQ(hung.error().code(), Errc::timeout);
    EXPECT_THAT(hung.error().message(), HasSubstr("no answer within 50 ms"));
    EXPECT_TRUE(run(resolver.resolve("other.example", "80", generous)));
    EXPECT_EQ(calls_.pending(), 1U);

    const auto again = resolve(resolver, generous);  // returns at once: one call per name is out
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), Errc::timeout);
    EXPECT_EQ(calls_.pending(), 1U);

    release->set_value();
    while (calls_.pending() > 0) {
        std::this_thread::yield();
    }
    EXPECT_TRUE(resolve(resolver, generous));
}

/// Resolves one name twice at a time on one loop.
std::pair<Result<Resolver::Endpoints>, Result<Resolver::Endpoints>> resolve_twice(
    Resolver& resolver, Milliseconds first_deadline, Milliseconds second_deadline) {
    boost::asio::io_context io{1};
    auto first = boost::asio::co_spawn(io, resolver.resolve("db.example", "5432", first_deadline),
                                       boost::asio::use_future);
    auto second = boost::asio::co_spawn(io, resolver.resolve("db.example", "5432", second_deadline),
                                        boost::asio::use_future);
    io.run();
    auto of_first = first.get();
    return {std::move(of_first), second.get()};
}

TEST_F(ResolverTest, TwoWhoAskAtATimeShareOneLookup) {
    const CountingLookup lookup;
    auto resolver = make(lookup);
    const auto [first, second] = resolve_twice(resolver, generous, generous);
    EXPECT_THAT(*first, ElementsAre(endpoint("10.0.0.1", 5432)));
    EXPECT_THAT(*second, ElementsAre(endpoint("10.0.0.1", 5432)));
    EXPECT_EQ(*lookup.calls, 1);
}

TEST_F(ResolverTest, TwoWhoAskAtATimeShareTheFailureToo) {
    auto resolver = make([](const std::string&, std::uint16_t) -> Result<Resolver::Endpoints> {
        return failure(Errc::io, "no such name");
    });
    const auto [first, second] = resolve_twice(resolver, generous, generous);
    ASSERT_FALSE(first);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message(), first.error().message());
}

TEST_F(ResolverTest, WhoJoinsALookupThatHangsWaitsNoLongerThanItsOwnDeadline) {
    const auto release = std::make_shared<std::promise<void>>();
    const auto released = release->get_future().share();
    auto resolver = make([released](const std::string&, std::uint16_t port) {
        released.wait();
        return Resolver::Endpoints{endpoint("10.0.0.1", port)};
    });
    const auto [first, second] = resolve_twice(resolver, 2 * short_deadline, short_deadline);
    release->set_value();
    ASSERT_FALSE(first);
    ASSERT_FALSE(second);
    EXPECT_THAT(first.error().message(), HasSubstr("no answer within 100 ms"));
    EXPECT_THAT(second.error().message(), HasSubstr("no answer within 50 ms"));
    while (calls_.pending() > 0) {
        std::this_thread::yield();
    }
}

TEST_F(ResolverTest, RefusesAPortThatIsNoPort) {
    auto resolver = make(CountingLookup{});
    for (const auto* port : {"", "0", "65536", "-1", "http", "80 "}) {
        const auto endpoints = run(resolver.resolve("127.0.0.1", port, generous));
        ASSERT_FALSE(endpoints) << port;
        EXPECT_EQ(endpoints.error().code(), Errc::invalid);
    }
}

TEST_F(ResolverTest, AsksTheSystemByDefault) {
    Resolver resolver{calls_};
    const auto endpoints = run(resolver.resolve("localhost", "80", generous));
    ASSERT_TRUE(endpoints) << endpoints.error().message();
    EXPECT_TRUE(endpoints->front().address().is_loopback());
    EXPECT_EQ(endpoints->front().port(), 80);
}

TEST(SystemLookup, SaysWhyANameDoesNotResolve) {
    const auto endpoints = system_lookup("name.invalid", 80);
    ASSERT_FALSE(endpoints);
    EXPECT_EQ(endpoints.error().code(), Errc::io);
    EXPECT_THAT(endpoints.error().message(), HasSubstr("name.invalid: "));
}

}  // namespace
}  // namespace holdfast::collectors
