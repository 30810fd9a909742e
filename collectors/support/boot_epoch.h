#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "collectors/support/file_reader.h"

namespace holdfast::collectors {

/// Which boot the kernel's counters count in: Reading::epoch of every collector of the host.
class BootEpoch {
public:
    explicit BootEpoch(const std::filesystem::path& procfs);

    /// A number that stays for one boot: 64-bit FNV-1a of <procfs>/sys/kernel/random/boot_id
    /// (random(4)), or of btime in <procfs>/stat (proc(5)) when there is none. 0: neither can be
    /// read. About 3 us.
    std::uint64_t read();

private:
    FileReader boot_id_;
    FileReader stat_;
};

/// Value of `btime` in the text of /proc/stat: seconds from the Unix epoch to the boot, proc(5).
std::optional<std::uint64_t> boot_time_seconds(std::string_view stat);

}  // namespace holdfast::collectors
