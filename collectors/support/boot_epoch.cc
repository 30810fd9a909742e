#include "collectors/support/boot_epoch.h"

#include "collectors/support/text.h"

namespace holdfast::collectors {
namespace {

constexpr std::string_view btime_prefix = "btime ";

std::uint64_t fnv_1a(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    return hash;
}

std::string_view btime_digits(std::string_view stat) {
    while (!stat.empty()) {
        const auto line = next_line(stat);
        if (line.starts_with(btime_prefix)) {
            return trim(line.substr(btime_prefix.size()));
        }
    }
    return {};
}

}  // namespace

BootEpoch::BootEpoch(const std::filesystem::path& procfs)
    : boot_id_{procfs / "sys/kernel/random/boot_id"}, stat_{procfs / "stat"} {}

std::uint64_t BootEpoch::read() {
    if (const auto text = boot_id_.read()) {
        if (const auto id = trim(*text); !id.empty()) {
            return fnv_1a(id);
        }
    }
    if (const auto text = stat_.read()) {
        if (const auto digits = btime_digits(*text); !digits.empty()) {
            return fnv_1a(digits);
        }
    }
    return 0;
}

std::optional<std::uint64_t> boot_time_seconds(std::string_view stat) {
    return to_unsigned(btime_digits(stat));
}

}  // namespace holdfast::collectors
