#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace holdfast::daemon {

/// Lets one coroutine at a time through a section that awaits. All on one loop: no thread waits.
class AsyncMutex {
public:
    explicit AsyncMutex(const boost::asio::any_io_executor& executor) : channel_{executor, 1} {}

    class Guard {
    public:
        explicit Guard(AsyncMutex& mutex) : mutex_{&mutex} {}
        Guard(Guard&& other) noexcept : mutex_{std::exchange(other.mutex_, nullptr)} {}
        Guard& operator=(Guard&&) = delete;
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;
        ~Guard() {
            if (mutex_ != nullptr) {
                mutex_->channel_.try_receive([](auto&&...) {});
            }
        }

    private:
        AsyncMutex* mutex_;
    };

    /// Cancellation: terminal, without the lock.
    boost::asio::awaitable<Guard> lock() {
        co_await channel_.async_send(boost::system::error_code{}, boost::asio::use_awaitable);
        co_return Guard{*this};
    }

private:
    boost::asio::experimental::channel<void(boost::system::error_code)> channel_;
};

}  // namespace holdfast::daemon
