#pragma once
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "daemon/clock.h"

namespace holdfast::testing {

/// Jumps to the instant it is asked to sleep until; past `end` it never wakes.
class FakeClock final : public daemon::Clock {
public:
    explicit FakeClock(Timestamp now, Timestamp end = Timestamp::max()) : now_{now}, end_{end} {}

    Timestamp now() const override { return now_; }
    void set(Timestamp now) { now_ = now; }
    boost::asio::awaitable<void> sleep_until(Timestamp at) override {
        boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor};
        if (at > end_) {
            timer.expires_at(boost::asio::steady_timer::time_point::max());
        } else {
            timer.expires_after(std::chrono::seconds{0});
        }
        co_await timer.async_wait(boost::asio::use_awaitable);
        now_ = std::max(now_, at);
    }

private:
    Timestamp now_;
    Timestamp end_;
};

}  // namespace holdfast::testing
