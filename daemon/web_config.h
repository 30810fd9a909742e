#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/tls_server.h"
#include "model/result.h"
#include "model/time.h"

namespace holdfast::daemon {

/// A token bucket: one request per interval on average, `burst` of them at once.
struct RateLimit {
    Milliseconds interval{0};  ///< 0: no limit
    int burst = 1;
};

/// What `--web.config.file` says of the daemon's own port; the keys are those of Prometheus'
/// exporter-toolkit. Every field has the value of a daemon without one.
struct WebConfig {
    std::shared_ptr<const TlsServer> tls;                      ///< null: plain HTTP
    std::vector<std::pair<std::string, std::string>> headers;  ///< of every answer
    std::map<std::string, std::string> users;                  ///< name → bcrypt hash
    RateLimit rate_limit;
};

/// Reads `file` and the certificates that it names; relative paths start at its folder.
/// Errc::config with a line `file:line:column: what` for each mistake, unknown keys and files that
/// cannot be used included; Errc::io when `file` itself cannot be read.
Result<WebConfig> load_web_config(const std::filesystem::path& file);

}  // namespace holdfast::daemon
