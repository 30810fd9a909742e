#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <thread>

#include "model/result.h"
#include "model/time.h"

namespace holdfast::collectors {

/// Calls that may hang for ever (statfs on a dead mount, getaddrinfo): each runs on a thread of its
/// own that nobody joins, and that owns all it touches. At most one call per key and `limit` in all
/// are under way: a mount that hangs costs one thread, however often it is asked.
class DetachedCalls {
public:
    explicit DetachedCalls(std::size_t limit) : running_{std::make_shared<Running>()} {
        running_->limit = limit;
    }

    /// Result of `work` (of type T, default and move constructible), which must own what it uses.
    /// Errc::timeout when it takes longer than `deadline`, or when an earlier call for `key` has
    /// not come back, or when `limit` calls are out. Cancellation: terminal, the thread goes on
    /// alone.
    template <class T, class Work>
    boost::asio::awaitable<Result<T>> call(std::string key, Milliseconds deadline, Work work) {
        const auto executor = co_await boost::asio::this_coro::executor;
        if (!running_->begin(key)) {
            co_return failure(Errc::timeout, "{}: an earlier call has not come back", key);
        }
        const auto state = std::make_shared<State<T>>();
        boost::asio::steady_timer timer{executor, deadline};
        const Registration<T> registration{*state, timer};
        try {
            std::thread([state, executor, running = running_, key,
                         work = std::move(work)]() mutable {
                T value = work();
                running->end(key);
                state->finish(executor, std::move(value));
            }).detach();
        } catch (const std::system_error& error) {
            running_->end(key);
            co_return failure(Errc::io, "start a thread for {}: {}", key, error.what());
        }
        boost::system::error_code ended;
        co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ended));
        auto value = state->take();
        if (!value) {
            co_return failure(Errc::timeout, "{}: no answer within {} ms", key, deadline.count());
        }
        co_return std::move(*value);
    }

    /// How many calls have not come back.
    std::size_t pending() const { return running_->size(); }

private:
    struct Running {
        bool begin(const std::string& key) {
            const std::lock_guard lock{mutex};
            return keys.size() < limit && keys.insert(key).second;
        }
        void end(const std::string& key) {
            const std::lock_guard lock{mutex};
            keys.erase(key);
        }
        std::size_t size() const {
            const std::lock_guard lock{mutex};
            return keys.size();
        }
        mutable std::mutex mutex;
        std::set<std::string> keys;
        std::size_t limit = 0;
    };

    template <class T>
    struct State : std::enable_shared_from_this<State<T>> {
        /// On the detached thread. The executor is only touched while somebody waits on it: the
        /// loop that it belongs to may be gone otherwise.
        void finish(const boost::asio::any_io_executor& executor, T result) {
            const std::lock_guard lock{mutex};
            value = std::move(result);
            if (waiter != nullptr) {
                boost::asio::post(executor, [self = this->shared_from_this()] { self->wake(); });
            }
        }
        void wake() {
            const std::lock_guard lock{mutex};
            if (waiter != nullptr) {
                waiter->cancel();
            }
        }
        std::optional<T> take() {
            const std::lock_guard lock{mutex};
            return std::exchange(value, std::nullopt);
        }
        std::mutex mutex;
        std::optional<T> value;
        boost::asio::steady_timer* waiter = nullptr;
    };

    /// Says for its scope that `timer` waits for the state.
    template <class T>
    class Registration {
    public:
        Registration(State<T>& state, boost::asio::steady_timer& timer) : state_{state} {
            const std::lock_guard lock{state_.mutex};
            state_.waiter = &timer;
        }
        ~Registration() {
            const std::lock_guard lock{state_.mutex};
            state_.waiter = nullptr;
        }
        Registration(const Registration&) = delete;
        Registration& operator=(const Registration&) = delete;

    private:
        State<T>& state_;
    };

    std::shared_ptr<Running> running_;
};

}  // namespace holdfast::collectors
