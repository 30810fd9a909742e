#include "collectors/support/url.h"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace holdfast::collectors {
namespace {

constexpr std::string_view example = "write it like http://127.0.0.1:8080/health";

Result<std::string> host_of(const boost::urls::url_view& url, std::string_view text) {
    // An encoded host may hide a line break, which would end up in the Host header.
    if (url.encoded_host().contains('%')) {
        return failure(Errc::config, "url '{}': percent-encoding in the host is not supported",
                       text);
    }
    auto host = url.host_address();
    if (host.empty()) {
        return failure(Errc::config, "url '{}': the host is missing; {}", text, example);
    }
    return host;
}

bool is_https(const boost::urls::url_view& url) {
    return url.scheme_id() == boost::urls::scheme::https;
}

Result<std::string> port_of(const boost::urls::url_view& url, std::string_view text) {
    if (!url.has_port() || url.port().empty()) {
        return std::string{is_https(url) ? "443" : "80"};
    }
    if (url.port_number() == 0) {  // also when it does not fit 16 bits
        return failure(Errc::config, "url '{}': the port {} is not in 1..65535", text,
                       std::string{url.port()});
    }
    return std::to_string(url.port_number());
}

std::string target_of(const boost::urls::url_view& url) {
    std::string target{url.encoded_target()};
    if (!target.starts_with('/')) {
        target.insert(target.begin(), '/');
    }
    return target;
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
    const auto parsed = boost::urls::parse_uri({text.data(), text.size()});
    if (!parsed) {
        return failure(Errc::config, "url '{}': {}; {}", text, parsed.error().message(), example);
    }
    if (parsed->scheme_id() != boost::urls::scheme::http && !is_https(*parsed)) {
        return failure(Errc::config,
                       "url '{}': scheme '{}' is not supported, use http:// or https://", text,
                       std::string{parsed->scheme()});
    }
    if (parsed->has_userinfo()) {
        return failure(Errc::config,
                       "url '{}': user and password are not supported; leave them out", text);
    }
    // Boost.URL 1.81 takes `http://h:80x/` as the port 80 and the path `x/`.
    if (!parsed->encoded_path().empty() && !parsed->encoded_path().starts_with('/')) {
        return failure(Errc::config, "url '{}': the port is not a number; {}", text, example);
    }
    auto host = host_of(*parsed, text);
    if (!host) {
        return tl::unexpected(host.error());
    }
    auto port = port_of(*parsed, text);
    if (!port) {
        return tl::unexpected(port.error());
    }
    return Url{.host = std::move(*host),
               .port = std::move(*port),
               .target = target_of(*parsed),
               .tls = is_https(*parsed)};
}

std::string authority(const Url& url) {
    const bool is_ipv6 = url.host.find(':') != std::string::npos;
    return is_ipv6 ? fmt::format("[{}]:{}", url.host, url.port)
                   : fmt::format("{}:{}", url.host, url.port);
}

std::string to_string(const Url& url) {
    return fmt::format("{}://{}{}", url.tls ? "https" : "http", authority(url), url.target);
}

}  // namespace holdfast::collectors
