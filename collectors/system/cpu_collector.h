#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "collectors/collector.h"
#include "collectors/metric_info.h"
#include "collectors/paths.h"
#include "collectors/support/boot_epoch.h"
#include "collectors/support/file_reader.h"

namespace holdfast::collectors {

/// Modes of processor time in the order of /proc/stat.
inline constexpr std::array<std::string_view, 10> cpu_modes{
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"};

/// Ticks of one processor since the boot, by mode as in cpu_modes. Guest time is in `guest` and
/// `guest_nice` only, unlike in the file, where it is in `user` and `nice` too.
using CpuTicks = std::array<std::uint64_t, cpu_modes.size()>;

/// One line of /proc/stat.
struct CpuLine {
    std::optional<std::uint64_t> cpu;  ///< none: the line of all processors together
    CpuTicks ticks{};
    std::size_t modes = 0;  ///< how many the line has: 10 since Linux 2.6.33, at least 4
};

/// The lines `cpuN …` of the text of /proc/stat (proc(5)), or the line `cpu  …` when there is none
/// of those. A torn line is left out. Errc::parse when nothing is left.
Result<std::vector<CpuLine>> parse_cpu_lines(std::string_view text);

/// Turns what the kernel says into sums over all processors that never fall within one boot:
/// - a mode that falls a little keeps its old maximum: idle and iowait are estimates and go back
///   now and then, user less guest is torn by a tick (node_exporter#1686, #1903);
/// - one that falls by more than `fall_max` says that this processor was unplugged: what it did
///   since the last call is dropped, and it counts on from where it was (node_exporter#2067);
/// - a processor that disappears leaves what it has done; one that appears later starts at nothing.
class CpuSums {
public:
    /// `fall_max` in ticks.
    explicit CpuSums(std::uint64_t fall_max) : fall_max_{fall_max} {}

    /// Takes one reading, all lines at once.
    void add(const std::vector<CpuLine>& lines);

    /// Ticks of all processors, as in cpu_modes.
    CpuTicks sums() const;

    /// Forgets everything: the host has booted.
    void reset() { cpus_.clear(); }

private:
    struct Cpu {
        CpuTicks maximum{};  ///< highest that was read since the last restart of the processor
        std::array<std::int64_t, cpu_modes.size()> carried{};  ///< to be added to maximum
    };

    void advance(Cpu& cpu, const CpuTicks& ticks) const;

    std::uint64_t fall_max_;
    std::map<std::optional<std::uint64_t>, Cpu> cpus_;
};

struct CpuOptions {
    Milliseconds fall_max{3000};  ///< a larger fall of a mode is taken for an unplugged processor
};

/// Processor time of the host from <procfs>/stat.
class CpuCollector final : public Collector {
public:
    explicit CpuCollector(const Paths& paths, const CpuOptions& options = {});

    std::string_view name() const override { return "cpu"; }
    boost::asio::awaitable<Result<Reading>> collect(Timestamp now) override;

private:
    BootEpoch epoch_;
    FileReader stat_;
    double ticks_per_second_;
    CpuSums sums_;
    std::optional<std::uint64_t> boot_;
    std::array<std::shared_ptr<const Series>, cpu_modes.size()> seconds_;
};

/// Every metric that CpuCollector can emit.
std::span<const MetricInfo> cpu_metrics();

}  // namespace holdfast::collectors
