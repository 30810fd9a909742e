#include <cstdlib>

#include "storage/sample_row.h"

/// Whatever the bytes: no crash, and what decodes is stable under encoding.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace holdfast::storage;
    const auto row = decode_row({reinterpret_cast<const char*>(data), size});
    if (row) {
        const auto bytes = encode_row(row->epoch, row->delay, row->values);
        const auto again = decode_row(bytes);
        if (!again || again->delay != row->delay ||
            encode_row(again->epoch, again->delay, again->values) != bytes) {
            std::abort();
        }
    }
    return 0;
}
