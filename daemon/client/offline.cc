#include "daemon/client/offline.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <thread>

#include "daemon/client/connection.h"

namespace holdfast::client {

int complain_offline(const Error& error) {
    std::cerr << "holdfast: " << error.message() << '\n';
    return Exit::usage_or_internal;
}

Result<void> write_whole(const std::filesystem::path& file, const std::string& text) {
    std::error_code why;
    const auto kind = std::filesystem::symlink_status(file, why).type();
    const bool replace = kind == std::filesystem::file_type::not_found ||
                         kind == std::filesystem::file_type::regular;
    auto temporary = file;
    temporary += replace ? ".new" : "";
    errno = 0;
    std::ofstream out{temporary, std::ios::binary | std::ios::trunc};
    out << text;
    out.close();
    if (!out) {
        const int reason = errno;
        if (replace) {
            std::filesystem::remove(temporary, why);
        }
        return failure(Errc::io, "write {}: {}", temporary.string(), std::strerror(reason));
    }
    why.clear();
    if (replace) {
        std::filesystem::rename(temporary, file, why);
    }
    if (why) {
        return failure(Errc::io, "write {}: {}", file.string(), why.message());
    }
    return {};
}

Result<void> write_result(const std::string& output, const std::string& text) {
    if (!output.empty() && output != "-") {
        return write_whole(output, text);
    }
    if (!(std::cout << text << std::flush)) {
        return failure(Errc::io, "write the result: standard output is closed");
    }
    return {};
}

void run_parallel(std::size_t count, unsigned threads,
                  const std::function<void(std::size_t)>& job) {
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        for (auto i = next++; i < count; i = next++) {
            job(i);
        }
    };
    std::vector<std::jthread> pool;
    for (std::size_t i = 1; i < std::min<std::size_t>(threads, count); ++i) {
        pool.emplace_back(work);
    }
    work();
}

rules::ForEach with_threads(unsigned threads) {
    return [threads](std::size_t n, const std::function<void(std::size_t)>& call) {
        run_parallel(n, threads, call);
    };
}

unsigned threads_for(unsigned jobs) {
    return jobs > 0 ? jobs : std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace holdfast::client
