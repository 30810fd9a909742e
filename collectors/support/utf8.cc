#include "collectors/support/utf8.h"

#include <fmt/format.h>

#include <cstddef>

namespace holdfast::collectors {
namespace {

constexpr std::size_t quoted_bytes_max = 80;

bool is_between(char c, unsigned char low, unsigned char high) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= low && byte <= high;
}

/// Bytes of the well-formed character at the beginning of `bytes`, which is not empty; 0: none.
std::size_t character_length(std::string_view bytes) {
    const auto first = static_cast<unsigned char>(bytes[0]);
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xC2 || first > 0xF4) {
        return 0;
    }
    const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    const unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (bytes.size() < length || !is_between(bytes[1], low, high)) {
        return 0;
    }
    for (std::size_t i = 2; i < length; ++i) {
        if (!is_between(bytes[i], 0x80, 0xBF)) {
            return 0;
        }
    }
    return length;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto length = character_length(bytes);
        if (length == 0) {
            return false;
        }
        bytes.remove_prefix(length);
    }
    return true;
}

std::string to_utf8(std::string_view bytes) {
    std::string text;
    text.reserve(bytes.size());
    while (!bytes.empty()) {
        const auto length = character_length(bytes);
        text += length == 0 ? std::string_view{"\xEF\xBF\xBD"} : bytes.substr(0, length);
        bytes.remove_prefix(length == 0 ? 1 : length);
    }
    return text;
}

std::string quoted(std::string_view bytes) {
    std::string text{"'"};
    for (const char c : bytes.substr(0, quoted_bytes_max)) {
        if (is_between(c, 0x20, 0x7E)) {
            text += c;
        } else {
            text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
    text += bytes.size() > quoted_bytes_max ? "…'" : "'";
    return text;
}

}  // namespace holdfast::collectors
