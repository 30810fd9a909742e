#include "collectors/support/resolver.h"

#include <netdb.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <set>
#include <system_error>

namespace holdfast::collectors {
namespace {

using boost::asio::ip::tcp;

Result<std::uint16_t> port_number(const std::string& port) {
    std::uint16_t number = 0;
    const auto* const end = port.data() + port.size();
    const auto [parsed, error] = std::from_chars(port.data(), end, number);
    if (error != std::errc{} || parsed != end || number == 0) {
        return failure(Errc::invalid, "port '{}' is not a number in 1..65535", port);
    }
    return number;
}

/// What comes back from a look-up's thread: default constructible, unlike a Result in a Result.
struct LookedUp {
    Resolver::Endpoints endpoints;
    std::optional<Error> error;
};

Result<Resolver::Endpoints> as_result(LookedUp found, const std::string& host) {
    if (found.error) {
        return tl::unexpected(*found.error);
    }
    if (found.endpoints.empty()) {
        return failure(Errc::io, "{}: the name has no address", host);
    }
    return std::move(found.endpoints);
}

const char* reason(int status) {
    return status == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(status);
}

}  // namespace

struct Resolver::Asking {
    std::set<boost::asio::steady_timer*> waiting;
    std::optional<Error> error;
};

Resolver::Resolver(DetachedCalls& calls)
    : Resolver{calls, system_lookup, std::chrono::steady_clock::now} {}

Resolver::Resolver(DetachedCalls& calls, Lookup lookup, std::function<SteadyTime()> now)
    : calls_{calls}, lookup_{std::move(lookup)}, now_{std::move(now)} {}

Resolver::~Resolver() = default;

boost::asio::awaitable<Result<Resolver::Endpoints>> Resolver::resolve(std::string host,
                                                                      std::string port,
                                                                      Milliseconds deadline) {
    const auto number = port_number(port);
    if (!number) {
        co_return tl::unexpected(number.error());
    }
    boost::system::error_code is_a_name;
    const auto address = boost::asio::ip::make_address(host, is_a_name);
    if (!is_a_name) {
        co_return Endpoints{tcp::endpoint{address, *number}};
    }
    const auto key = fmt::format("resolve {}:{}", host, port);
    if (const auto* endpoints = known(key)) {
        co_return *endpoints;
    }
    if (const auto under_way = asking_.find(key); under_way != asking_.end()) {
        auto shared = co_await join(key, under_way->second, deadline);
        co_return shared;
    }
    auto endpoints = co_await ask(key, host, *number, deadline);
    co_return endpoints;
}

const Resolver::Endpoints* Resolver::known(const std::string& key) const {
    const auto found = answers_.find(key);
    const bool holds = found != answers_.end() && now_() - found->second.at < answer_lifetime;
    return holds ? &found->second.endpoints : nullptr;
}

boost::asio::awaitable<Result<Resolver::Endpoints>> Resolver::join(std::string key,
                                                                   std::shared_ptr<Asking> asking,
                                                                   Milliseconds deadline) {
    const auto executor = co_await boost::asio::this_coro::executor;
    boost::asio::steady_timer timer{executor, deadline};
    const auto leave = [&timer](Asking* joined) { joined->waiting.erase(&timer); };
    const std::unique_ptr<Asking, decltype(leave)> stay{asking.get(), leave};
    asking->waiting.insert(&timer);
    boost::system::error_code woken;
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, woken));
    if (const auto* endpoints = known(key)) {
        co_return *endpoints;
    }
    if (asking->error) {
        co_return tl::unexpected(*asking->error);
    }
    co_return failure(Errc::timeout, "{}: no answer within {} ms", key, deadline.count());
}

boost::asio::awaitable<Result<Resolver::Endpoints>> Resolver::ask(std::string key, std::string host,
                                                                  std::uint16_t port,
                                                                  Milliseconds deadline) {
    const auto asking = std::make_shared<Asking>();
    asking_.emplace(key, asking);
    const auto end = [this, &key](Asking* ended) {
        for (auto* timer : ended->waiting) {
            timer->cancel();
        }
        asking_.erase(key);
    };
    const std::unique_ptr<Asking, decltype(end)> turn{asking.get(), end};
    auto work = [lookup = lookup_, host, port] {
        auto found = lookup(host, port);
        return found ? LookedUp{std::move(*found), std::nullopt} : LookedUp{{}, found.error()};
    };
    auto found = co_await calls_.call<LookedUp>(key, deadline, std::move(work));
    auto endpoints = found ? as_result(std::move(*found), host)
                           : Result<Endpoints>{tl::unexpected(found.error())};
    if (endpoints) {
        answers_.insert_or_assign(key, Answer{*endpoints, now_()});
    } else {
        asking->error = endpoints.error();
    }
    co_return endpoints;
}

Result<Resolver::Endpoints> system_lookup(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
    if (status != 0) {
        return failure(Errc::io, "{}: {}", host, reason(status));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{list, ::freeaddrinfo};
    Resolver::Endpoints endpoints;
    for (const auto* entry = list; entry != nullptr; entry = entry->ai_next) {
        tcp::endpoint endpoint;
        if (entry->ai_addrlen <= endpoint.capacity()) {
            std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
            endpoint.resize(entry->ai_addrlen);
            endpoints.push_back(endpoint);
        }
    }
    return endpoints;
}

}  // namespace holdfast::collectors
