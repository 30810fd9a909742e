#include "collectors/support/detached_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include "tests/support/run.h"

namespace holdfast::collectors {
namespace {
using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr Milliseconds long_enough = 60s;
constexpr Milliseconds at_once = 1ms;

/// A call that hangs until open().
class Gate {
public:
    /// What the call runs; it owns all it uses.
    auto work() const {
        return [opened = opened_] {
            opened.wait();
            return 7;
        };
    }
    void open() { open_.set_value(); }

private:
    std::promise<void> open_;
    std::shared_future<void> opened_ = open_.get_future().share();
};

/// Lets detached threads come to their end: what they own must not outlive the test.
void wait_until_none_is_pending(const DetachedCalls& calls) {
    while (calls.pending() != 0) {
        std::this_thread::yield();
    }
}

Result<int> call(DetachedCalls& calls, std::string key, Milliseconds deadline, const Gate& gate) {
    return holdfast::testing::run(calls.call<int>(std::move(key), deadline, gate.work()));
}

TEST(DetachedCalls, ReturnTheResultOfTheWork) {
    DetachedCalls calls{2};
    auto work = [text = std::string(64, 'x')] { return text; };
    const auto result =
        holdfast::testing::run(calls.call<std::string>("a", long_enough, std::move(work)));
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_EQ(*result, std::string(64, 'x'));
    wait_until_none_is_pending(calls);
}

TEST(DetachedCalls, TimeOutWhenTheWorkHangs) {
    DetachedCalls calls{2};
    Gate gate;
    const auto result = call(calls, "statfs /nfs", at_once, gate);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), Errc::timeout);
    EXPECT_EQ(result.error().message(), "statfs /nfs: no answer within 1 ms");
    EXPECT_EQ(calls.pending(), 1);
    gate.open();
    wait_until_none_is_pending(calls);
}

TEST(DetachedCalls, StartNoSecondCallForAKeyBeforeTheFirstHasReturnedAsPitfall7Demands) {
    DetachedCalls calls{8};
    Gate gate;
    EXPECT_FALSE(call(calls, "a", at_once, gate));
    for (int again = 0; again < 3; ++again) {
        const auto refused = call(calls, "a", long_enough, gate);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), Errc::timeout);
        EXPECT_EQ(refused.error().message(), "a: an earlier call has not come back");
        EXPECT_EQ(calls.pending(), 1);
    }
    gate.open();
    wait_until_none_is_pending(calls);
    Gate next;
    next.open();
    const auto result = call(calls, "a", long_enough, next);
    ASSERT_TRUE(result);
    EXPECT_EQ(*result, 7);
    wait_until_none_is_pending(calls);
}

TEST(DetachedCalls, StartNoMoreThanTheLimit) {
    DetachedCalls calls{1};
    Gate gate;
    EXPECT_FALSE(call(calls, "a", at_once, gate));
    EXPECT_THAT(call(calls, "b", long_enough, gate).error().message(), HasSubstr("b: an earlier"));
    gate.open();
    wait_until_none_is_pending(calls);
    Gate next;
    next.open();
    EXPECT_TRUE(call(calls, "b", long_enough, next));
    wait_until_none_is_pending(calls);
}

TEST(DetachedCalls, LetAHungCallEndAfterTheLoopAndTheCallsAreGone) {
    Gate gate;
    auto returned = std::make_shared<std::promise<void>>();
    auto is_back = returned->get_future();
    {
        DetachedCalls calls{1};
        auto work = [hang = gate.work(), returned] {
            const int value = hang();
            returned->set_value();
            return value;
        };
        EXPECT_FALSE(holdfast::testing::run(calls.call<int>("a", at_once, std::move(work))));
    }
    gate.open();
    EXPECT_EQ(is_back.wait_for(long_enough), std::future_status::ready);
}

TEST(DetachedCalls, LetTheLoopGoOnMeanwhile) {
    DetachedCalls calls{1};
    Gate gate;
    boost::asio::io_context io{1};
    auto result = boost::asio::co_spawn(io, calls.call<int>("a", long_enough, gate.work()),
                                        boost::asio::use_future);
    boost::asio::post(io, [&gate] { gate.open(); });  // runs while the call hangs
    io.run();
    const auto value = result.get();
    ASSERT_TRUE(value);
    EXPECT_EQ(*value, 7);
    wait_until_none_is_pending(calls);
}

}  // namespace
}  // namespace holdfast::collectors
