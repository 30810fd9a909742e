#pragma once
#include <boost/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "daemon/http_config.h"
#include "model/result.h"
#include "model/time.h"

namespace holdfast::client {

/// Exit codes of the client: docs/operators-guide.md.
enum Exit : int {
    ok = 0,
    usage_or_internal = 1,
    rollback = 2,
    blocked = 3,
    still_watching = 4,
    ended_otherwise = 5,
    unreachable_or_denied = 6,
};

/// What the daemon answered: the HTTP status and the envelope's parts.
struct Answer {
    int status = 0;
    boost::json::value data;
    std::string error;
};

/// Speaks to one daemon. Calls block; each has a deadline.
class Connection {
public:
    /// `token` may be empty: reading needs none, unless the daemon has users. What `http` has to
    /// say of the authorization goes before it.
    Connection(std::string url, std::string token, daemon::HttpClientConfig http)
        : url_{std::move(url)}, token_{std::move(token)}, http_{std::move(http)} {}

    using Headers = std::vector<std::pair<std::string, std::string>>;
    /// Errc::io or timeout when the daemon cannot be reached, Errc::parse when it is no holdfastd.
    Result<Answer> get(const std::string& path, Milliseconds timeout = Milliseconds{30'000}) const;
    Result<Answer> post(const std::string& path, const boost::json::object& body,
                        const Headers& headers = {}) const;
    /// Body of a plain page: /-/healthy.
    Result<std::pair<int, std::string>> page(const std::string& path) const;

private:
    Result<std::pair<int, std::string>> send(const std::string& method, const std::string& path,
                                             const std::string& body, const Headers& headers,
                                             Milliseconds timeout) const;

    std::string url_;
    std::string token_;
    daemon::HttpClientConfig http_;
};

/// `a b` → `a%20b`: for a value in a query.
std::string percent_encoded(std::string_view text);

}  // namespace holdfast::client
