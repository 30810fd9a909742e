#include "storage/history_head.h"

#include "storage/cell_chunk.h"
#include "storage/varint.h"

namespace holdfast::storage {
namespace {

constexpr char format_version = 1;
constexpr std::uint64_t signals_max = std::uint64_t{1} << 32U;

}  // namespace

HistoryHead head_of(const BaselineHistory& history) {
    return {.begin = history.begin,
            .cell = history.cell,
            .signals = history.signals.size(),
            .cells = history.signals.empty() ? 0 : history.signals.front().size()};
}

std::string encode(const HistoryHead& head) {
    std::string out{format_version};
    append_varint(out, zigzag(head.begin.time_since_epoch().count()));
    append_varint(out, zigzag(head.cell.count()));
    append_varint(out, head.signals);
    append_varint(out, head.cells);
    return out;
}

Result<HistoryHead> decode_history_head(std::string_view bytes) {
    if (bytes.empty() || bytes.front() != format_version) {
        return failure(Errc::corrupt,
                       "head of a history in {} bytes has an unknown format version; restore a "
                       "backup",
                       bytes.size());
    }
    ByteReader in{bytes.substr(1)};
    const auto begin = in.varint();
    const auto cell = in.varint();
    const auto signals = in.varint();
    const auto cells = in.varint();
    if (!begin || !cell || !signals || !cells || in.left() != 0 || *signals > signals_max ||
        *cells > cells_max) {
        return failure(Errc::corrupt, "head of a history in {} bytes is damaged; restore a backup",
                       bytes.size());
    }
    return HistoryHead{.begin = Timestamp{Milliseconds{unzigzag(*begin)}},
                       .cell = Milliseconds{unzigzag(*cell)},
                       .signals = *signals,
                       .cells = *cells};
}

}  // namespace holdfast::storage
