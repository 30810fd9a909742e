#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

namespace holdfast::testing {

/// Runs one coroutine to its end on a loop of its own and returns its result.
template <class T>
T run(boost::asio::awaitable<T> task) {
    boost::asio::io_context io{1};
    auto result = boost::asio::co_spawn(io, std::move(task), boost::asio::use_future);
    io.run();
    return result.get();
}

}  // namespace holdfast::testing
