#include "collectors/support/http_client.h"

#include <algorithm>
#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <variant>

#include "collectors/support/resolver.h"
#include "collectors/support/text.h"
#include "collectors/support/tls_client.h"

namespace holdfast::collectors {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::size_t read_bytes = std::size_t{16} * 1024;
constexpr std::size_t header_bytes_max = std::size_t{32} * 1024;

/// A socket that is closed when its time is up, in the middle of an operation or between two.
class TimedSocket {
public:
    explicit TimedSocket(const asio::any_io_executor& executor)
        : state_{std::make_shared<State>(executor)} {}
    ~TimedSocket() { state_->timer.cancel(); }
    TimedSocket(const TimedSocket&) = delete;
    TimedSocket& operator=(const TimedSocket&) = delete;

    tcp::socket& socket() { return state_->socket; }
    bool expired() const { return state_->expired; }

    /// A closed socket that has until `end`; an earlier end no longer counts.
    void restart(Clock::time_point end) {
        error_code ignored;
        state_->socket.close(ignored);
        state_->expired = false;
        extend(end);
    }

    void extend(Clock::time_point end) {
        const auto turn = ++state_->turn;
        state_->timer.expires_at(end);
        state_->timer.async_wait([weak = std::weak_ptr{state_}, turn](const error_code& error) {
            const auto state = weak.lock();
            if (!error && state && state->turn == turn) {
                error_code ignored;
                state->expired = true;
                state->socket.close(ignored);
            }
        });
    }

private:
    struct State {
        explicit State(const asio::any_io_executor& executor) : socket{executor}, timer{executor} {}
        tcp::socket socket;
        asio::steady_timer timer;
        unsigned turn = 0;
        bool expired = false;
    };
    std::shared_ptr<State> state_;
};

/// The stage a request is in, and since when.
class Stopwatch {
public:
    HttpStage stage() const { return stage_; }
    const HttpTimings& timings() const { return timings_; }

    void enter(HttpStage next) {
        stop();
        stage_ = next;
    }
    void stop() {
        const auto now = Clock::now();
        of(stage_) += now - since_;
        since_ = now;
    }

private:
    HttpTimings::Seconds& of(HttpStage stage) {
        switch (stage) {
            case HttpStage::resolve:
                return timings_.resolve;
            case HttpStage::connect:
                return timings_.connect;
            case HttpStage::tls:
                return timings_.tls;
            case HttpStage::processing:
                return timings_.processing;
            case HttpStage::transfer:
                break;
        }
        return timings_.transfer;
    }

    HttpStage stage_ = HttpStage::resolve;
    Clock::time_point since_ = Clock::now();
    HttpTimings timings_;
};

using Done = Result<std::monostate>;

bool breaks_lines(std::string_view text) {
    return text.find_first_of(std::string_view{"\r\n\0", 3}) != std::string_view::npos;
}

/// Errc::invalid for a request that would not stay one request on the wire.
Done check(const HttpRequest& request) {
    if (request.method.empty() ||
        !std::all_of(request.method.begin(), request.method.end(),
                     [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; })) {
        return failure(Errc::invalid, "method '{}' is not in upper-case letters", request.method);
    }
    if (breaks_lines(request.url.target) || breaks_lines(request.url.host) ||
        request.url.target.find(' ') != std::string::npos) {
        return failure(Errc::invalid, "a space or a line break in the address");
    }
    for (const auto& [name, value] : request.headers) {
        if (name.empty() || breaks_lines(name) || breaks_lines(value) ||
            name.find_first_of(": ") != std::string::npos) {
            return failure(Errc::invalid, "header '{}' has a character that cannot be sent", name);
        }
    }
    return std::monostate{};
}

/// The request as it goes over the wire (RFC 9112).
std::string on_the_wire(const HttpRequest& request, std::string_view user_agent) {
    auto text = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nConnection: close\r\n",
                            request.method, request.url.target, authority(request.url), user_agent);
    for (const auto& [name, value] : request.headers) {
        text += fmt::format("{}: {}\r\n", name, value);
    }
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
        text += fmt::format("Content-Length: {}\r\n", request.body.size());
    }
    text += "\r\n";
    text += request.body;
    return text;
}

/// Reads an answer out of the bytes as they come.
class AnswerReader {
public:
    explicit AnswerReader(const HttpRequest& request)
        : is_head_{request.method == "HEAD"}, max_body_bytes_{request.max_body_bytes} {
        next_message();
    }

    bool is_done() const { return parser_->is_done(); }

    /// 0 until the header has come in.
    int status() const {
        const bool has_header = parser_->is_header_done() || is_too_large_;
        return has_header ? static_cast<int>(parser_->get().result_int()) : 0;
    }

