#include "daemon/base64.h"

#include <openssl/evp.h>

#include <algorithm>

#include "collectors/support/text.h"

namespace holdfast::daemon {
namespace {

/// OpenSSL counts bytes in int and takes them as unsigned char.
template <auto code>
std::string coded(std::string_view from, std::size_t space) {
    std::string out(space, '\0');
    const int length =
        code(reinterpret_cast<unsigned char*>(out.data()),
             reinterpret_cast<const unsigned char*>(from.data()), static_cast<int>(from.size()));
    out.resize(static_cast<std::size_t>(std::max(length, 0)));
    return out;
}

bool is_letter_of_base64(char c) {
    return collectors::is_alphanumeric(c) || c == '+' || c == '/';
}

}  // namespace

std::string base64_encoded(std::string_view bytes) {
    return coded<EVP_EncodeBlock>(bytes, (bytes.size() + 2) / 3 * 4 + 1);
}

std::optional<std::string> base64_decoded(std::string_view text) {
    // EVP_DecodeBlock itself forgives blanks, and counts padding as bytes.
    const auto letters = std::min(text.find('='), text.size());
    const auto padding = text.size() - letters;
    if (text.size() % 4 != 0 || padding > 2 ||
        !std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(letters),
                     is_letter_of_base64) ||
        text.substr(letters) != std::string_view{"=="}.substr(0, padding)) {
        return std::nullopt;
    }
    auto out = coded<EVP_DecodeBlock>(text, text.size() / 4 * 3);
    out.resize(out.size() - std::min(padding, out.size()));
    return out;
}

}  // namespace holdfast::daemon
