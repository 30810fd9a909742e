#pragma once
#include <string>
#include <string_view>

#include "model/result.h"

namespace holdfast::collectors {

/// Where a HTTP request goes. Made by parse_url(); nothing in it needs escaping any more.
struct Url {
    std::string host;    ///< a name or an address; IPv6 without brackets
    std::string port;    ///< decimal, 1 to 65535
    std::string target;  ///< path and query as sent, percent-encoded, starts with '/'
    bool tls = false;    ///< https
};

/// Reads `http://host[:port][/path][?query]` (RFC 3986), or the same with https, whose port is 443
/// when none is given. A fragment is left out: it is never sent. Errc::config for anything else,
/// user information included; the message quotes `text`.
Result<Url> parse_url(std::string_view text);

/// `host:port`, with the brackets of an IPv6 address.
std::string authority(const Url& url);

/// `http://host:port/target` or the same with https, for messages.
std::string to_string(const Url& url);

}  // namespace holdfast::collectors
