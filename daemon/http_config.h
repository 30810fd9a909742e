#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "collectors/support/tls_client.h"
#include "daemon/config_reader.h"
#include "model/result.h"

namespace holdfast::daemon {

/// Reads the section `tls_config` of `parent` with its files: ca_file, cert_file, key_file,
/// server_name, insecure_skip_verify, as Prometheus has them. Relative paths start at `folder`.
/// Null without a section, and after a mistake, which is noted at its place.
std::shared_ptr<const collectors::TlsClient> read_tls_config(Section& parent,
                                                             const std::filesystem::path& folder);

/// How a client meets a server: Prometheus' HTTP client configuration.
struct HttpClientConfig {
    std::optional<std::string> authorization;  ///< value of the header; absent: none is sent
    std::shared_ptr<const collectors::TlsClient> tls;  ///< null: the system's authorities
};

/// Reads `basic_auth` (username, password or password_file), `authorization` (type, credentials or
/// credentials_file) and `tls_config` in `file`; relative paths start at its folder. Errc::config
/// with a line for each mistake, unknown keys included; Errc::io when `file` cannot be read.
Result<HttpClientConfig> load_http_config(const std::filesystem::path& file);

}  // namespace holdfast::daemon
