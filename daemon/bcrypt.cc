#include "daemon/bcrypt.h"

#include <crypt.h>
#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "collectors/support/text.h"

namespace holdfast::daemon {
namespace {

constexpr std::size_t hash_size = 60;
constexpr std::size_t salt_begin = 7;  // of `$2b$10$`
constexpr std::string_view how = "make one with: htpasswd -nBC 10 \"\" | tr -d ':'";

bool is_letter(char c) {
    return collectors::is_alphanumeric(c) || c == '.' || c == '/';
}

}  // namespace

int bcrypt_cost(std::string_view hash) {
    int cost = -1;
    const auto* const end = hash.data() + salt_begin - 1;
    return std::from_chars(hash.data() + 4, end, cost).ptr == end ? cost : -1;
}

std::string bcrypt_problem(std::string_view hash) {
    const auto begins = [&](std::string_view prefix) { return hash.starts_with(prefix); };
    if (hash.size() != hash_size || !(begins("$2a$") || begins("$2b$") || begins("$2y$")) ||
        hash[salt_begin - 1] != '$' ||
        !std::all_of(hash.begin() + salt_begin, hash.end(), is_letter) ||
        bcrypt_cost(hash) < bcrypt_cost_min) {
        return fmt::format("is no bcrypt hash; {}", how);
    }
    if (bcrypt_cost(hash) > bcrypt_cost_max) {
        return fmt::format("has the cost {}, which takes minutes; at most {}; {}",
                           bcrypt_cost(hash), bcrypt_cost_max, how);
    }
    return {};
}

bool bcrypt_matches(const std::string& password, const std::string& hash) {
    const auto scratch = std::make_unique<crypt_data>();
    const auto* const made = ::crypt_r(password.c_str(), hash.c_str(), scratch.get());
    const bool same = made != nullptr && std::string_view{made}.size() == hash.size() &&
                      CRYPTO_memcmp(made, hash.data(), hash.size()) == 0;
    OPENSSL_cleanse(scratch.get(), sizeof(crypt_data));
    // What follows a zero byte has not been looked at.
    return same && password.find('\0') == std::string::npos;
}

}  // namespace holdfast::daemon
