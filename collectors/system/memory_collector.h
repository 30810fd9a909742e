#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "collectors/collector.h"
#include "collectors/metric_info.h"
#include "collectors/paths.h"
#include "collectors/support/boot_epoch.h"
#include "collectors/support/file_reader.h"

namespace holdfast::collectors {

struct MemoryOptions {};  ///< nothing to choose

/// What is used of /proc/meminfo, in bytes; absent what this kernel does not have.
struct Meminfo {
    std::uint64_t total_bytes = 0;
    std::optional<std::uint64_t> available_bytes;  ///< since Linux 3.14
    std::optional<std::uint64_t> swap_total_bytes;
    std::optional<std::uint64_t> swap_free_bytes;
    std::optional<std::uint64_t> dirty_bytes;

    /// Absent unless total and free are there and agree.
    std::optional<std::uint64_t> swap_used_bytes() const;
};

/// Text of /proc/meminfo: lines `Field:  <number> kB`, kB meaning KiB (proc(5)).
/// Errc::parse without a readable MemTotal. Any other line that is torn is absent.
Result<Meminfo> parse_meminfo(std::string_view text);

/// What is used of /proc/vmstat, counted since the boot; absent what this kernel does not have.
struct Vmstat {
    std::optional<std::uint64_t> major_faults;
    std::optional<std::uint64_t> swap_in_pages;
    std::optional<std::uint64_t> swap_out_pages;
    std::optional<std::uint64_t> oom_kills;  ///< since Linux 4.13
};

/// Text of /proc/vmstat: lines `name <number>` (proc(5)). A torn line is absent.
Vmstat parse_vmstat(std::string_view text);

/// Memory of the host from <procfs>/meminfo and <procfs>/vmstat. A file that cannot be read costs
/// its own samples only; the collector fails when that is both, with the error of meminfo.
class MemoryCollector final : public Collector {
public:
    explicit MemoryCollector(const Paths& paths, const MemoryOptions& options = {});

    std::string_view name() const override { return "memory"; }
    boost::asio::awaitable<Result<Reading>> collect(Timestamp now) override;

private:
    BootEpoch epoch_;
    FileReader meminfo_;
    FileReader vmstat_;
    std::shared_ptr<const Series> total_;
    std::shared_ptr<const Series> available_;
    std::shared_ptr<const Series> swap_used_;
    std::shared_ptr<const Series> dirty_;
    std::shared_ptr<const Series> major_faults_;
    std::shared_ptr<const Series> swap_in_;
    std::shared_ptr<const Series> swap_out_;
    std::shared_ptr<const Series> oom_kills_;
};

/// Every metric that MemoryCollector can emit.
std::span<const MetricInfo> memory_metrics();

}  // namespace holdfast::collectors
