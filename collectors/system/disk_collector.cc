#include "collectors/system/disk_collector.h"

#include <iterator>

namespace holdfast::collectors {
namespace {

using enum disk::Field;

constexpr std::string_view ops = "holdfast_disk_ops_total";
constexpr std::string_view bytes = "holdfast_disk_bytes_total";
constexpr std::string_view seconds = "holdfast_disk_time_seconds_total";
constexpr std::string_view busy_seconds = "holdfast_disk_io_time_seconds_total";
constexpr std::string_view weighted_seconds = "holdfast_disk_io_time_weighted_seconds_total";
constexpr std::string_view in_flight_now = "holdfast_disk_in_flight";

constexpr std::array metrics{
    MetricInfo{ops, SeriesType::counter, "Requests that a disk completed"},
    MetricInfo{bytes, SeriesType::counter, "Bytes that a disk transferred or discarded"},
    MetricInfo{seconds, SeriesType::counter, "Time that requests of a disk took, all added up"},
    MetricInfo{busy_seconds, SeriesType::counter, "Time that a disk had requests in flight"},
    MetricInfo{weighted_seconds, SeriesType::counter,
               "Time that a disk had requests in flight, times their number"},
    MetricInfo{in_flight_now, SeriesType::gauge, "Requests that a disk is working on"},
};

/// How a number of the file is exported.
struct Export {
    disk::Field field;
    std::string_view metric;
    std::string_view dir;  ///< empty: no such label
    double unit;           ///< of one count of the kernel, in the unit of the metric
};

constexpr double sector_bytes = 512;
constexpr double millisecond = 1e-3;

constexpr std::array exports{
    Export{reads, ops, "read", 1},
    Export{writes, ops, "write", 1},
    Export{discards, ops, "discard", 1},
    Export{flushes, ops, "flush", 1},
    Export{sectors_read, bytes, "read", sector_bytes},
    Export{sectors_written, bytes, "write", sector_bytes},
    Export{sectors_discarded, bytes, "discard", sector_bytes},
    Export{time_reading, seconds, "read", millisecond},
    Export{time_writing, seconds, "write", millisecond},
    Export{time_discarding, seconds, "discard", millisecond},
    Export{time_flushing, seconds, "flush", millisecond},
    Export{time_busy, busy_seconds, "", millisecond},
    Export{time_weighted, weighted_seconds, "", millisecond},
    Export{in_flight, in_flight_now, "", 1},
};

constexpr std::uint64_t wrap = std::uint64_t{1} << 32;
/// How much longer than by the clock a time may seem: a tick of the kernel and the clock's own
/// step.
constexpr std::uint64_t slack_milliseconds = 100;
/// A device that is away longer is another one when it comes back.
constexpr Milliseconds forget_after = std::chrono::minutes{10};

constexpr bool is_time(disk::Field field) {
    return field == time_reading || field == time_writing || field == time_busy ||
           field == time_weighted || field == time_discarding || field == time_flushing;
}

std::optional<DiskLine> parse_line(std::string_view text) {
    DiskLine line;
    const auto major = next_unsigned(text);
    const auto minor = next_unsigned(text);
    line.device = next_field(text);
    if (!major || !minor) {
        return std::nullopt;
    }
    line.major = *major;
    line.minor = *minor;
    for (auto field = next_field(text); !field.empty() && line.count < field_count;
         field = next_field(text)) {
        const auto number = to_unsigned(field);
        if (!number) {
            return std::nullopt;
        }
        line.numbers[line.count] = *number;
        ++line.count;
    }
    if (line.count != time_weighted + 1 && line.count != time_discarding + 1 &&
        line.count != field_count) {
        return std::nullopt;
    }
    return line;
}

std::shared_ptr<const Series> series(const Export& what, std::string_view device) {
    Series series{std::string{what.metric},
                  {{"device", std::string{device}}},
                  what.field == in_flight ? SeriesType::gauge : SeriesType::counter};
    if (!what.dir.empty()) {
        series.labels.emplace("dir", what.dir);
    }
    return std::make_shared<const Series>(std::move(series));
}

}  // namespace

std::vector<DiskLine> parse_diskstats(std::string_view text) {
    std::vector<DiskLine> lines;
    while (!text.empty()) {
        if (const auto line = parse_line(next_line(text))) {
            lines.push_back(*line);
        }
    }
    return lines;
}

void DiskCounters::add(const DiskLine& line, Timestamp now) {
    if (is_other_device(line)) {
        carried_ = {};
    } else {
        for (std::size_t place = 0; place < line.count; ++place) {
            const auto field = static_cast<disk::Field>(place);
            if (field == in_flight || line.numbers[field] >= numbers_[field]) {
                continue;
            }
            carried_[field] +=
                has_wrapped(field, line, now - at_) ? wrap : numbers_[field] - line.numbers[field];
        }
    }
    identity_ = {line.major, line.minor};
    numbers_ = line.numbers;
    count_ = line.count;
    at_ = now;
}

/// True before the first line, too.
bool DiskCounters::is_other_device(const DiskLine& line) const {
    if (identity_ != std::pair{line.major, line.minor} || count_ != line.count) {
        return true;
    }
    bool any_fell = false;
    for (std::size_t field = 0; field < line.count; ++field) {
        if (field == in_flight || (numbers_[field] == 0 && line.numbers[field] == 0)) {
            continue;
        }
        if (line.numbers[field] >= numbers_[field]) {
            return false;
        }
        any_fell = true;
    }
    return any_fell;
}

bool DiskCounters::has_wrapped(disk::Field field, const DiskLine& line, Milliseconds passed) const {
    const auto before = numbers_[field];
    if (!is_time(field) || before <= wrap / 2 || before >= wrap || passed.count() < 0) {
        return false;
    }
    const auto rise = line.numbers[field] + wrap - before;
    const auto clock = static_cast<std::uint64_t>(passed.count()) + slack_milliseconds;
    return rise <= (field == time_busy ? clock : clock * (line.numbers[in_flight] + 1024));
}

DiskCollector::DiskCollector(const Paths& paths, const DiskOptions& options)
    : epoch_{paths.procfs},
      diskstats_{paths.procfs / "diskstats"},
      filter_{options.include, options.exclude} {}

boost::asio::awaitable<Result<Reading>> DiskCollector::collect(Timestamp now) {
    const auto boot = epoch_.read();
    if (boot_ != boot) {
        devices_.clear();
        boot_ = boot;
    }
    const auto text = diskstats_.read();
    if (!text) {
        co_return tl::unexpected(text.error());
    }
    Reading reading{boot, {}};
    reading.samples.reserve(devices_.size() * exports.size());
    for (const auto& line : parse_diskstats(*text)) {
        Device& known = device(line.device);
        known.last_seen = now;
        if (!known.kept) {
            continue;
        }
        known.counters.add(line, now);
        for (const auto& what : exports) {
            if (what.field < line.count) {
                reading.samples.push_back(
                    {known.series[what.field], now,
                     static_cast<double>(known.counters.value(what.field)) * what.unit});
            }
        }
    }
    forget_gone(now);
    co_return reading;
}

DiskCollector::Device& DiskCollector::device(std::string_view name) {
    if (const auto known = devices_.find(name); known != devices_.end()) {
        return known->second;
    }
    Device device;
    device.kept = filter_.keeps(name);
    if (device.kept) {
        for (const auto& what : exports) {
            device.series[what.field] = series(what, name);
        }
    }
    return devices_.emplace(name, std::move(device)).first->second;
}

void DiskCollector::forget_gone(Timestamp now) {
    std::erase_if(devices_,
                  [now](const auto& entry) { return now - entry.second.last_seen > forget_after; });
}

std::span<const MetricInfo> disk_metrics() {
    return metrics;
}

}  // namespace holdfast::collectors
