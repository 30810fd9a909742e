#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "model/time.h"

namespace holdfast::collectors {

/// Takes a line without its end (`\n` or `\r\n`). Bytes as they are, UTF-8 or not.
using LineSink = std::function<void(std::string_view line)>;

/// Makes lines of pieces of a file. Holds at most one line of `max_line` bytes.
/// NUL bytes at the beginning of a line are no part of it: a writer that does not notice the
/// truncation of its file leaves a hole that reads as NUL, and its next line comes behind that.
class LineAssembler {
public:
    explicit LineAssembler(std::size_t max_line) : max_line_{max_line} {}

    /// Passes on each line that `bytes` completes. A line that is longer than max_line is passed on
    /// clipped, at the end of a UTF-8 character, as soon as that is known; its rest is skipped.
    void feed(std::string_view bytes, const LineSink& on_line);
    /// Passes on what has come of a line as if it had ended. Text that follows is a line of its
    /// own, a mere line end is none.
    void flush(const LineSink& on_line);
    /// Forgets the line at hand and skips what is left of it.
    void skip_line();
    /// Forgets the line at hand; what comes begins a line.
    void restart();

    bool has_partial() const { return !partial_.empty(); }
    bool is_skipping() const { return is_skipping_; }
    /// How many lines were clipped since the construction.
    std::uint64_t long_lines() const { return long_lines_; }

private:
    void append(std::string_view piece, const LineSink& on_line);
    void end_line(const LineSink& on_line);

    std::size_t max_line_;
    std::string partial_;
    bool is_skipping_ = false;
    bool was_flushed_ = false;
    std::uint64_t long_lines_ = 0;
};

struct TailOptions {
    std::filesystem::path path;
    std::size_t max_line = 65536;
    std::uint64_t max_bytes_per_step = std::uint64_t{1} << 20;
    /// More than that behind, lines are counted as flooded and not passed on.
    std::uint64_t max_lag_bytes = std::uint64_t{16} << 20;
};

/// What one step has found.
struct TailStep {
    bool is_up = false;     ///< the file is there and can be read
    bool has_file = false;  ///< a file is open: this one, or one that was rotated away
    std::uint64_t bytes = 0;
    std::uint64_t long_lines = 0;     ///< passed on clipped
    std::uint64_t flooded_lines = 0;  ///< not passed on
    std::uint64_t renames = 0;        ///< the path has another file, the former one still exists
    std::uint64_t truncates = 0;      ///< the same file begins anew (copytruncate)
    std::uint64_t recreates = 0;      ///< the path has another file, the former one was deleted
    std::uint64_t lag_bytes = 0;      ///< not read yet, at the end of the step
};

/// Follows the file at a path through its rotations and passes on each line once. The file that is
/// there at the first step is followed from its end, one that appears later from its beginning.
///
/// A file is the same while device, inode and its first 256 bytes are. A file that was rotated away
/// is read until it has stayed at its end for five seconds, since its writer may not have noticed;
/// then its descriptor is closed. One that was renamed with no successor stays open, one that was
/// deleted does not. What cannot be opened is tried again at each step. A last line without its end
/// waits one second for it. Two rotations between two steps lose the file between.
///
/// Reads regular files, which may block: not for the loop's thread. One thread at a time.
class Tail {
public:
    static constexpr std::chrono::seconds rotated_grace{5};
    static constexpr std::chrono::seconds partial_line_grace{1};

    explicit Tail(TailOptions options);
    ~Tail();
    Tail(const Tail&) = delete;
    Tail& operator=(const Tail&) = delete;
    Tail(Tail&&) noexcept;
    Tail& operator=(Tail&&) noexcept;

    /// Reads what has come since the last step, max_bytes_per_step at most, the oldest first.
    TailStep step(Timestamp now, const LineSink& on_line);

private:
    struct File;
    /// A file that was there at the first step and could not be opened.
    struct Unreadable {
        std::uint64_t device;
        std::uint64_t inode;
        std::uint64_t size;
    };

    void look_at_path(Timestamp now, TailStep& step, const LineSink& on_line);
    void open_path(Timestamp now, TailStep& step);
    void restart_if_truncated(std::uint64_t size, TailStep& step, const LineSink& on_line);
    /// Where to begin in a file that is new at the path.
    std::uint64_t first_offset(const File& file, std::uint64_t size) const;
    void read_all(Timestamp now, TailStep& step, const LineSink& on_line);
    /// Reads up to `budget` bytes and returns how many it were.
    std::uint64_t read(File& file, std::uint64_t budget, Timestamp now, TailStep& step,
                       const LineSink& on_line);
    void close_finished(Timestamp now, TailStep& step, const LineSink& on_line);

    TailOptions options_;
    bool is_first_look_ = true;
    bool is_absent_ = false;
    std::unique_ptr<File> current_;
    std::deque<std::unique_ptr<File>> rotated_;  ///< oldest first
    bool was_deleted_ = false;  ///< and closed: whatever comes next, with its inode or not, is new
    std::optional<Unreadable> unreadable_at_start_;
};

}  // namespace holdfast::collectors
