#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/result.h"
#include "model/time.h"

namespace holdfast::storage {

/// One value of one series within a row.
struct RowValue {
    std::uint32_t series;
    double value;
};

/// Value in column family `rows`: the samples of one reading. Format 2, varints are LEB128:
///
///     byte 0      format version, 2
///     varint      epoch of the reading
///     varint      zigzag of the delay in ms: when the row was received, after the time of its key
///     varint      number of samples
///     per sample  varint: zigzag of (series id - series id before)
///                 varint: zigzag(q) · 4 + scale; the value is q / 10^(0, 2, 6) for scale 0, 1, 2
///                 scale 3: the varint is 3 and 8 bytes IEEE 754, little-endian, follow
///
/// Exact: a decimal scale is taken only when the division gives the same bits back. Format 1 had no
/// delay and is still read, with a delay of 0.
std::string encode_row(std::uint64_t epoch, Milliseconds delay,
                       const std::vector<RowValue>& values);

struct DecodedRow {
    std::uint64_t epoch = 0;
    Milliseconds delay{};
    std::vector<RowValue> values;
};

/// Fails with Errc::corrupt on any bytes that encode_row cannot have written, and on an unknown
/// version. Work and memory are bounded by the length of `bytes`.
Result<DecodedRow> decode_row(std::string_view bytes);

}  // namespace holdfast::storage
