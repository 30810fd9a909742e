#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/result.h"
#include "model/time.h"

namespace holdfast::storage {

/// Key in column family `rows`. Fixed on disk: 14 bytes whose bytewise order is (day, source,
/// time).
///
///     offset  0..1                    2..5                    6..13
///     field   UTC day since 1970, BE  source id, big-endian   ms since the epoch, BE, sign flipped
///
/// The day comes first so that files end at day borders and retention drops whole files.
struct RowKey {
    std::uint32_t source = 0;
    Timestamp at{};

    /// Day of `at`; times outside 1970…2149 are clamped to the ends.
    std::uint16_t day() const;
    auto operator<=>(const RowKey&) const = default;
};

std::string encode(const RowKey& key);

/// Fails with Errc::corrupt on a wrong length or a day that is not the time's.
Result<RowKey> decode_row_key(std::string_view bytes);

/// First key of a day, and of a source within it.
std::string day_prefix(std::uint16_t day);
std::string source_prefix(std::uint16_t day, std::uint32_t source);

}  // namespace holdfast::storage
