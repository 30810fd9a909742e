#pragma once
#include <string>
#include <string_view>

namespace holdfast::collectors {

/// Whether `bytes` are well-formed UTF-8 (Unicode, table 3-7): no surrogates, nothing overlong.
bool is_utf8(std::string_view bytes);

/// `bytes` with U+FFFD in place of each byte that does not belong to a well-formed character; up to
/// three times as long. For labels: what was read stays as it was.
std::string to_utf8(std::string_view bytes);

/// `bytes` for a message: at most 80 of them, what cannot be printed as `\xHH`, `…` when clipped.
std::string quoted(std::string_view bytes);

}  // namespace holdfast::collectors
