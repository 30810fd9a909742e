#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collectors/collector.h"
#include "collectors/metric_info.h"
#include "collectors/paths.h"
#include "collectors/support/boot_epoch.h"
#include "collectors/support/file_reader.h"
#include "collectors/support/text.h"

namespace holdfast::collectors {

/// One direction of an interface since it was made.
struct NetworkCounters {
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    std::uint64_t errors = 0;
    std::uint64_t drops = 0;
};

/// One line of /proc/net/dev. `device` points into the text.
struct NetworkLine {
    std::string_view device;
    NetworkCounters receive;
    NetworkCounters transmit;
};

/// The lines `<name>: <16 numbers>` of the text of /proc/net/dev (proc(5)); the name may stick to
/// the first number. Headings and torn lines are left out.
std::vector<NetworkLine> parse_net_dev(std::string_view text);

/// What is in /sys/class/net/<device>/operstate (RFC 2863): true for `up`, and for `unknown`, which
/// devices without a carrier say (lo, tun); false for any other word; none when empty.
std::optional<bool> is_up(std::string_view operstate);

struct NetworkOptions {
    /// Interfaces that come and go with containers (node_exporter#1446), and the loopback.
    std::string exclude = "^(veth|docker|br-|cali|cni|virbr|lo$).*";
};

/// Network interfaces of the host from <procfs>/net/dev and <sysfs>/class/net. An interface whose
/// state cannot be read has no holdfast_network_up. A fall of counters is another interface of the
/// same name, to readers a restart from zero.
class NetworkCollector final : public Collector {
public:
    explicit NetworkCollector(const Paths& paths, const NetworkOptions& options = {});

    std::string_view name() const override { return "network"; }
    boost::asio::awaitable<Result<Reading>> collect(Timestamp now) override;

private:
    struct Direction {
        std::shared_ptr<const Series> bytes;
        std::shared_ptr<const Series> packets;
        std::shared_ptr<const Series> errors;
        std::shared_ptr<const Series> drops;
    };
    struct Device {
        std::optional<FileReader> operstate;  ///< none: filtered out
        Direction receive;
        Direction transmit;
        std::shared_ptr<const Series> up;
        Timestamp last_seen{};
    };

    static Direction direction(std::string_view device, std::string_view dir);
    static void add(std::vector<Sample>& samples, const Direction& direction, Timestamp at,
                    const NetworkCounters& counters);
    Device& device(std::string_view name);

    BootEpoch epoch_;
    FileReader net_dev_;
    std::filesystem::path class_net_;
    NameFilter filter_;
    std::map<std::string, Device, std::less<>> devices_;
};

/// Every metric that NetworkCollector can emit.
std::span<const MetricInfo> network_metrics();

}  // namespace holdfast::collectors
