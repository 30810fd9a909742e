#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "daemon/clock.h"
#include "daemon/config.h"
#include "daemon/web_config.h"
#include "model/result.h"

namespace holdfast::daemon {

/// What the command line said.
struct ServiceOptions {
    std::optional<std::filesystem::path> config_file;
    std::optional<std::filesystem::path> web_config_file;
    std::optional<std::filesystem::path> storage_path;
    std::string listen_address = "127.0.0.1:9750";
    std::optional<std::string> external_url;
    std::optional<std::filesystem::path> procfs, sysfs, cgroupfs, rootfs;
    std::map<std::string, std::string> flags;  ///< for /api/v1/status/flags
};

/// The configuration with the command line's flags over it.
Result<Config> effective_config(const ServiceOptions& options);
/// The web configuration that the command line names; without one, that of plain HTTP.
Result<WebConfig> effective_web_config(const ServiceOptions& options);

/// Runs the daemon until SIGTERM or SIGINT, and drains. Fails when it cannot start.
Result<void> run_service(const ServiceOptions& options, Clock& clock);

}  // namespace holdfast::daemon
