#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "collectors/logs/severity.h"
#include "collectors/logs/tail.h"

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

}  // namespace

/// Any bytes have a severity, and make the same lines in one piece as byte by byte.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace holdfast::collectors;
    constexpr std::size_t max_line = 16;
    const std::string_view bytes{reinterpret_cast<const char*>(data), size};
    require(severity_of(bytes) <= Severity::unknown);

    std::string in_one_piece;
    LineAssembler whole{max_line};
    whole.feed(bytes, [&](std::string_view line) {
        require(line.size() <= max_line);
        in_one_piece.append(line).append("\n");
    });
    std::string byte_by_byte;
    LineAssembler single{max_line};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        single.feed(bytes.substr(i, 1),
                    [&](std::string_view line) { byte_by_byte.append(line).append("\n"); });
    }
    require(in_one_piece == byte_by_byte);
    require(whole.long_lines() == single.long_lines());
    return 0;
}
