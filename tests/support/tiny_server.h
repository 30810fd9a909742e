#pragma once
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace holdfast::testing {

using boost::asio::ip::tcp;

/// What a server does with one connection; the connection is closed when it returns.
using Behaviour = std::function<boost::asio::awaitable<void>(tcp::socket&)>;

/// A server on a free port of 127.0.0.1, on a thread of its own, with one behaviour for all of its
/// connections. Ends with its scope, whatever its connections are doing.
class TinyServer {
public:
    explicit TinyServer(Behaviour behaviour)
        : behaviour_{std::move(behaviour)},
          acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}},
          port_{acceptor_.local_endpoint().port()} {
        boost::asio::co_spawn(io_, accept(), boost::asio::detached);
        thread_ = std::thread{[this] { io_.run(); }};
    }
    ~TinyServer() {
        io_.stop();
        thread_.join();
    }
    TinyServer(const TinyServer&) = delete;
    TinyServer& operator=(const TinyServer&) = delete;

    std::string port() const { return std::to_string(port_); }
    int connections() const { return connections_; }

private:
    boost::asio::awaitable<void> accept() {
        while (true) {
            auto socket = co_await acceptor_.async_accept(boost::asio::use_awaitable);
            ++connections_;
            boost::asio::co_spawn(io_, serve(std::move(socket)), boost::asio::detached);
        }
    }
    boost::asio::awaitable<void> serve(tcp::socket socket) {
        try {
            co_await behaviour_(socket);
        } catch (const boost::system::system_error&) {
            // The client went away: its own affair.
        }
    }

    Behaviour behaviour_;
    std::atomic<int> connections_ = 0;
    boost::asio::io_context io_{1};
    tcp::acceptor acceptor_;
    std::uint16_t port_;
    std::thread thread_;
};

/// A port of 127.0.0.1 that nobody listens on.
inline std::string refused_port() {
    boost::asio::io_context io;
    const tcp::acceptor acceptor{io, {boost::asio::ip::address_v4::loopback(), 0}};
    return std::to_string(acceptor.local_endpoint().port());
}

/// The requests that answers_with() has read, header and empty line, in their order.
class Requests {
public:
    void add(std::string request) {
        const std::lock_guard lock{mutex_};
        requests_.push_back(std::move(request));
    }
    std::string at(std::size_t i) const {
        const std::lock_guard lock{mutex_};
        return requests_.at(i);
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
};

/// An answer with `body` and its length.
inline std::string http_answer(const std::string& status, const std::string& body) {
    return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
}

template <class Stream>
boost::asio::awaitable<std::string> read_request(Stream& stream) {
    std::string request;
    auto buffer = boost::asio::dynamic_buffer(request);
    co_await boost::asio::async_read_until(stream, buffer, "\r\n\r\n", boost::asio::use_awaitable);
    co_return request;
}

/// Waits until the client has closed.
inline boost::asio::awaitable<void> wait_for_close(tcp::socket& socket) {
    std::string ignored(1024, '\0');
    boost::system::error_code closed;
    while (!closed) {
        const auto buffer = boost::asio::buffer(ignored);
        co_await socket.async_read_some(
            buffer, boost::asio::redirect_error(boost::asio::use_awaitable, closed));
    }
}

/// Reads a request, sends `bytes` as they are and closes.
inline Behaviour answers_with(std::string bytes, std::shared_ptr<Requests> seen = nullptr) {
    return [bytes = std::move(bytes),
            seen = std::move(seen)](tcp::socket& socket) -> boost::asio::awaitable<void> {
        auto request = co_await read_request(socket);
        if (seen) {
            seen->add(std::move(request));
        }
        const auto buffer = boost::asio::buffer(bytes);
        co_await boost::asio::async_write(socket, buffer, boost::asio::use_awaitable);
    };
}

/// Sends `bytes` and then nothing, for as long as the client waits.
inline Behaviour hangs_after(std::string bytes) {
    return [bytes = std::move(bytes)](tcp::socket& socket) -> boost::asio::awaitable<void> {
        const auto buffer = boost::asio::buffer(bytes);
        co_await boost::asio::async_write(socket, buffer, boost::asio::use_awaitable);
        co_await wait_for_close(socket);
    };
}

/// Sends `first` and then single bytes for ever, five milliseconds apart.
inline Behaviour trickles_after(std::string first) {
    return [first = std::move(first)](tcp::socket& socket) -> boost::asio::awaitable<void> {
        auto buffer = boost::asio::buffer(first);
        co_await boost::asio::async_write(socket, buffer, boost::asio::use_awaitable);
        const std::string byte = "x";
        buffer = boost::asio::buffer(byte);
        boost::asio::steady_timer pause{socket.get_executor()};
        while (true) {
            co_await boost::asio::async_write(socket, buffer, boost::asio::use_awaitable);
            pause.expires_after(std::chrono::milliseconds{5});
            co_await pause.async_wait(boost::asio::use_awaitable);
        }
    };
}

/// Closes without a word.
inline Behaviour closes_at_once() {
    return [](tcp::socket&) -> boost::asio::awaitable<void> { co_return; };
}

}  // namespace holdfast::testing
