#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/varint.h"

namespace holdfast::storage {

/// Appends a sequence of integers, small when each is like those before it. The number of integers
/// is not written; no integers are no bytes. Otherwise:
///
///     byte      predictor: 0 every prediction is the base; 1 + s, s in 0…2: the first prediction
///     is
///               the base p, then p += (value - p) >> s (s = 0: the value before)
///     varint    zigzag of the base
///     2 bytes   lowest and highest symbol in use
///     nibbles   unless the two are equal: the code length of every symbol from the lowest to the
///               highest, 1…11, 0 for one not in use; the low nibble of a byte comes first
///     bits      from the lowest bit of each byte up, the last byte filled with zeros: symbols in
///               canonical Huffman code (equal ones above: no bits), each followed by its raw bits
///
///     symbol            raw bits   meaning, for residuals r = zigzag(value - prediction) mod 2^64
///     0                 0          one residual of 0
///     k in 1…22         k          2^k + raw residuals of 0
///     22 + w, w in 1…64 w - 1      one residual of w bits, 2^(w-1) + raw
///
/// What is written depends on nothing but `values`: no floating-point, no hash, no address.
void append_integers(std::string& out, std::span<const std::int64_t> values);

/// Takes `count` integers from the front of `in`; nothing when the bytes are not such a sequence.
/// Memory and work are bounded by `count`, at most 2^22.
std::optional<std::vector<std::int64_t>> read_integers(ByteReader& in, std::size_t count);

}  // namespace holdfast::storage
