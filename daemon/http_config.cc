#include "daemon/http_config.h"

#include "daemon/base64.h"

namespace holdfast::daemon {
namespace {

/// The secret at `key`, or in the file at `<key>_file` without the line break at its end.
std::string read_secret(Section& s, const std::string& key, const std::filesystem::path& folder) {
    std::string secret;
    s.read(key, secret);
    const auto file_key = key + "_file";
    std::filesystem::path file;
    s.read_path(file_key, folder, file);
    if (s.has(key) == s.has(file_key)) {
        s.wrong(key, s.has(key) ? fmt::format("there is {} as well; give one", file_key)
                                : fmt::format("is missing; or give {}", file_key));
        return {};
    }
    if (s.has(key)) {
        return secret;
    }
    auto text = read_text(file, "check the path and its permissions");
    if (!text) {
        s.wrong(file_key, text.error().message());
        return {};
    }
    return text->substr(0, text->find_last_not_of(" \t\r\n") + 1);
}

std::string read_basic(Section& s, const std::filesystem::path& folder) {
    std::string user;
    s.read("username", user);
    if (user.empty() || user.find(':') != std::string::npos) {
        s.wrong("username", user.empty() ? "is missing" : "a user's name has no colon");
    }
    return "Basic " + base64_encoded(user + ":" + read_secret(s, "password", folder));
}

std::string read_authorization(Section& s, const std::filesystem::path& folder) {
    std::string type = "Bearer";
    s.read("type", type);
    if (type == "Basic" || type == "basic") {
        s.wrong("type", "for users there is basic_auth");
    }
    return type + " " + read_secret(s, "credentials", folder);
}

}  // namespace

std::shared_ptr<const collectors::TlsClient> read_tls_config(Section& parent,
                                                             const std::filesystem::path& folder) {
    std::shared_ptr<const collectors::TlsClient> client;
    parent.section("tls_config", [&](Section& s) {
        collectors::TlsClientOptions options;
        s.read_path("ca_file", folder, options.ca_file);
        s.read_path("cert_file", folder, options.cert_file);
        s.read_path("key_file", folder, options.key_file);
        s.read("server_name", options.server_name);
        s.read("insecure_skip_verify", options.insecure_skip_verify);
        if (auto made = collectors::TlsClient::make(options)) {
            client = std::move(*made);
        } else {
            parent.wrong("tls_config", made.error().message());
        }
    });
    return client;
}

Result<HttpClientConfig> load_http_config(const std::filesystem::path& file) {
    const auto text = read_text(file, "check --http.config.file");
    if (!text) {
        return tl::unexpected(text.error());
    }
    const auto folder = file.parent_path();
    HttpClientConfig config;
    const auto read = read_document(*text, file.string(), [&](Section& root) {
        root.section("basic_auth",
                     [&](Section& s) { config.authorization = read_basic(s, folder); });
        if (config.authorization && root.has("authorization")) {
            root.wrong("authorization", "there is basic_auth as well; give one");
        }
        root.section("authorization",
                     [&](Section& s) { config.authorization = read_authorization(s, folder); });
        config.tls = read_tls_config(root, folder);
    });
    if (!read) {
        return tl::unexpected(read.error());
    }
    return config;
}

}  // namespace holdfast::daemon
