#include "collectors/system/network_collector.h"

namespace holdfast::collectors {
namespace {

constexpr std::array metrics{
    MetricInfo{"holdfast_network_bytes_total", SeriesType::counter,
               "Bytes that an interface transferred"},
    MetricInfo{"holdfast_network_packets_total", SeriesType::counter,
               "Packets that an interface transferred"},
    MetricInfo{"holdfast_network_errors_total", SeriesType::counter,
               "Packets that an interface lost to errors"},
    MetricInfo{"holdfast_network_drops_total", SeriesType::counter,
               "Packets that an interface dropped"},
    MetricInfo{"holdfast_network_up", SeriesType::gauge,
               "Whether an interface is up: 1, or 0 when it is not"},
};

constexpr std::size_t samples_per_device = 9;
/// The files of an interface that is away longer are closed.
constexpr Milliseconds forget_after = std::chrono::minutes{1};

std::optional<NetworkLine> parse_line(std::string_view line) {
    const auto colon = line.rfind(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    std::array<std::uint64_t, 16> numbers{};
    auto rest = line.substr(colon + 1);
    for (auto& number : numbers) {
        const auto value = next_unsigned(rest);
        if (!value) {
            return std::nullopt;
        }
        number = *value;
    }
    return NetworkLine{trim(line.substr(0, colon)),
                       {numbers[0], numbers[1], numbers[2], numbers[3]},
                       {numbers[8], numbers[9], numbers[10], numbers[11]}};
}

std::shared_ptr<const Series> counter(const MetricInfo& metric, std::string_view device,
                                      std::string_view dir) {
    return std::make_shared<const Series>(
        Series{std::string{metric.name},
               {{"device", std::string{device}}, {"dir", std::string{dir}}},
               SeriesType::counter});
}

}  // namespace

std::vector<NetworkLine> parse_net_dev(std::string_view text) {
    std::vector<NetworkLine> lines;
    while (!text.empty()) {
        if (const auto line = parse_line(next_line(text))) {
            lines.push_back(*line);
        }
    }
    return lines;
}

std::optional<bool> is_up(std::string_view operstate) {
    const auto word = trim(operstate);
    if (word.empty()) {
        return std::nullopt;
    }
    return word == "up" || word == "unknown";
}

NetworkCollector::NetworkCollector(const Paths& paths, const NetworkOptions& options)
    : epoch_{paths.procfs},
      net_dev_{paths.procfs / "net/dev"},
      class_net_{paths.sysfs / "class/net"},
      filter_{"", options.exclude} {}

boost::asio::awaitable<Result<Reading>> NetworkCollector::collect(Timestamp now) {
    Reading reading{epoch_.read(), {}};
    const auto text = net_dev_.read();
    if (!text) {
        co_return tl::unexpected(text.error());
    }
    reading.samples.reserve(devices_.size() * samples_per_device);
    for (const auto& line : parse_net_dev(*text)) {
        Device& known = device(line.device);
        known.last_seen = now;
        if (!known.operstate) {
            continue;
        }
        add(reading.samples, known.receive, now, line.receive);
        add(reading.samples, known.transmit, now, line.transmit);
        const auto operstate = known.operstate->read();
        if (const auto up = operstate ? is_up(*operstate) : std::nullopt) {
            reading.samples.push_back({known.up, now, *up ? 1.0 : 0.0});
        }
    }
    std::erase_if(devices_,
                  [now](const auto& entry) { return now - entry.second.last_seen > forget_after; });
    co_return reading;
}

void NetworkCollector::add(std::vector<Sample>& samples, const Direction& direction, Timestamp at,
                           const NetworkCounters& counters) {
    samples.push_back({direction.bytes, at, static_cast<double>(counters.bytes)});
    samples.push_back({direction.packets, at, static_cast<double>(counters.packets)});
    samples.push_back({direction.errors, at, static_cast<double>(counters.errors)});
    samples.push_back({direction.drops, at, static_cast<double>(counters.drops)});
}

NetworkCollector::Device& NetworkCollector::device(std::string_view name) {
    if (const auto known = devices_.find(name); known != devices_.end()) {
        return known->second;
    }
    Device device;
    if (filter_.keeps(name)) {
        device.operstate.emplace(class_net_ / name / "operstate", sysfs_hint);
        device.receive = direction(name, "receive");
        device.transmit = direction(name, "transmit");
        device.up = std::make_shared<const Series>(
            Series{std::string{metrics[4].name}, {{"device", std::string{name}}}});
    }
    return devices_.emplace(name, std::move(device)).first->second;
}

NetworkCollector::Direction NetworkCollector::direction(std::string_view device,
                                                        std::string_view dir) {
    return {counter(metrics[0], device, dir), counter(metrics[1], device, dir),
            counter(metrics[2], device, dir), counter(metrics[3], device, dir)};
}

std::span<const MetricInfo> network_metrics() {
    return metrics;
}

}  // namespace holdfast::collectors
