#include <malloc.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "daemon/logging.h"
#include "daemon/service.h"
#include "daemon/version.h"

namespace {

using holdfast::daemon::ServiceOptions;

/// A flag named as Prometheus names it; what was given is kept for /api/v1/status/flags.
template <class T>
void add(CLI::App& app, const std::string& name, T& target, const std::string& help) {
    app.add_option("--" + name, target, help)->option_text(" ");
}

int run(int argc, char** argv) {
    ::mallopt(M_ARENA_MAX, 2);  // few threads that allocate: arenas of their own only cost memory
    CLI::App app{"holdfastd watches a system after an upgrade.", "holdfastd"};
    app.set_version_flag("--version", "holdfastd " + std::string{holdfast::daemon::version});
    ServiceOptions options;
    bool check_only = false;
    std::string level = "info";
    std::string format = "logfmt";
    add(app, "config.file", options.config_file, "configuration (YAML); none: the defaults");
    app.add_flag("--config.check", check_only, "read the configurations, say what is wrong, exit");
    add(app, "storage.path", options.storage_path,
        "state directory; default: $STATE_DIRECTORY or ./holdfast-data");
    add(app, "web.listen-address", options.listen_address, "default: 127.0.0.1:9750");
    add(app, "web.config.file", options.web_config_file,
        "TLS and users of the daemon's own port (YAML); none: plain HTTP");
    add(app, "web.external-url", options.external_url, "URL under which people reach the daemon");
    add(app, "log.level", level, "debug, info, warn, error; default: info");
    add(app, "log.format", format, "logfmt or json; default: logfmt");
    add(app, "paths.procfs", options.procfs, "default: /proc");
    add(app, "paths.sysfs", options.sysfs, "default: /sys");
    add(app, "paths.cgroupfs", options.cgroupfs, "default: /sys/fs/cgroup");
    add(app, "paths.rootfs", options.rootfs, "default: /");
    CLI11_PARSE(app, argc, argv);
    for (const auto* option : app.get_options()) {
        if (option->count() > 0) {
            options.flags[option->get_name()] = option->as<std::string>();
        }
    }
    if (auto logging = holdfast::daemon::set_up_logging(level, format); !logging) {
        std::cerr << logging.error().message() << '\n';
        return 1;
    }
    if (check_only) {
        const auto config = holdfast::daemon::effective_config(options);
        const auto web_config = holdfast::daemon::effective_web_config(options);
        for (const auto* error :
             {config ? nullptr : &config.error(), web_config ? nullptr : &web_config.error()}) {
            std::cerr << (error != nullptr ? error->message() + "\n" : "");
        }
        if (!config || !web_config) {
            return 1;
        }
        std::cerr << "the configuration is good\n";
        return 0;
    }
    holdfast::daemon::SystemClock clock;
    if (const auto ran = holdfast::daemon::run_service(options, clock); !ran) {
        spdlog::error("holdfastd cannot run: {}", ran.error().message());
        return 1;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& bug) {
        std::fprintf(stderr, "holdfastd: %s; please report this\n", bug.what());
        return 1;
    }
}
