#include "daemon/web_config.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "collectors/support/text.h"
#include "daemon/bcrypt.h"
#include "daemon/config_reader.h"

namespace holdfast::daemon {
namespace {

/// What a header's name may have beside letters and digits (RFC 9110, 5.6.2).
constexpr std::string_view token_marks = "!#$%&'*+-.^_`|~";
/// An answer whose header says otherwise than it is would break the connection.
constexpr auto own_headers = std::to_array<std::string_view>(
    {"connection", "content-length", "content-type", "transfer-encoding"});
constexpr int burst_max = 1'000'000;

void read_version(Section& s, const std::string& key, TlsVersion& out) {
    const auto node = s.take(key);
    const auto text = node.IsDefined() && node.IsScalar() ? node.Scalar() : std::string{};
    if (text == "TLS10" || text == "TLS11") {
        s.wrong(key, fmt::format("{} is too old to be safe; TLS12 or TLS13", text));
    } else {
        s.read_name(key, out);
    }
}

std::shared_ptr<const TlsServer> read_tls(Section& root, Section& s,
                                          const std::filesystem::path& folder) {
    TlsServerOptions options;
    for (auto [key, path] :
         {std::pair{"cert_file", &options.cert_file}, std::pair{"key_file", &options.key_file}}) {
        s.read_path(key, folder, *path);
        if (path->empty()) {
            s.wrong(key, "is missing");
        }
    }
    s.read_name("client_auth_type", options.client_auth);
    s.read_path("client_ca_file", folder, options.client_ca_file);
    s.read("client_allowed_sans", options.client_allowed_sans);
    read_version(s, "min_version", options.min_version);
    read_version(s, "max_version", options.max_version);
    if (options.min_version > options.max_version) {
        s.wrong("min_version", "must not be above max_version");
    }
    if (verifies(options.client_auth) && options.client_ca_file.empty()) {
        s.wrong("client_ca_file",
                fmt::format("is missing: {} verifies by it", name_of(options.client_auth)));
    }
    if (options.client_auth == ClientAuth::none && !options.client_ca_file.empty()) {
        s.wrong("client_ca_file", "needs a client_auth_type that asks for certificates");
    }
    if (!verifies(options.client_auth) && !options.client_allowed_sans.empty()) {
        s.wrong("client_allowed_sans",
                "needs client_auth_type VerifyClientCertIfGiven or RequireAndVerifyClientCert");
    }
    if (options.cert_file.empty() || options.key_file.empty()) {
        return nullptr;
    }
    auto made = TlsServer::make(options);
    if (!made) {
        root.wrong("tls_server_config", made.error().message());
        return nullptr;
    }
    return std::move(*made);
}

bool is_token(const std::string& name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return collectors::is_alphanumeric(c) || token_marks.find(c) != std::string_view::npos;
    });
}

bool has_control_character(const std::string& text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f; });
}

void read_headers(Section& s, std::vector<std::pair<std::string, std::string>>& out) {
    for (const auto& name : s.keys()) {
        std::string value;
        s.read(name, value);
        if (!is_token(name) || has_control_character(value)) {
            s.wrong(name, "a header cannot have that: a line break, or a mark in its name");
        } else if (std::find(own_headers.begin(), own_headers.end(),
                             collectors::lower_case(name)) != own_headers.end()) {
            s.wrong(name, "holdfast itself writes this header");
        } else {
            out.emplace_back(name, value);
        }
    }
}

void read_http(Section& s, WebConfig& config) {
    s.section("headers", [&](Section& headers) { read_headers(headers, config.headers); });
    bool http2 = false;
    s.read("http2", http2);
    if (http2) {
        s.wrong("http2", "only HTTP/1.1 is spoken; leave it out, or false");
    }
}

void read_users(Section& s, std::map<std::string, std::string>& out) {
    for (const auto& name : s.keys()) {
        auto& hash = out[name];
        s.read(name, hash);
        if (name.empty() || name.find(':') != std::string::npos || has_control_character(name)) {
            s.wrong(name, "a user's name is not empty and has no colon or line break");
        } else if (const auto problem = bcrypt_problem(hash); !problem.empty()) {
            s.wrong(name, problem);
        }
    }
}

void read_rate_limit(Section& s, RateLimit& out) {
    s.read("interval", out.interval);
    if (const auto node = s.take("burst"); node.IsDefined()) {
        const auto text = node.IsScalar() ? node.Scalar() : std::string{};
        const auto* const end = text.data() + text.size();
        const auto [stop, bad] = std::from_chars(text.data(), end, out.burst);
        if (bad != std::errc{} || stop != end || out.burst < 1 || out.burst > burst_max) {
            s.wrong("burst", fmt::format("'{}' is no whole number from 1 to {}", text, burst_max));
            out.burst = 1;
        }
    }
}

}  // namespace

Result<WebConfig> load_web_config(const std::filesystem::path& file) {
    const auto text = read_text(file, "check --web.config.file");
    if (!text) {
        return tl::unexpected(text.error());
    }
    const auto folder = file.parent_path();
    WebConfig config;
    const auto read = read_document(*text, file.string(), [&](Section& root) {
        root.section("tls_server_config",
                     [&](Section& s) { config.tls = read_tls(root, s, folder); });
        root.section("http_server_config", [&](Section& s) { read_http(s, config); });
        root.section("basic_auth_users", [&](Section& s) { read_users(s, config.users); });
        root.section("rate_limit", [&](Section& s) { read_rate_limit(s, config.rate_limit); });
    });
    if (!read) {
        return tl::unexpected(read.error());
    }
    return config;
}

}  // namespace holdfast::daemon
