#include "daemon/web_access.h"

#include <openssl/crypto.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "collectors/run_blocking.h"
#include "collectors/support/text.h"
#include "daemon/base64.h"
#include "daemon/bcrypt.h"
#include "daemon/envelope.h"
#include "daemon/quantities.h"

namespace holdfast::daemon {
namespace asio = boost::asio;
namespace {

/// What follows `scheme` in the value of a header, if it is of that scheme; its case is free
/// (RFC 9110, 11.1).
std::optional<std::string_view> after_scheme(std::string_view value, std::string_view scheme) {
    if (value.size() <= scheme.size() || value[scheme.size()] != ' ' ||
        collectors::lower_case(value.substr(0, scheme.size())) != collectors::lower_case(scheme)) {
        return std::nullopt;
    }
    return value.substr(std::min(value.find_first_not_of(' ', scheme.size()), value.size()));
}

/// Counts those that wait, for its scope.
class Counted {
public:
    explicit Counted(std::size_t& count) : count_{count} { ++count_; }
    ~Counted() { --count_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

private:
    std::size_t& count_;
};

}  // namespace

void WebAccess::Recent::insert(const std::string& key) {
    if (!keys_.insert(key).second) {
        return;
    }
    order_.push_back(key);
    if (order_.size() > verdicts_max) {
        keys_.erase(order_.front());
        order_.pop_front();
    }
}

WebAccess::WebAccess(const Clock& clock, SelfMetrics& metrics, Secrets secrets, Matches matches)
    : clock_{clock}, metrics_{metrics}, secrets_{std::move(secrets)}, matches_{std::move(matches)} {
    for (const auto* reason : {"credentials", "busy", "rate_limit"}) {
        metrics_.http_refused.Add({{"reason", reason}});
    }
}

void WebAccess::configure(const WebConfig& config) {
    users_ = config.users;
    decoy_.clear();
    for (const auto& [name, hash] : users_) {
        if (decoy_.empty() || bcrypt_cost(hash) > bcrypt_cost(decoy_)) {
            decoy_ = hash;
        }
    }
    if (!users_.empty() && !pool_) {
        pool_ = std::make_unique<asio::thread_pool>(threads);
    }
    bucket_.reset();
    if (config.rate_limit.interval > Milliseconds{0}) {
        bucket_.emplace(config.rate_limit, clock_.now());
    }
}

asio::awaitable<std::optional<ServerResponse>> WebAccess::admit(ServerRequest& request) {
    request.user.clear();
    if (request.path == "/-/healthy" || request.path == "/-/ready") {
        co_return std::nullopt;
    }
    if (bucket_) {
        if (const auto wait = bucket_->take(clock_.now()); wait > Milliseconds{0}) {
            co_return refuse_for_now(request, "rate_limit", "too many requests, see rate_limit",
                                     wait);
        }
    }
    const auto header = request.headers.find("authorization");
    const auto authorization = header == request.headers.end() ? std::string{} : header->second;
    if (is_token(authorization)) {
        request.user = token_user;
        co_return std::nullopt;
    }
    if (users_.empty()) {
        co_return std::nullopt;  // reading is free; the API wants the token for the rest
    }
    const auto credentials = credentials_of(authorization);
    if (!credentials) {
        co_return refuse(request, 401, "credentials",
                         "a user and a password are needed, or the token");
    }
    const auto verdict = co_await verdict_of(*credentials);
    if (verdict == Verdict::busy) {
        co_return refuse_for_now(request, "busy", "too many passwords are being compared",
                                 std::chrono::seconds{1});
    }
    if (verdict == Verdict::bad) {
        co_return refuse(request, 401, "credentials",
                         "the user and the password are not known here");
    }
    request.user = credentials->user;
    co_return std::nullopt;
}

bool WebAccess::is_token(const std::string& authorization) const {
    const auto given = after_scheme(authorization, "Bearer");
    return given && given->size() == secrets_.token.size() &&
           CRYPTO_memcmp(given->data(), secrets_.token.data(), given->size()) == 0;
}

std::optional<WebAccess::Credentials> WebAccess::credentials_of(const std::string& authorization) {
    const auto encoded = after_scheme(authorization, "Basic");
    const auto text = encoded ? base64_decoded(*encoded) : std::nullopt;
    const auto colon = text ? text->find(':') : std::string::npos;
    if (colon == std::string::npos) {
        return std::nullopt;
    }
    return Credentials{text->substr(0, colon), text->substr(colon + 1)};
}

asio::awaitable<WebAccess::Verdict> WebAccess::verdict_of(Credentials credentials) {
    const auto known = users_.find(credentials.user);
    const bool is_known = known != users_.end();
    auto hash = is_known ? known->second : decoy_;
    // Neither a user's name nor a hash has a colon: no two cases have one digest. That a user is
    // known is part of it: somebody else's hash may be the decoy.
    const auto key = sha256_hex(fmt::format("{}:{}:{}:{}:{}", secrets_.salt, is_known,
                                            credentials.user, hash, credentials.password));
    if (good_.contains(key)) {
        co_return Verdict::good;
    }
    if (bad_.contains(key)) {
        co_return Verdict::bad;
    }
    if (waiting_ >= waiting_max) {
        co_return Verdict::busy;
    }
    const Counted counted{waiting_};
    auto compare = [this, password = std::move(credentials.password), hash = std::move(hash)] {
        return matches_(password, hash);
    };
    const bool matched = co_await run_blocking(*pool_, std::move(compare));
    const bool good = matched && is_known;
    (good ? good_ : bad_).insert(key);
    co_return good ? Verdict::good : Verdict::bad;
}

ServerResponse WebAccess::refuse(const ServerRequest& request, int status, const char* reason,
                                 std::string_view message) {
    spdlog::debug("request refused method={} path={} status={} reason={}", request.method,
                  request.path, status, reason);
    metrics_.http_refused.Add({{"reason", reason}}).Increment();
    auto response = envelope::error(status, message);
    if (status == 401) {
        response.headers = {{"WWW-Authenticate", "Basic realm=\"holdfast\""}};
    }
    return response;
}

ServerResponse WebAccess::refuse_for_now(const ServerRequest& request, const char* reason,
                                         std::string_view message, Milliseconds wait) {
    auto response = refuse(request, 429, reason, message);
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait);
    response.headers.emplace_back("Retry-After", std::to_string(seconds.count()));
    return response;
}

}  // namespace holdfast::daemon
