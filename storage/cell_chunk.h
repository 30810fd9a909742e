#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "model/cells.h"
#include "model/result.h"

namespace holdfast::storage {

/// Cells of one signal that a chunk may hold.
constexpr std::size_t cells_max = std::size_t{1} << 22U;

/// The cells of one signal, bit for bit. Format 1; sequences of integers are those of
/// storage/integer_stream.h:
///
///     byte 0    format version, 1
///     varint    number of runs; present and missing cells take turns, the first run is of present
///               ones and alone may be 0. Missing: both doubles are +0.0
///     integers  lengths of the runs
///     column    denominators of the present cells; absent when there are none
///     column    numerators of the present cells; absent when there are none
///
/// A column of n doubles. Each value is the sum of the units in q / D, rounded, and e, in units:
///
///     byte      scale: 16·m + k: D = (1, 3, 9)[m] · 10^k; 48: every q is 0 and not written
///     byte      grid: 0: a unit is the step from one double to the next, -0.0 just below 0.0;
///               z in 1…63: a unit is 2^-z, and a count of 2^62 or more is 0
///     varint    g, at least 1; not written for scale 48
///     integers  n of q / g; not written for scale 48
///     integers  n of e
///
/// Integers are modulo 2^64; q / D is divided as IEEE 754 does.
///
/// Why: what is counted is whole and what is printed has few decimals, so that a sum or a mean of
/// 3·2^a·5^b of them is whole in hundredths, thirds, … but for its rounding: q is small and e
/// mostly 0. What a counter with decimals gains between two readings is off by the counter's
/// rounding, which is many steps of the gain but one or two of the grid that the counter lies on.
/// The form is chosen by a part of the column; a wrong choice costs bytes, never bits.
///
/// Measured on 8064 cells of 16 bytes, one core of a 2-core Xeon VM (`./dev bench cells`; behind
/// the bar the columns under zstd -19):
///
///     cells                                 bytes/cell   write MB/s   read MB/s | zstd -19
///     constant                                 0.005          380        3100   |  0.005
///     mean of 30 integers                      0.95           240        1200   |  1.9
///     integer ratio                            1.25           180         920   |  1.9
///     gain of a counter with two decimals      1.6            180         710   |  2.5
///     mean of 20 with four decimals            1.9            140         740   |  4.4
///     latency: such a gain over a count        2.3            140         560   |  3.9
///     mean of 300 with four decimals           2.4            200         770   |  7.0
///     doubles without a form                   6.4            190         780   |  7.5
///
/// Deterministic: the same cells bit for bit give the same bytes, and digests rely on it: a change
/// of what is written is a new format version. At most cells_max cells.
std::string encode_cells(const Cells& cells);

/// Fails with Errc::corrupt, saying which part, on bytes that are not `cells` cells in that format.
/// Work and memory are bounded by `cells`, at most cells_max, and the length of `bytes`.
Result<Cells> decode_cells(std::string_view bytes, std::size_t cells);

}  // namespace holdfast::storage
