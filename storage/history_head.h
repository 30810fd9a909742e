#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "model/cells.h"
#include "model/result.h"

namespace holdfast::storage {

/// What there is to know of a BaselineHistory beside its cells. Value of a baseline's first key in
/// column family `baseline_cells`:
///
///     byte 0   format version, 1
///     varint   zigzag of the time of the first cell, ms since the epoch
///     varint   zigzag of the length of a cell, ms
///     varint   number of signals
///     varint   number of cells of each signal
struct HistoryHead {
    Timestamp begin{};
    Milliseconds cell{};
    std::size_t signals = 0;
    std::size_t cells = 0;
    bool operator==(const HistoryHead&) const = default;
};

/// Of a history whose signals have equally many cells.
HistoryHead head_of(const BaselineHistory& history);

std::string encode(const HistoryHead& head);

/// Fails with Errc::corrupt on bytes that encode cannot have written, and on more signals or cells
/// than a store may hold (2^32 and cells_max).
Result<HistoryHead> decode_history_head(std::string_view bytes);

}  // namespace holdfast::storage
