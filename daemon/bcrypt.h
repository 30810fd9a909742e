#pragma once
#include <string>
#include <string_view>

namespace holdfast::daemon {

/// The costs that are taken: each is the double of the one before; 10 takes some 50 ms, 16 seconds.
inline constexpr int bcrypt_cost_min = 4;
inline constexpr int bcrypt_cost_max = 16;

/// What is wrong with `hash` as a bcrypt hash (`$2a$`, `$2b$` or `$2y$`, cost, 53 letters), and how
/// to make one; empty when nothing is. The hash itself is not quoted.
std::string bcrypt_problem(std::string_view hash);

/// The cost of a good hash.
int bcrypt_cost(std::string_view hash);

/// Whether `hash`, a good one, is that of `password` (crypt(5)). Takes as long as its cost says:
/// not for the loop. Of a password the first 72 bytes count.
bool bcrypt_matches(const std::string& password, const std::string& hash);

}  // namespace holdfast::daemon
