#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::daemon {

/// RFC 4648, section 4, with padding.
std::string base64_encoded(std::string_view bytes);
/// Nothing for what is not base64 with its padding.
std::optional<std::string> base64_decoded(std::string_view text);

}  // namespace holdfast::daemon
