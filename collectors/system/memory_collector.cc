#include "collectors/system/memory_collector.h"

#include <array>
#include <limits>

#include "collectors/support/text.h"

namespace holdfast::collectors {
namespace {

constexpr std::array metrics{
    MetricInfo{"holdfast_memory_total_bytes", SeriesType::gauge,
               "Memory that the kernel can use (MemTotal)"},
    MetricInfo{"holdfast_memory_available_bytes", SeriesType::gauge,
               "Memory that can be had without swapping (MemAvailable)"},
    MetricInfo{"holdfast_memory_swap_used_bytes", SeriesType::gauge,
               "Swap space in use (SwapTotal less SwapFree)"},
    MetricInfo{"holdfast_memory_dirty_bytes", SeriesType::gauge,
               "Memory that waits to be written to disk (Dirty)"},
    MetricInfo{"holdfast_major_faults_total", SeriesType::counter,
               "Page faults of the host that needed a disk"},
    MetricInfo{"holdfast_swap_pages_total", SeriesType::counter,
               "Pages swapped in or out since the boot"},
    MetricInfo{"holdfast_oom_kills_total", SeriesType::counter,
               "Processes that the kernel killed for want of memory"},
};

std::shared_ptr<const Series> gauge(std::string_view metric) {
    return std::make_shared<const Series>(Series{std::string{metric}, {}, SeriesType::gauge});
}

std::shared_ptr<const Series> counter(std::string_view metric, Labels labels = {}) {
    return std::make_shared<const Series>(
        Series{std::string{metric}, std::move(labels), SeriesType::counter});
}

/// `  <number> kB`, in bytes.
std::optional<std::uint64_t> kibibytes(std::string_view text) {
    const auto number = next_unsigned(text);
    if (!number || next_field(text) != "kB" ||
        *number > std::numeric_limits<std::uint64_t>::max() / 1024) {
        return std::nullopt;
    }
    return *number * 1024;
}

void add(std::vector<Sample>& samples, const std::shared_ptr<const Series>& series, Timestamp at,
         const std::optional<std::uint64_t>& value) {
    if (value) {
        samples.push_back({series, at, static_cast<double>(*value)});
    }
}

}  // namespace

std::optional<std::uint64_t> Meminfo::swap_used_bytes() const {
    if (!swap_total_bytes || !swap_free_bytes || *swap_free_bytes > *swap_total_bytes) {
        return std::nullopt;
    }
    return *swap_total_bytes - *swap_free_bytes;
}

Result<Meminfo> parse_meminfo(std::string_view text) {
    Meminfo meminfo;
    std::optional<std::uint64_t> total;
    while (!text.empty()) {
        auto value = next_line(text);
        const auto field = next_cell(value, ':');
        if (field == "MemTotal") {
            total = kibibytes(value);
            if (!total) {
                return failure(Errc::parse, "expected 'MemTotal: <number> kB', got '{}:{}'", field,
                               value);
            }
        } else if (field == "MemAvailable") {
            meminfo.available_bytes = kibibytes(value);
        } else if (field == "SwapTotal") {
            meminfo.swap_total_bytes = kibibytes(value);
        } else if (field == "SwapFree") {
            meminfo.swap_free_bytes = kibibytes(value);
        } else if (field == "Dirty") {
            meminfo.dirty_bytes = kibibytes(value);
        }
    }
    if (!total) {
        return failure(Errc::parse, "no field 'MemTotal'");
    }
    meminfo.total_bytes = *total;
    return meminfo;
}

Vmstat parse_vmstat(std::string_view text) {
    Vmstat vmstat;
    while (!text.empty()) {
        auto value = next_line(text);
        const auto field = next_cell(value, ' ');
        if (field == "pgmajfault") {
            vmstat.major_faults = to_unsigned(value);
        } else if (field == "pswpin") {
            vmstat.swap_in_pages = to_unsigned(value);
        } else if (field == "pswpout") {
            vmstat.swap_out_pages = to_unsigned(value);
        } else if (field == "oom_kill") {
            vmstat.oom_kills = to_unsigned(value);
        }
    }
    return vmstat;
}

MemoryCollector::MemoryCollector(const Paths& paths, const MemoryOptions& /*options*/)
    : epoch_{paths.procfs},
      meminfo_{paths.procfs / "meminfo"},
      vmstat_{paths.procfs / "vmstat"},
      total_{gauge(metrics[0].name)},
      available_{gauge(metrics[1].name)},
      swap_used_{gauge(metrics[2].name)},
      dirty_{gauge(metrics[3].name)},
      major_faults_{counter(metrics[4].name)},
      swap_in_{counter(metrics[5].name, {{"dir", "in"}})},
      swap_out_{counter(metrics[5].name, {{"dir", "out"}})},
      oom_kills_{counter(metrics[6].name)} {}

boost::asio::awaitable<Result<Reading>> MemoryCollector::collect(Timestamp now) {
    Reading reading{epoch_.read(), {}};
    reading.samples.reserve(8);
    auto meminfo = [this]() -> Result<Meminfo> {
        const auto text = meminfo_.read();
        if (!text) {
            return tl::unexpected(text.error());
        }
        auto parsed = parse_meminfo(*text);
        if (!parsed) {
            return tl::unexpected(parsed.error().while_doing(meminfo_.path().native()));
        }
        return parsed;
    }();
    if (meminfo) {
        add(reading.samples, total_, now, meminfo->total_bytes);
        add(reading.samples, available_, now, meminfo->available_bytes);
        add(reading.samples, swap_used_, now, meminfo->swap_used_bytes());
        add(reading.samples, dirty_, now, meminfo->dirty_bytes);
    }
    if (const auto text = vmstat_.read()) {
        const auto vmstat = parse_vmstat(*text);
        add(reading.samples, major_faults_, now, vmstat.major_faults);
        add(reading.samples, swap_in_, now, vmstat.swap_in_pages);
        add(reading.samples, swap_out_, now, vmstat.swap_out_pages);
        add(reading.samples, oom_kills_, now, vmstat.oom_kills);
    }
    if (!meminfo && reading.samples.empty()) {
        co_return tl::unexpected(meminfo.error());
    }
    co_return reading;
}

std::span<const MetricInfo> memory_metrics() {
    return metrics;
}

}  // namespace holdfast::collectors
