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

/// Places of the numbers in a line of /proc/diskstats, after major, minor and name
/// (Documentation/admin-guide/iostats.rst). A sector has 512 bytes, a time is in milliseconds.
namespace disk {
enum Field : std::size_t {
    reads,
    reads_merged,
    sectors_read,
    time_reading,
    writes,
    writes_merged,
    sectors_written,
    time_writing,
    in_flight,  ///< the only one that is no counter
    time_busy,
    time_weighted,  ///< time busy times requests in flight
    discards,       ///< since Linux 4.18
    discards_merged,
    sectors_discarded,
    time_discarding,
    flushes,  ///< since Linux 5.5
    time_flushing,
    field_count
};
}  // namespace disk

using DiskNumbers = std::array<std::uint64_t, disk::field_count>;

/// One line of /proc/diskstats. `device` points into the text.
struct DiskLine {
    std::uint64_t major = 0;
    std::uint64_t minor = 0;
    std::string_view device;
    DiskNumbers numbers{};
    std::size_t count = 0;  ///< how many numbers the kernel has: 11, 15 or 17
};

/// Lines of 14, 18 or 20 fields (or more, which are ignored) of the text of /proc/diskstats. Any
/// other line is torn and left out: a line that was cut never looks like one of an older kernel.
std::vector<DiskLine> parse_diskstats(std::string_view text);

/// Counters of one device that do not fall while it is the same device.
class DiskCounters {
public:
    /// Takes the next line of the device with this name. A counter that falls:
    /// - the device is another one when major:minor are others, or all its counters fell
    ///   (sysstat#355): it starts anew with what the kernel says, a restart from zero to readers;
    /// - a time field above 2^31 ms has wrapped at 32 bits (beats#30480) when the rise would then
    /// be
    ///   plausible: busy time not above the time since the last call, the other times not above
    ///   that times requests in flight and 1024 more. It goes on rising;
    /// - else this rise is not known: it is dropped, and the counter goes on from where it was.
    void add(const DiskLine& line, Timestamp now);

    /// The number with all that was carried over added.
    std::uint64_t value(disk::Field field) const { return numbers_[field] + carried_[field]; }

private:
    bool is_other_device(const DiskLine& line) const;
    bool has_wrapped(disk::Field field, const DiskLine& line, Milliseconds passed) const;

    std::optional<std::pair<std::uint64_t, std::uint64_t>> identity_;  ///< none before the first
    DiskNumbers numbers_{};
    DiskNumbers carried_{};
    std::size_t count_ = 0;
    Timestamp at_{};
};

struct DiskOptions {
    /// Devices without figures of their own: partitions, loop, RAM, floppies and CD drives.
    std::string exclude =
        R"(^(z?ram|loop|fd|sr)\d+$|^(sd|vd|xvd|hd)[a-z]+\d+$|^nvme\d+n\d+p\d+$|^mmcblk\d+p\d+$)";
    std::string include;  ///< empty: all
};

/// Disks of the host from <procfs>/diskstats. A name is filtered before anything else is done.
class DiskCollector final : public Collector {
public:
    explicit DiskCollector(const Paths& paths, const DiskOptions& options = {});

    std::string_view name() const override { return "disk"; }
    boost::asio::awaitable<Result<Reading>> collect(Timestamp now) override;

private:
    struct Device {
        bool kept = false;
        DiskCounters counters;
        Timestamp last_seen{};
        /// By field; null for those that are not exported.
        std::array<std::shared_ptr<const Series>, disk::field_count> series;
    };

    Device& device(std::string_view name);
    void forget_gone(Timestamp now);

    BootEpoch epoch_;
    FileReader diskstats_;
    NameFilter filter_;
    std::optional<std::uint64_t> boot_;
    std::map<std::string, Device, std::less<>> devices_;
};

/// Every metric that DiskCollector can emit.
std::span<const MetricInfo> disk_metrics();

}  // namespace holdfast::collectors
