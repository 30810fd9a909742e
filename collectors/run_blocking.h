#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <type_traits>
#include <utility>

namespace holdfast {

/// Runs `work` on `pool` and resumes on the caller's executor with its result.
/// The caller stays suspended until `work` has ended, also when it is cancelled meanwhile: what
/// `work` refers to outlives it. For work that ends by itself; for what may hang see DetachedCalls.
template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work>> run_blocking(boost::asio::thread_pool& pool,
                                                                Work work) {
    auto job =
        [work = std::move(work)]() mutable -> boost::asio::awaitable<std::invoke_result_t<Work>> {
        co_return work();
    };
    co_return co_await boost::asio::co_spawn(pool, std::move(job), boost::asio::use_awaitable);
}

}  // namespace holdfast
