#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "daemon/clock.h"
#include "daemon/http_server.h"
#include "daemon/self_metrics.h"
#include "daemon/token_bucket.h"
#include "daemon/web_config.h"

namespace holdfast::daemon {

/// Who may ask the daemon for anything, and how often. Sits before the API: each request passes
/// `admit` first. /-/healthy and /-/ready pass always.
///
/// Without users everybody may read. With users a request needs one of them (Basic, RFC 7617) or
/// the daemon's token (Bearer, RFC 6750). Passwords are compared on threads of their own, a few at
/// a time; verdicts are kept under a salted digest, so that a scraper costs its hash once. Belongs
/// to the loop's thread.
class WebAccess {
public:
    /// What ServerRequest::user says of a request with the daemon's token. No user can be called
    /// so: in a Basic user's name there is no colon.
    static constexpr std::string_view token_user = "bearer:token";
    static constexpr std::size_t threads = 2;         ///< passwords compared at a time
    static constexpr std::size_t waiting_max = 32;    ///< that, and those that wait for it
    static constexpr std::size_t verdicts_max = 256;  ///< kept, good and bad ones each

    /// Whether a password is that of a hash; see bcrypt_matches().
    using Matches = std::function<bool(const std::string& password, const std::string& hash)>;

    struct Secrets {
        std::string token;  ///< the daemon's
        std::string salt;   ///< of the verdicts' digests; random
    };
    WebAccess(const Clock& clock, SelfMetrics& metrics, Secrets secrets, Matches matches);

    /// Takes the users and the limit of `config`; verdicts of hashes that have not changed stay.
    void configure(const WebConfig& config);

    /// Nothing when `request` may go on, its `user` set; else the answer that refuses it: 429 with
    /// Retry-After, or 401. Cancellation: after the comparison that runs.
    boost::asio::awaitable<std::optional<ServerResponse>> admit(ServerRequest& request);

private:
    /// A bounded set: the oldest goes first.
    class Recent {
    public:
        bool contains(const std::string& key) const { return keys_.contains(key); }
        void insert(const std::string& key);

    private:
        std::set<std::string> keys_;
        std::deque<std::string> order_;
    };
    struct Credentials {
        std::string user, password;
    };
    enum class Verdict { good, bad, busy };

    bool is_token(const std::string& authorization) const;
    static std::optional<Credentials> credentials_of(const std::string& authorization);
    boost::asio::awaitable<Verdict> verdict_of(Credentials credentials);
    ServerResponse refuse(const ServerRequest& request, int status, const char* reason,
                          std::string_view message);
    ServerResponse refuse_for_now(const ServerRequest& request, const char* reason,
                                  std::string_view message, Milliseconds wait);

    const Clock& clock_;
    SelfMetrics& metrics_;
    Secrets secrets_;
    Matches matches_;
    std::map<std::string, std::string> users_;
    std::string decoy_;  ///< the hash that the password of an unknown user is compared with
    std::optional<TokenBucket> bucket_;
    std::size_t waiting_ = 0;
    Recent good_, bad_;
    std::unique_ptr<boost::asio::thread_pool> pool_;  ///< made with the first users
};

}  // namespace holdfast::daemon
