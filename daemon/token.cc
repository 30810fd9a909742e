#include "daemon/token.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace holdfast::daemon {

Result<std::string> read_token(const std::filesystem::path& file) {
    std::ifstream in{file};
    std::string token;
    if (!in || !(in >> token)) {
        return failure(Errc::io, "read {}: {}", file.string(), std::strerror(errno));
    }
    return token;
}

Result<void> write_file(const std::filesystem::path& file, const std::string& text, int mode) {
    const auto temporary = file.string() + ".new";
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        return failure(Errc::io, "write {}: {}; check --storage.path", temporary,
                       std::strerror(errno));
    }
    const auto written = ::write(fd, text.data(), text.size());
    const bool good = written == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
    const int why = errno;
    ::close(fd);
    if (!good || ::rename(temporary.c_str(), file.c_str()) != 0) {
        return failure(Errc::io, "write {}: {}; check --storage.path", file.string(),
                       std::strerror(good ? errno : why));
    }
    return {};
}

Result<std::string> random_secret() {
    std::array<unsigned char, 32> random{};
    if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
        return failure(Errc::io, "make a secret: no randomness from OpenSSL");
    }
    std::string secret;
    for (const auto byte : random) {
        secret += fmt::format("{:02x}", byte);
    }
    return secret;
}

Result<std::string> read_or_make_token(const std::filesystem::path& state) {
    const auto file = state / "token";
    if (std::filesystem::exists(file)) {
        return read_token(file);
    }
    auto token = random_secret();
    if (!token) {
        return token;
    }
    if (auto written = write_file(file, *token + "\n", 0600); !written) {
        return tl::unexpected(written.error());
    }
    return token;
}

}  // namespace holdfast::daemon
