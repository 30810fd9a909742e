#include "daemon/client/offline.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <thread>

#include "daemon/client/connection.h"
#include "model/names.h"

namespace holdfast::client {
namespace fs = std::filesystem;
namespace json = boost::json;

int complain_offline(const Error& error) {
    std::cerr << "holdfast: " << error.message() << '\n';
    return Exit::usage_or_internal;
}

json::value number_json(double value) {
    return std::isfinite(value) ? json::value(value) : json::value{};
}

json::value seconds_json(Milliseconds time) {
    const auto ms = time.count();
    return ms % 1000 == 0 ? json::value(ms / 1000) : json::value(static_cast<double>(ms) / 1000);
}

json::value seconds_json(Timestamp at) {
    return seconds_json(at.time_since_epoch());
}

json::object alert_json(const rules::EnsembleAlert& alert, const rules::EnsembleSignal& signal) {
    return {{"metric", signal.name},        {"severity", name_of(alert.severity)},
            {"at", seconds_json(alert.at)}, {"until", seconds_json(alert.until)},
            {"detector", alert.detector},   {"effect_ratio", number_json(alert.effect_ratio)}};
}

Result<void> write_whole(const fs::path& file, const std::string& text) {
    std::error_code why;
    const auto kind = fs::symlink_status(file, why).type();
    const bool replace = kind == fs::file_type::not_found || kind == fs::file_type::regular;
    auto temporary = file;
    temporary += replace ? ".new" : "";
    errno = 0;
    std::ofstream out{temporary, std::ios::binary | std::ios::trunc};
    out << text;
    out.close();
    if (!out) {
        const int reason = errno;
        if (replace) {
            fs::remove(temporary, why);
        }
        return failure(Errc::io, "write {}: {}", temporary.string(), std::strerror(reason));
    }
    why.clear();
    if (replace) {
        fs::rename(temporary, file, why);
    }
    if (why) {
        return failure(Errc::io, "write {}: {}", file.string(), why.message());
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
