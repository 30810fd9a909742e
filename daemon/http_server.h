#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/self_metrics.h"
#include "model/result.h"
#include "model/time.h"

namespace holdfast::daemon {

class TlsServer;

/// A request as the API sees it. A class with a constructor: "Coroutines under GCC 12".
struct ServerRequest {
    ServerRequest() {}  // NOLINT: no aggregate

    std::string method;
    std::string path;                            ///< percent-decoded, without the query
    std::map<std::string, std::string> query;    ///< decoded; of a repeated name the last
    std::map<std::string, std::string> headers;  ///< names in lower case
    std::string body;
    std::string user;  ///< who sends it, as WebAccess found; empty: nobody that is known
};

struct ServerResponse {
    ServerResponse(int the_status, std::string type, std::string text)
        : status{the_status}, content_type{std::move(type)}, body{std::move(text)} {}

    int status;
    std::string content_type;
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
};

/// What connections are given when they begin.
struct ServerSettings {
    std::shared_ptr<const TlsServer> tls;                      ///< null: plain HTTP
    std::vector<std::pair<std::string, std::string>> headers;  ///< of every answer
};

using HttpHandler = std::function<boost::asio::awaitable<ServerResponse>(ServerRequest)>;

/// HTTP/1.1 over plain TCP or TLS, the one Beast file of the daemon. Bounds: connections, header
/// and body size, time per handshake and request and idle time; a peer beyond them is answered or
/// closed, never waited for. One that does not speak TLS where it should is closed and counted.
class HttpServer {
public:
    static constexpr std::size_t connections_max = 128;
    static constexpr std::size_t header_max = std::size_t{16} << 10U;
    static constexpr std::size_t body_max = std::size_t{64} << 10U;
    /// For a request and between two, for a TLS handshake and for TLS' goodbye.
    static constexpr Milliseconds read_timeout{15'000};
    static constexpr Milliseconds write_timeout{60'000};  ///< for the peer to take an answer

    /// Listens on `address` (`127.0.0.1:9750`, `[::1]:0`). Errc::config for an address that is
    /// none, Errc::io when it cannot be bound.
    static Result<HttpServer> listen(const boost::asio::any_io_executor& executor,
                                     const std::string& address, SelfMetrics& metrics);

    /// Where it listens, with the port that 0 became.
    std::string address() const;
    /// From the next connection on; before the first, plain HTTP without more headers.
    void configure(ServerSettings settings);
    /// Serves until cancelled; ends with its connections.
    boost::asio::awaitable<void> serve(HttpHandler handler);

private:
    HttpServer(boost::asio::ip::tcp::acceptor acceptor, SelfMetrics& metrics)
        : acceptor_{std::move(acceptor)}, metrics_{&metrics} {}

    boost::asio::ip::tcp::acceptor acceptor_;
    SelfMetrics* metrics_;
    std::shared_ptr<const ServerSettings> settings_ = std::make_shared<ServerSettings>();
};

/// `%41` → `A`, `+` stays. Malformed escapes stay as they are.
std::string percent_decoded(std::string_view text);

}  // namespace holdfast::daemon
