#include "daemon/client/connection.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "collectors/support/http_client.h"
#include "collectors/support/resolver.h"
#include "collectors/support/text.h"
#include "daemon/version.h"

namespace holdfast::client {
namespace asio = boost::asio;
namespace json = boost::json;
namespace {

constexpr std::size_t answer_max = std::size_t{256} << 20U;
constexpr Milliseconds change_timeout{300'000};  // a baseline of weeks takes a while to learn

Result<Answer> parsed(const std::pair<int, std::string>& page) {
    boost::system::error_code bad;
    const auto value = json::parse(page.second, bad);
    if (bad || !value.is_object()) {
        return failure(Errc::parse, "status {}: the answer is no JSON; is that a holdfastd?",
                       page.first);
    }
    Answer answer{.status = page.first};
    const auto& object = value.get_object();
    if (const auto* data = object.if_contains("data")) {
        answer.data = *data;
    }
    if (const auto* error = object.if_contains("error"); error != nullptr && error->is_string()) {
        answer.error.assign(error->get_string().data(), error->get_string().size());
    }
    return answer;
}

}  // namespace

Result<Answer> Connection::get(const std::string& path, Milliseconds timeout) const {
    const auto page = send("GET", path, {}, {}, timeout);
    return page ? parsed(*page) : Result<Answer>{tl::unexpected(page.error())};
}

Result<Answer> Connection::post(const std::string& path, const json::object& body,
                                const Headers& headers) const {
    const auto page = send("POST", path, json::serialize(body), headers, change_timeout);
    return page ? parsed(*page) : Result<Answer>{tl::unexpected(page.error())};
}

Result<std::pair<int, std::string>> Connection::page(const std::string& path) const {
    return send("GET", path, {}, {}, Milliseconds{10'000});
}

Result<std::pair<int, std::string>> Connection::send(const std::string& method,
                                                     const std::string& path,
                                                     const std::string& body,
                                                     const Headers& headers,
                                                     Milliseconds timeout) const {
    auto base = url_;
    while (base.ends_with('/')) {
        base.pop_back();
    }
    const auto url = collectors::parse_url(base + path);
    if (!url) {
        return tl::unexpected(url.error());
    }
    asio::io_context io{1};
    collectors::DetachedCalls calls{1};
    collectors::Resolver resolver{calls};
    collectors::HttpClient http{resolver, daemon::version};
    collectors::HttpRequest request{*url, timeout, answer_max};
    request.tls = http_.tls;
    request.method = method;
    request.body = body;
    request.headers = headers;
    if (!body.empty()) {
        request.headers.emplace_back("Content-Type", "application/json");
    }
    if (http_.authorization) {
        request.headers.emplace_back("Authorization", *http_.authorization);
    } else if (!token_.empty()) {
        request.headers.emplace_back("Authorization", "Bearer " + token_);
    }
    auto sent = asio::co_spawn(io, http.send(std::move(request)), asio::use_future);
    io.run();
    auto outcome = sent.get();
    if (!outcome) {
        return tl::unexpected(outcome.error().error);
    }
    return std::pair{outcome->status, std::move(outcome->body)};
}

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain =
            collectors::is_alphanumeric(c) || c == '-' || c == '_' || c == '.' || c == '~';
        out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

}  // namespace holdfast::client
