#pragma once
#include <filesystem>
#include <string>

#include "model/result.h"

namespace holdfast::daemon {

/// The token of the daemon whose state is in `state`: read, or made at the first start (mode 0600).
/// Errc::io when it can be neither read nor written.
Result<std::string> read_or_make_token(const std::filesystem::path& state);
/// 256 bits that nobody can guess, in hexadecimal. Errc::io when OpenSSL has no randomness.
Result<std::string> random_secret();
/// The token in `file`. Errc::io when it cannot be read.
Result<std::string> read_token(const std::filesystem::path& file);
/// Replaces `file` by one with `text`, whole or not at all.
Result<void> write_file(const std::filesystem::path& file, const std::string& text, int mode);

}  // namespace holdfast::daemon
