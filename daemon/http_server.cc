#include "daemon/http_server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <charconv>
#include <list>
#include <utility>

#include "collectors/support/text.h"
#include "daemon/tls_server.h"

namespace holdfast::daemon {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
namespace {

ServerRequest to_request(const http::request<http::string_body>& in) {
    ServerRequest out;
    out.method = std::string(in.method_string());
    const std::string target(in.target());
    const auto question = std::min(target.find('?'), target.size());
    out.path = percent_decoded(std::string_view{target}.substr(0, question));
    for (auto rest = std::string_view{target}.substr(std::min(question + 1, target.size()));
         !rest.empty();) {
        const auto end = std::min(rest.find('&'), rest.size());
        const auto pair = rest.substr(0, end);
        const auto equals = std::min(pair.find('='), pair.size());
        out.query[percent_decoded(pair.substr(0, equals))] =
            percent_decoded(pair.substr(std::min(equals + 1, pair.size())));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    for (const auto& field : in) {
        const auto name = field.name_string();
        out.headers[collectors::lower_case({name.data(), name.size()})] =
            std::string(field.value());
    }
    out.body = in.body();
    return out;
}

http::response<http::string_body> to_response(ServerResponse&& from, const ServerSettings& settings,
                                              bool keep_alive, bool head) {
    http::response<http::string_body> out{static_cast<http::status>(from.status), 11};
    out.set(http::field::server, "holdfast");
    out.set(http::field::content_type, from.content_type);
    out.set("X-Content-Type-Options", "nosniff");
    for (const auto* headers : {&settings.headers, &std::as_const(from.headers)}) {
        for (const auto& [name, value] : *headers) {
            out.set(name, value);
        }
    }
    out.keep_alive(keep_alive);
    const auto length = from.body.size();
    if (!head) {
        out.body() = std::move(from.body);
    }
    out.content_length(length);
    return out;
}

ServerResponse refused(int status, const std::string& why) {
    return {status, "text/plain; charset=utf-8", why + "\n"};
}

/// What a connection needs beside its socket; `settings` stay those of its beginning.
struct Surroundings {
    const HttpHandler& handler;
    SelfMetrics& metrics;
    std::shared_ptr<const ServerSettings> settings;
};

/// Requests one after the other, until the peer ends or breaks a bound. `stream` is a tcp_stream,
/// or TLS over one.
template <class Stream>
asio::awaitable<void> converse(Stream& stream, const Surroundings& around) {
    auto& connection = beast::get_lowest_layer(stream);
    beast::flat_buffer buffer{HttpServer::header_max + HttpServer::body_max};
    for (bool keep_alive = true; keep_alive;) {
        http::request_parser<http::string_body> parser;
        parser.header_limit(HttpServer::header_max);
        parser.body_limit(HttpServer::body_max);
        connection.expires_after(HttpServer::read_timeout);
        const auto [error, size] =
            co_await http::async_read(stream, buffer, parser, asio::as_tuple(asio::use_awaitable));
        ServerResponse answer{500, "text/plain; charset=utf-8", "internal error\n"};
        bool head = false;
        if (error == http::error::body_limit) {
            answer = refused(413, "the body is larger than 64 KiB");
            keep_alive = false;
        } else if (error == http::error::header_limit) {
            answer = refused(431, "the header is larger than 16 KiB");
            keep_alive = false;
        } else if (error &&
                   error.category() == http::make_error_code(http::error::bad_version).category() &&
                   error != http::error::end_of_stream && error != http::error::partial_message) {
            answer = refused(400, "not HTTP/1.1: " + error.message());
            keep_alive = false;
        } else if (error) {
            break;  // gone, or too slow
        } else {
            const auto message = parser.release();
            keep_alive = message.keep_alive();
            head = message.method() == http::verb::head;
            auto request = to_request(message);
            if (head) {
                request.method = "GET";
            }
            connection.expires_never();  // learning a baseline of weeks takes as long as it takes
            answer = co_await around.handler(std::move(request));
        }
        connection.expires_after(HttpServer::write_timeout);
        around.metrics.http_requests.Add({{"code", std::to_string(answer.status)}}).Increment();
        auto response = to_response(std::move(answer), *around.settings, keep_alive, head);
        http::response_serializer<http::string_body> serializer{response};
        if (head) {
            serializer.split(true);
            const auto [failed, sent] = co_await http::async_write_header(
                stream, serializer, asio::as_tuple(asio::use_awaitable));
            keep_alive = keep_alive && !failed;
        } else {
            const auto [failed, sent] =
                co_await http::async_write(stream, serializer, asio::as_tuple(asio::use_awaitable));
            keep_alive = keep_alive && !failed;
        }
    }
}

/// One connection over plain TCP.
asio::awaitable<void> serve_plain(tcp::socket socket, Surroundings around) {
    beast::tcp_stream stream{std::move(socket)};
    co_await converse(stream, around);
    boost::system::error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

/// One connection over TLS: handshake, requests, goodbye.
asio::awaitable<void> serve_tls(tcp::socket socket, Surroundings around) {
    beast::ssl_stream<beast::tcp_stream> stream{std::move(socket), around.settings->tls->context()};
    stream.next_layer().expires_after(HttpServer::read_timeout);
    const auto [failed] = co_await stream.async_handshake(asio::ssl::stream_base::server,
                                                          asio::as_tuple(asio::use_awaitable));
    if (failed == asio::error::operation_aborted) {
        co_return;  // the daemon ends
    }
    if (failed) {
        around.metrics.http_tls_handshakes_failed.Increment();
        spdlog::debug("connection closed, no TLS error=\"{}\"", failed.message());
        co_return;
    }
    co_await converse(stream, around);
    stream.next_layer().expires_after(HttpServer::read_timeout);
    co_await stream.async_shutdown(asio::as_tuple(asio::use_awaitable));
}

/// The connections that are open: started with a cancellation slot each, and awaited at the end.
class Connections {
public:
    explicit Connections(const asio::any_io_executor& executor)
        : executor_{executor}, ended_{executor, asio::steady_timer::time_point::max()} {}

    std::size_t size() const { return signals_.size(); }

    void start(tcp::socket socket, Surroundings around) {
        const auto signal = signals_.emplace(signals_.end());
        const auto serve = around.settings->tls ? serve_tls : serve_plain;
        asio::co_spawn(executor_, serve(std::move(socket), std::move(around)),
                       asio::bind_cancellation_slot(
                           signal->slot(), [this, signal](const std::exception_ptr& error) {
                               note(error);
                               signals_.erase(signal);
                               if (signals_.empty()) {
                                   ended_.cancel();
                               }
                           }));
    }
    asio::awaitable<void> end() {
        for (auto& signal : signals_) {
            signal.emit(asio::cancellation_type::terminal);
        }
        while (!signals_.empty()) {
            co_await ended_.async_wait(asio::as_tuple(asio::use_awaitable));
        }
    }

private:
    static void note(const std::exception_ptr& error) {
        try {
            if (error) {
                std::rethrow_exception(error);
            }
        } catch (const boost::system::system_error& ended) {
            if (ended.code() != asio::error::operation_aborted) {
                spdlog::debug("connection ended error=\"{}\"", ended.what());
            }
        } catch (const std::exception& bug) {
            spdlog::error("request failed error=\"{}\"", bug.what());
        }
    }

    asio::any_io_executor executor_;
    std::list<asio::cancellation_signal> signals_;
    asio::steady_timer ended_;
};

Result<tcp::endpoint> parse_endpoint(const std::string& address) {
    const auto colon = address.rfind(':');
    auto host = address.substr(0, std::min(colon, address.size()));
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    }
    if (host == "localhost") {
        host = "127.0.0.1";
    }
    boost::system::error_code error;
    const auto ip = asio::ip::make_address(host.empty() ? "0.0.0.0" : host, error);
    unsigned int port = 0;
    const auto digits = colon == std::string::npos ? std::string{} : address.substr(colon + 1);
    const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error || bad != std::errc{} || end != digits.data() + digits.size() || port > 65535) {
        return failure(Errc::config, "listen on '{}': no address; write 127.0.0.1:9750", address);
    }
    return tcp::endpoint{ip, static_cast<std::uint16_t>(port)};
}

}  // namespace

Result<HttpServer> HttpServer::listen(const asio::any_io_executor& executor,
                                      const std::string& address, SelfMetrics& metrics) {
    const auto endpoint = parse_endpoint(address);
    if (!endpoint) {
        return tl::unexpected(endpoint.error());
    }
    tcp::acceptor acceptor{executor};
    boost::system::error_code error;
    const auto step = [&error](auto&& action) {
        if (!error) {
            action();
        }
    };
    acceptor.open(endpoint->protocol(), error);
    step([&] { acceptor.set_option(tcp::acceptor::reuse_address(true), error); });
    step([&] { acceptor.bind(*endpoint, error); });
    step([&] { acceptor.listen(tcp::acceptor::max_listen_connections, error); });
    if (error) {
        return failure(Errc::io,
                       "listen on {}: {}; is another holdfastd running? see "
                       "--web.listen-address",
                       address, error.message());
    }
    return HttpServer{std::move(acceptor), metrics};
}

void HttpServer::configure(ServerSettings settings) {
    settings_ = std::make_shared<const ServerSettings>(std::move(settings));
}

std::string HttpServer::address() const {
    const auto endpoint = acceptor_.local_endpoint();
    const auto host = endpoint.address().to_string();
    return endpoint.address().is_v6() ? fmt::format("[{}]:{}", host, endpoint.port())
                                      : fmt::format("{}:{}", host, endpoint.port());
}

asio::awaitable<void> HttpServer::serve(HttpHandler handler) {
    const auto executor = co_await asio::this_coro::executor;
    Connections connections{executor};
    co_await asio::this_coro::throw_if_cancelled(false);
    for (;;) {
        auto [error, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) {
            break;
        }
        if (error) {
            // Out of descriptors, most likely: the next connection may find some again.
            spdlog::error("accept failed error=\"{}\"", error.message());
            asio::steady_timer pause{executor, std::chrono::milliseconds{100}};
            co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
        } else if (connections.size() >= connections_max) {
            metrics_->http_connections_refused.Increment();
            boost::system::error_code ignored;
            socket.close(ignored);
        } else {
            Surroundings around{handler, *metrics_, settings_};
            connections.start(std::move(socket), std::move(around));
        }
    }
    co_await asio::this_coro::reset_cancellation_state();
    co_await connections.end();
}

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned int byte = 0;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr ==
                text.data() + i + 3) {
            out += static_cast<char>(byte);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

}  // namespace holdfast::daemon
