#include <cstdlib>
#include <cstring>

#include "storage/cell_chunk.h"

namespace {

using namespace holdfast;
using namespace holdfast::storage;

bool same_bits(const Cells& a, const Cells& b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Cell)) == 0);
}

void expect_back(const Cells& cells) {
    const auto bytes = encode_cells(cells);
    const auto back = decode_cells(bytes, cells.size());
    if (!back || !same_bits(*back, cells) || encode_cells(*back) != bytes) {
        std::abort();
    }
}

}  // namespace

/// Two bytes say how many cells, the others are read as a chunk: no crash, and what decodes comes
/// back from its encoding bit for bit. They are also read as doubles, which come back as well.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string_view bytes{reinterpret_cast<const char*>(data) + 2, size - 2};
    if (const auto cells = decode_cells(bytes, data[0] + 256U * data[1])) {
        expect_back(*cells);
    }
    Cells cells(bytes.size() / sizeof(Cell));
    if (!cells.empty()) {
        std::memcpy(cells.data(), bytes.data(), cells.size() * sizeof(Cell));
        expect_back(cells);
    }
    return 0;
}
