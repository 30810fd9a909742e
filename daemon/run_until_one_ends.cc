#include "daemon/run_until_one_ends.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace holdfast::daemon {
namespace asio = boost::asio;

asio::awaitable<void> run_until_one_ends(std::vector<asio::awaitable<void>> tasks) {
    const auto executor = co_await asio::this_coro::executor;
    auto start = [&executor](asio::awaitable<void> task) {
        return asio::co_spawn(executor, std::move(task), asio::deferred);
    };
    std::vector<decltype(start(std::move(tasks[0])))> started;
    started.reserve(tasks.size());
    for (auto& task : tasks) {
        started.push_back(start(std::move(task)));
    }
    auto group = asio::experimental::make_parallel_group(std::move(started));
    auto [order, errors] =
        co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    if (errors[order[0]]) {
        std::rethrow_exception(errors[order[0]]);
    }
}

}  // namespace holdfast::daemon
