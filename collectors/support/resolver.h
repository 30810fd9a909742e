#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collectors/support/detached_calls.h"
#include "model/result.h"
#include "model/time.h"

namespace holdfast::collectors {

/// Addresses of hosts. Names are asked for with getaddrinfo(3) on detached threads, since Asio's
/// resolver has one thread and a name server that hangs would delay everybody. Several that ask for
/// one name at a time share one look-up; an answer holds for 30 s, a failure is never kept.
/// Belongs to the loop's thread; outlives its calls.
class Resolver {
public:
    using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;
    using SteadyTime = std::chrono::steady_clock::time_point;
    /// Looks a name up and may block. Runs on a thread of its own: owns what it uses.
    using Lookup = std::function<Result<Endpoints>(const std::string& host, std::uint16_t port)>;

    static constexpr std::chrono::seconds answer_lifetime{30};

    /// `lookup` and `now` are the system's but in tests.
    explicit Resolver(DetachedCalls& calls);
    Resolver(DetachedCalls& calls, Lookup lookup, std::function<SteadyTime()> now);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    /// The addresses of `host`, at least one, in the system's order (RFC 6724), with `port`.
    /// An address as `host` never leaves the loop. Errc::io when the name does not resolve,
    /// Errc::timeout after `deadline`, Errc::invalid for a port that is no number in 1..65535.
    /// Cancellation: terminal.
    boost::asio::awaitable<Result<Endpoints>> resolve(std::string host, std::string port,
                                                      Milliseconds deadline);

private:
    struct Answer {
        Endpoints endpoints;
        SteadyTime at;
    };
    struct Asking;  // one look-up under way, and who waits for it

    const Endpoints* known(const std::string& key) const;
    boost::asio::awaitable<Result<Endpoints>> join(std::string key, std::shared_ptr<Asking> asking,
                                                   Milliseconds deadline);
    boost::asio::awaitable<Result<Endpoints>> ask(std::string key, std::string host,
                                                  std::uint16_t port, Milliseconds deadline);

    DetachedCalls& calls_;
    Lookup lookup_;
    std::function<SteadyTime()> now_;
    std::map<std::string, Answer> answers_;
    std::map<std::string, std::shared_ptr<Asking>> asking_;
};

/// The default look-up: getaddrinfo(3) for stream sockets of both families.
Result<Resolver::Endpoints> system_lookup(const std::string& host, std::uint16_t port);

}  // namespace holdfast::collectors