    /// Takes all that `data` has to give. Errc::parse for what is not HTTP or is too large.
    Done take(boost::beast::flat_buffer& data) {
        while (data.size() > 0 && !is_done()) {
            error_code error;
            const auto used = parser_->put(data.data(), error);
            data.consume(used);
            if (error == http::error::need_more || (!error && used == 0)) {
                return std::monostate{};
            }
            if (error) {
                is_too_large_ = error == http::error::body_limit;
                return fail(error);
            }
            if (is_done() && is_interim()) {
                next_message();
            }
        }
        return std::monostate{};
    }

    /// How the peer closed: over TLS only a close_notify tells the end from a cut.
    enum class Ending { orderly, abrupt };

    /// The peer closed: the end of a body without a length, else an answer cut short.
    Done end(Ending ending) {
        if (!parser_->got_some()) {
            return failure(Errc::io, "the connection was closed before an answer");
        }
        error_code error;
        parser_->put_eof(error);
        if (error) {
            return failure(Errc::io, "the connection was closed in the middle of the answer");
        }
        if (ending == Ending::abrupt) {  // RFC 9112, 9.8
            return failure(Errc::io,
                           "the connection was closed in the middle of the answer, as far as one "
                           "can tell: it has no length, and TLS did not announce its end");
        }
        return std::monostate{};
    }

    HttpResponse take_response() {
        auto message = parser_->release();
        HttpResponse response;
        response.status = static_cast<int>(message.result_int());
        for (const auto& field : message) {
            const auto name = field.name_string();
            auto& value = response.headers[lower_case({name.data(), name.size()})];
            value += value.empty() ? "" : ", ";
            value += std::string_view{field.value().data(), field.value().size()};
        }
        response.body = std::move(message.body());
        return response;
    }

private:
    void next_message() {
        parser_.emplace();
        parser_->eager(true);
        parser_->skip(is_head_);
        parser_->header_limit(header_bytes_max);
        parser_->body_limit(max_body_bytes_);
    }

    /// 100 Continue, 103 Early Hints: the answer is still to come.
    bool is_interim() const {
        const auto status = parser_->get().result_int();
        return status >= 100 && status < 200 && status != 101;
    }

    tl::unexpected<Error> fail(error_code error) const {
        if (!is_too_large_) {
            return failure(Errc::parse, "the answer is not HTTP: {}", error.message());
        }
        const auto announced = parser_->content_length();
        if (announced && *announced > max_body_bytes_) {
            return failure(Errc::parse, "the body has {} bytes, at most {} are taken", *announced,
                           max_body_bytes_);
        }
        return failure(Errc::parse, "the body has {} bytes or more, at most {} are taken",
                       max_body_bytes_ + 1, max_body_bytes_);
    }

    bool is_head_;
    std::size_t max_body_bytes_;
    bool is_too_large_ = false;
    std::optional<http::response_parser<http::string_body>> parser_;
};

/// One request from beginning to end.
class Exchange {
public:
    Exchange(const asio::any_io_executor& executor, const HttpRequest& request)
        : request_{request}, end_{Clock::now() + request.timeout}, connection_{executor} {}

    /// What to report when run() has failed with `error`.
    HttpFailure failed(const Error& error) const {
        const auto doing = fmt::format("{} {}: {}", request_.method, to_string(request_.url),
                                       to_string(watch_.stage()));
        return {watch_.stage(), status_, error.while_doing(doing)};
    }

    asio::awaitable<Result<HttpResponse>> run(Resolver& resolver, std::string wire) {
        const auto fit = check(request_);
        if (!fit) {
            co_return tl::unexpected(fit.error());
        }
        const auto endpoints =
            co_await resolver.resolve(request_.url.host, request_.url.port, request_.timeout);
        if (!endpoints) {
            co_return tl::unexpected(endpoints.error());
        }
        watch_.enter(HttpStage::connect);
        const auto connected = co_await connect(*endpoints);
        if (!connected) {
            co_return tl::unexpected(connected.error());
        }
        if (!request_.url.tls) {
            co_return co_await converse(connection_.socket(), wire);
        }
        watch_.enter(HttpStage::tls);
        TlsStream stream{connection_.socket(), request_.tls->context()};
        const auto secured = co_await shake_hands(stream);
        if (!secured) {
            co_return tl::unexpected(secured.error());
        }
        co_return co_await converse(stream, wire);
    }

private:
    /// The request and its answer, over a plain socket or a TLS stream.
    template <class Stream>
    asio::awaitable<Result<HttpResponse>> converse(Stream& stream, const std::string& wire) {
        watch_.enter(HttpStage::processing);
        const auto sent = co_await write(stream, wire);
        if (!sent) {
            co_return tl::unexpected(sent.error());
        }
        AnswerReader answer{request_};
        const auto received = co_await read(stream, answer);
        status_ = answer.status();
        if (!received) {
            co_return tl::unexpected(received.error());
        }
        watch_.stop();
        auto response = answer.take_response();
        response.timings = watch_.timings();
        co_return response;
    }

