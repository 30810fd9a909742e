#include <cstdlib>

#include "storage/row_key.h"

/// What decodes encodes to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace holdfast::storage;
    const std::string_view bytes{reinterpret_cast<const char*>(data), size};
    const auto key = decode_row_key(bytes);
    if (key && encode(*key) != bytes) {
        std::abort();
    }
    return 0;
}
