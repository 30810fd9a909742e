#pragma once
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "collectors/support/url.h"
#include "model/result.h"
#include "model/time.h"

namespace holdfast::collectors {

class Resolver;
class TlsClient;

/// A request of HTTP/1.1. Has a constructor, so it is no aggregate: "Coroutines under GCC 12".
struct HttpRequest {
    HttpRequest(Url to, Milliseconds within, std::size_t max_body)
        : url{std::move(to)}, timeout{within}, max_body_bytes{max_body} {}

    std::string method = "GET";
    Url url;
    /// Beside Host, User-Agent, Connection and Content-Length, which the client writes.
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    Milliseconds timeout;                  ///< for all of it: name, connection, answer
    std::size_t max_body_bytes;            ///< of the answer
    std::shared_ptr<const TlsClient> tls;  ///< of https; none: verified by the system's authorities
};

/// Parts of a request, in their order.
enum class HttpStage {
    resolve,     ///< name to addresses
    connect,     ///< TCP connection, over all addresses that were tried
    tls,         ///< TLS handshake of https
    processing,  ///< from the connection to the first byte of the answer
    transfer,    ///< from there to the last byte
};

std::string_view to_string(HttpStage stage);

/// How long each stage took, by the steady clock.
struct HttpTimings {
    using Seconds = std::chrono::duration<double>;
    Seconds resolve{};
    Seconds connect{};
    Seconds tls{};  ///< 0 of http
    Seconds processing{};
    Seconds transfer{};

    Seconds total() const { return resolve + connect + tls + processing + transfer; }
};

struct HttpResponse {
    int status = 0;
    /// Names in lower case; the values of a repeated one are joined by ", " (RFC 9110, 5.3).
    std::map<std::string, std::string> headers;
    std::string body;
    HttpTimings timings;
};

/// Where a request ended without an answer, and why.
struct HttpFailure {
    HttpStage stage;
    int status;  ///< of an answer whose header came in and whose body did not; else 0
    /// `GET http://host:port/target: connect: Connection refused`,
    /// `GET https://…: tls: certificate verify failed: certificate has expired`. Errc::io when the
    /// peer or the system refused, Errc::timeout, Errc::parse for an answer that is no HTTP or too
    /// large, Errc::invalid for a request that cannot be sent.
    Error error;
};

/// An answer, whatever its status, or a HttpFailure.
class [[nodiscard]] HttpOutcome : public tl::expected<HttpResponse, HttpFailure> {
public:
    using tl::expected<HttpResponse, HttpFailure>::expected;
};

/// Sends single requests, by HTTP/1.1, over TLS for https: one connection each, closed after it;
/// redirects are not followed. Belongs to the loop's thread and outlives its calls.
class HttpClient {
public:
    /// `version` is holdfast's, for the header `User-Agent: holdfast/<version>`.
    HttpClient(Resolver& resolver, std::string_view version);

    /// Sends `request` and reads the answer, both within request.timeout, whatever the peer does:
    /// never answers, sends a byte now and then. The addresses of the host are tried in turn, each
    /// for its share of the time that is left. Cancellation: terminal, closes the connection.
    boost::asio::awaitable<HttpOutcome> send(HttpRequest request);

private:
    /// What a request of https without TLS options is sent with; made when it is first needed.
    Result<std::shared_ptr<const TlsClient>> default_tls();

    Resolver& resolver_;
    std::string user_agent_;
    std::shared_ptr<const TlsClient> default_tls_;
};

}  // namespace holdfast::collectors
