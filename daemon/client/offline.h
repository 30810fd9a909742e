#pragma once
#include <array>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "model/result.h"
#include "rules/judging/ensemble.h"

namespace holdfast::client {

// What the verbs share that judge without a daemon: replay, placebo and rules test.

/// Where a daemon on this host may have its state, the likeliest first.
inline constexpr std::array state_folders{"/var/lib/holdfast", "holdfast-data", "var"};

/// Says `error` on stderr; gives Exit::usage_or_internal, also for files: 6 is the daemon's.
int complain_offline(const Error& error);

/// Writes `text` so that `file` is seen whole or not at all; a pipe or device is written to.
Result<void> write_whole(const std::filesystem::path& file, const std::string& text);
/// Writes `text` to the file `output`, or to standard output where it is empty or `-`.
Result<void> write_result(const std::string& output, const std::string& text);

/// Calls `job` with 0 … count - 1, at most `threads` at a time, each once, and waits for all.
void run_parallel(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& job);
/// The same for the engine: which thread learns what changes nothing.
rules::ForEach with_threads(unsigned threads);
/// `jobs`, or one thread per core where it is 0.
unsigned threads_for(unsigned jobs);

}  // namespace holdfast::client