    asio::awaitable<Done> connect(const Resolver::Endpoints& endpoints) {
        Done last = out_of_time();
        for (std::size_t i = 0; i < endpoints.size() && Clock::now() < end_; ++i) {
            const auto share = (end_ - Clock::now()) / static_cast<int>(endpoints.size() - i);
            connection_.restart(Clock::now() + share);
            error_code error;
            co_await connection_.socket().async_connect(
                endpoints[i], asio::redirect_error(asio::use_awaitable, error));
            if (!error && !connection_.expired()) {
                connection_.extend(end_);
                co_return std::monostate{};
            }
            last = broken(error);
        }
        co_return last;
    }

    asio::awaitable<Done> shake_hands(TlsStream& stream) {
        request_.tls->prepare(stream, request_.url.host);
        error_code error;
        co_await stream.async_handshake(TlsStream::client,
                                        asio::redirect_error(asio::use_awaitable, error));
        if (connection_.expired()) {
            co_return out_of_time();
        }
        if (error) {
            co_return failure(Errc::io, "{}", handshake_problem(stream, error));
        }
        co_return std::monostate{};
    }

    template <class Stream>
    asio::awaitable<Done> write(Stream& stream, const std::string& wire) {
        error_code error;
        const auto buffer = asio::buffer(wire);
        co_await asio::async_write(stream, buffer,
                                   asio::redirect_error(asio::use_awaitable, error));
        if (error || connection_.expired()) {
            co_return broken(error);
        }
        co_return std::monostate{};
    }

    template <class Stream>
    asio::awaitable<Done> read(Stream& stream, AnswerReader& answer) {
        boost::beast::flat_buffer data;
        while (!answer.is_done()) {
            error_code error;
            const auto space = data.prepare(read_bytes);
            const auto count = co_await stream.async_read_some(
                space, asio::redirect_error(asio::use_awaitable, error));
            const bool cut = error == asio::ssl::error::stream_truncated;
            if (connection_.expired() || (error && error != asio::error::eof && !cut)) {
                co_return broken(error);
            }
            data.commit(count);
            if (watch_.stage() == HttpStage::processing && count > 0) {
                watch_.enter(HttpStage::transfer);
            }
            using Ending = AnswerReader::Ending;
            const auto taken =
                error ? answer.end(cut ? Ending::abrupt : Ending::orderly) : answer.take(data);
            if (!taken) {
                co_return tl::unexpected(taken.error());
            }
        }
        co_return std::monostate{};
    }

    Done broken(error_code error) {
        if (connection_.expired()) {
            return out_of_time();
        }
        // TLS 1.3 refuses a client's certificate only after the client's own handshake.
        if (error.category() == asio::error::get_ssl_category() &&
            watch_.stage() == HttpStage::processing) {
            watch_.enter(HttpStage::tls);
        }
        return failure(Errc::io, "{}", error.message());
    }

    Done out_of_time() const {
        return failure(Errc::timeout, "no answer within {} ms", request_.timeout.count());
    }

    const HttpRequest& request_;
    Clock::time_point end_;
    TimedSocket connection_;
    Stopwatch watch_;
    int status_ = 0;
};

}  // namespace

std::string_view to_string(HttpStage stage) {
    switch (stage) {
        case HttpStage::resolve:
            return "resolve";
        case HttpStage::connect:
            return "connect";
        case HttpStage::tls:
            return "tls";
        case HttpStage::processing:
            return "processing";
        case HttpStage::transfer:
            break;
    }
    return "transfer";
}

HttpClient::HttpClient(Resolver& resolver, std::string_view version)
    : resolver_{resolver}, user_agent_{fmt::format("holdfast/{}", version)} {}

Result<std::shared_ptr<const TlsClient>> HttpClient::default_tls() {
    if (!default_tls_) {
        auto made = TlsClient::make({});
        if (!made) {
            return made;
        }
        default_tls_ = std::move(*made);
    }
    return default_tls_;
}

asio::awaitable<HttpOutcome> HttpClient::send(HttpRequest request) {
    const auto executor = co_await asio::this_coro::executor;
    Exchange exchange{executor, request};
    if (request.url.tls && !request.tls) {
        auto tls = default_tls();
        if (!tls) {
            co_return tl::unexpected(exchange.failed(tls.error()));
        }
        request.tls = std::move(*tls);
    }
    auto wire = on_the_wire(request, user_agent_);
    auto response = co_await exchange.run(resolver_, std::move(wire));
    if (response) {
        co_return std::move(*response);
    }
    co_return tl::unexpected(exchange.failed(response.error()));
}

}  // namespace holdfast::collectors
