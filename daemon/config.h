#pragma once
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "collectors/logs/log_file_collector.h"
#include "collectors/paths.h"
#include "collectors/probes/http_probe.h"
#include "collectors/scrape/scrape_collector.h"
#include "collectors/services/process_collector.h"
#include "collectors/system/disk_collector.h"
#include "collectors/system/filesystem_collector.h"
#include "collectors/system/network_collector.h"
#include "model/result.h"
#include "model/signal.h"
#include "model/upgrade.h"

namespace holdfast::daemon {

class Section;

/// One collector's own options with when it runs.
template <class Options>
struct Scheduled {
    Options options{};
    Milliseconds interval{5000};
    bool enabled = true;
};

struct NoOptions {};

struct CollectorsConfig {
    Scheduled<NoOptions> cpu, pressure, memory;
    Scheduled<collectors::DiskOptions> disk;
    Scheduled<collectors::NetworkOptions> network;
    Scheduled<collectors::FilesystemOptions> filesystem;
    Scheduled<collectors::ProcessOptions> process;
    std::vector<Scheduled<collectors::LogFileOptions>> logs;
    std::vector<Scheduled<collectors::HttpProbeOptions>> probes;
    std::vector<Scheduled<collectors::ScrapeOptions>> scrapes;
};

struct AlertmanagerOptions {
    collectors::Url url;                               ///< of its root
    std::shared_ptr<const collectors::TlsClient> tls;  ///< as HttpRequest::tls
};

struct AlertingConfig {
    std::vector<AlertmanagerOptions> alertmanagers;
    Milliseconds resend_interval{60'000};
    Labels external_labels;
};

struct UpgradeDefaults {
    Milliseconds cycle{std::chrono::hours{24 * 7}};
    std::string timezone = "UTC";
    std::optional<Milliseconds> warmup;  ///< absent: 15 min, or a 96th of a shorter cycle
    Milliseconds evaluation_interval{1000};
    std::vector<std::string> load;   ///< as Upgrade::load
    std::vector<Exclusion> exclude;  ///< never learnt
    std::vector<Job> jobs;
};

/// What the configuration file says; every field has the value of a daemon without one.
struct Config {
    std::optional<std::filesystem::path> storage_path;
    std::optional<std::string> external_url;
    Milliseconds retention{std::chrono::hours{24 * 35}};
    std::size_t series_max = 50'000;
    collectors::Paths paths;
    CollectorsConfig collectors;
    UpgradeDefaults upgrades;
    Levels levels;
    std::vector<SignalDefinition> signals;  ///< of the defaults and the file
    std::vector<Rule> rules;
    AlertingConfig alerting;
};

/// Which signals rules, load and jobs may name.
enum class SignalNames {
    known,  ///< those that are defined; any where something is scraped
    any,    ///< also what nobody defined: the metrics of a recording
};

/// What is not in the file itself, but a configuration may speak of.
struct ConfigSurroundings {
    std::filesystem::path folder;           ///< where relative paths of a tls_config start
    std::set<std::string> scraped_signals;  ///< that are there beside those of `collectors.scrape`
    SignalNames names = SignalNames::known;
};

/// Reads the keys of a configuration from `root`, which notes the mistakes.
Config read_config(Section& root, const ConfigSurroundings& surroundings);
/// Reads a document. Errc::config with a line `file:line:column: what` for each mistake: unknown
/// keys with the nearest valid one, wrong types, impossible values.
Result<Config> parse_config(const std::string& text, const std::string& file,
                            SignalNames names = SignalNames::known);
/// The file at `path`, or the defaults without one. Errc::io when it cannot be read.
Result<Config> load_config(const std::optional<std::filesystem::path>& path,
                           SignalNames names = SignalNames::known);

}  // namespace holdfast::daemon
