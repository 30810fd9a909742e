#include "collectors/system/cpu_collector.h"

#include <unistd.h>

#include <algorithm>

#include "collectors/support/text.h"

namespace holdfast::collectors {
namespace {

constexpr std::array metrics{
    MetricInfo{"holdfast_cpu_seconds_total", SeriesType::counter,
               "Time of all processors by mode since the boot, guest time not in user or nice"},
};

constexpr std::size_t user = 0;
constexpr std::size_t nice = 1;
constexpr std::size_t guest = 8;
constexpr std::size_t guest_nice = 9;
constexpr std::size_t modes_min = 4;  // Linux 2.4 had no more

std::uint64_t less(std::uint64_t whole, std::uint64_t part) {
    return whole > part ? whole - part : 0;
}

/// None for a line that is about something else, or torn.
std::optional<CpuLine> parse_cpu_line(std::string_view line) {
    constexpr std::string_view prefix = "cpu";
    const auto label = next_field(line);
    if (!label.starts_with(prefix)) {
        return std::nullopt;
    }
    CpuLine cpu;
    if (label != prefix) {
        cpu.cpu = to_unsigned(label.substr(prefix.size()));
        if (!cpu.cpu) {
            return std::nullopt;
        }
    }
    for (auto field = next_field(line); !field.empty() && cpu.modes < cpu_modes.size();
         field = next_field(line)) {
        const auto ticks = to_unsigned(field);
        if (!ticks) {
            return std::nullopt;
        }
        cpu.ticks[cpu.modes] = *ticks;
        ++cpu.modes;
    }
    if (cpu.modes < modes_min) {
        return std::nullopt;
    }
    cpu.ticks[user] = less(cpu.ticks[user], cpu.ticks[guest]);
    cpu.ticks[nice] = less(cpu.ticks[nice], cpu.ticks[guest_nice]);
    return cpu;
}

double per_second(long ticks) {
    return ticks > 0 ? static_cast<double>(ticks) : 100.0;
}

}  // namespace

Result<std::vector<CpuLine>> parse_cpu_lines(std::string_view text) {
    std::vector<CpuLine> lines;
    std::optional<CpuLine> all;
    while (text.starts_with("cpu")) {  // they come first
        const auto line = parse_cpu_line(next_line(text));
        if (line && line->cpu) {
            lines.push_back(*line);
        } else if (line) {
            all = line;
        }
    }
    if (lines.empty() && all) {
        lines.push_back(*all);
    }
    if (lines.empty()) {
        return failure(Errc::parse, "no line 'cpu <user> <nice> <system> <idle> …'");
    }
    return lines;
}

void CpuSums::add(const std::vector<CpuLine>& lines) {
    const bool first = cpus_.empty();
    for (const auto& line : lines) {
        const auto [place, is_new] = cpus_.try_emplace(line.cpu);
        Cpu& cpu = place->second;
        if (!is_new) {
            advance(cpu, line.ticks);
            continue;
        }
        cpu.maximum = line.ticks;
        for (std::size_t mode = 0; !first && mode < cpu_modes.size(); ++mode) {
            cpu.carried[mode] = -static_cast<std::int64_t>(line.ticks[mode]);
        }
    }
}

void CpuSums::advance(Cpu& cpu, const CpuTicks& ticks) const {
    bool restarted = false;
    for (std::size_t mode = 0; mode < cpu_modes.size(); ++mode) {
        restarted = restarted || less(cpu.maximum[mode], ticks[mode]) > fall_max_;
    }
    for (std::size_t mode = 0; mode < cpu_modes.size(); ++mode) {
        if (restarted) {
            cpu.carried[mode] += static_cast<std::int64_t>(cpu.maximum[mode] - ticks[mode]);
            cpu.maximum[mode] = ticks[mode];
        } else {
            cpu.maximum[mode] = std::max(cpu.maximum[mode], ticks[mode]);
        }
    }
}

CpuTicks CpuSums::sums() const {
    CpuTicks sums{};
    for (const auto& [number, cpu] : cpus_) {
        for (std::size_t mode = 0; mode < cpu_modes.size(); ++mode) {
            sums[mode] += cpu.maximum[mode] + static_cast<std::uint64_t>(cpu.carried[mode]);
        }
    }
    return sums;
}

CpuCollector::CpuCollector(const Paths& paths, const CpuOptions& options)
    : epoch_{paths.procfs},
      stat_{paths.procfs / "stat"},
      ticks_per_second_{per_second(::sysconf(_SC_CLK_TCK))},
      sums_{static_cast<std::uint64_t>(static_cast<double>(options.fall_max.count()) *
                                       ticks_per_second_ / 1000)} {
    for (std::size_t mode = 0; mode < cpu_modes.size(); ++mode) {
        seconds_[mode] =
            std::make_shared<const Series>(Series{std::string{metrics[0].name},
                                                  {{"mode", std::string{cpu_modes[mode]}}},
                                                  SeriesType::counter});
    }
}

boost::asio::awaitable<Result<Reading>> CpuCollector::collect(Timestamp now) {
    const auto boot = epoch_.read();
    if (boot_ != boot) {
        sums_.reset();
        boot_ = boot;
    }
    const auto text = stat_.read();
    if (!text) {
        co_return tl::unexpected(text.error());
    }
    const auto lines = parse_cpu_lines(*text);
    if (!lines) {
        co_return tl::unexpected(lines.error().while_doing(stat_.path().native()));
    }
    sums_.add(*lines);
    const auto sums = sums_.sums();
    const auto modes = std::ranges::min(*lines, {}, &CpuLine::modes).modes;
    Reading reading{boot, {}};
    reading.samples.reserve(modes);
    for (std::size_t mode = 0; mode < modes; ++mode) {
        reading.samples.push_back(
            {seconds_[mode], now, static_cast<double>(sums[mode]) / ticks_per_second_});
    }
    co_return reading;
}

std::span<const MetricInfo> cpu_metrics() {
    return metrics;
}

}  // namespace holdfast::collectors
