#include "daemon/clock.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace holdfast::daemon {
namespace asio = boost::asio;

Timestamp SystemClock::now() const {
    return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
}

asio::awaitable<void> SystemClock::sleep_until(Timestamp at) {
    const auto executor = co_await asio::this_coro::executor;
    const auto wait = at - std::chrono::system_clock::now();
    asio::steady_timer timer{executor,
                             std::max<std::chrono::nanoseconds>(wait, std::chrono::nanoseconds{0})};
    co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace holdfast::daemon
