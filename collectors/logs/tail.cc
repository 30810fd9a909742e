#include "collectors/logs/tail.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace holdfast::collectors {
namespace {

constexpr std::size_t header_bytes = 256;
constexpr std::size_t read_bytes = std::size_t{64} * 1024;
constexpr std::uint64_t flood_bytes_per_step = std::uint64_t{64} << 20;
constexpr std::size_t rotated_files_max = 4;

/// Fowler, Noll, Vo: FNV-1a of 64 bits.
std::uint64_t hash_of(std::string_view bytes) {
    std::uint64_t hash = 0xCBF29CE484222325;
    for (const char c : bytes) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
    }
    return hash;
}

bool is_continuation(char c) {
    return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

/// The longest part of `text` that has at most `size` bytes and does not end within a character.
std::string_view clipped(std::string_view text, std::size_t size) {
    constexpr std::size_t continuations_max = 3;
    auto end = size;
    while (end > 0 && size - end < continuations_max && is_continuation(text[end])) {
        --end;
    }
    return text.substr(0, is_continuation(text[end]) ? size : end);
}

}  // namespace

void LineAssembler::feed(std::string_view bytes, const LineSink& on_line) {
    while (!bytes.empty()) {
        const auto length = bytes.find('\n');
        append(bytes.substr(0, length), on_line);
        if (length == std::string_view::npos) {
            return;
        }
        end_line(on_line);
        bytes.remove_prefix(length + 1);
    }
}

void LineAssembler::append(std::string_view piece, const LineSink& on_line) {
    if (is_skipping_) {
        return;
    }
    if (partial_.empty()) {
        piece.remove_prefix(std::min(piece.find_first_not_of('\0'), piece.size()));
    }
    const auto space = max_line_ - partial_.size();
    // One byte more than fits, to see where a character ends.
    partial_ += piece.substr(0, space + 1);
    if (piece.size() > space) {
        on_line(clipped(partial_, max_line_));
        ++long_lines_;
        skip_line();
    }
}

void LineAssembler::end_line(const LineSink& on_line) {
    if (!is_skipping_ && !(was_flushed_ && partial_.empty())) {
        std::string_view line{partial_};
        line.remove_suffix(line.ends_with('\r') ? 1 : 0);
        on_line(line);
    }
    restart();
}

void LineAssembler::flush(const LineSink& on_line) {
    if (has_partial()) {
        end_line(on_line);
        was_flushed_ = true;
    }
}

void LineAssembler::skip_line() {
    partial_.clear();
    is_skipping_ = true;
}

void LineAssembler::restart() {
    partial_.clear();
    is_skipping_ = false;
    was_flushed_ = false;
}

/// A file that is open, and how far it has been read.
struct Tail::File {
    explicit File(int open_descriptor, std::size_t max_line)
        : descriptor{open_descriptor}, lines{max_line} {}
    ~File() { ::close(descriptor); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    bool is_at(const struct stat& status) const {
        return device == status.st_dev && inode == status.st_ino;
    }

    /// Hash of the first `length` bytes; empty when there are not so many any more.
    std::optional<std::uint64_t> hash_of_first(std::size_t length) const {
        std::array<char, header_bytes> bytes{};
        const auto count = ::pread(descriptor, bytes.data(), length, 0);
        if (count < 0 || static_cast<std::size_t>(count) != length) {
            return std::nullopt;
        }
        return hash_of({bytes.data(), length});
    }

    /// Takes more of the first bytes into the identity, once there are more.
    void extend_header(std::uint64_t size) {
        const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(size, header_bytes));
        if (length > header_length) {
            if (const auto hash = hash_of_first(length)) {
                header_hash = *hash;
                header_length = length;
            }
        }
    }

    bool is_deleted() const {
        struct stat status {};
        return ::fstat(descriptor, &status) == 0 && status.st_nlink == 0;
    }

    std::uint64_t lag() const {
        struct stat status {};
        const bool known = ::fstat(descriptor, &status) == 0;
        const auto size = known ? static_cast<std::uint64_t>(status.st_size) : 0;
        return size > offset ? size - offset : 0;
    }

    /// The next bytes, at most `max`; none at the end, or when they cannot be read.
    std::string_view next_bytes(std::array<char, read_bytes>& buffer, std::uint64_t max) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), max));
        ssize_t count = 0;
        do {
            count = ::pread(descriptor, buffer.data(), wanted, static_cast<off_t>(offset));
        } while (count < 0 && errno == EINTR);
        if (count <= 0) {
            return {};
        }
        offset += static_cast<std::uint64_t>(count);
        return {buffer.data(), static_cast<std::size_t>(count)};
    }

    /// Goes on by `count` bytes at most and returns how many lines of them were not passed on.
    std::uint64_t skip_lines(std::uint64_t count, TailStep& step) {
        std::array<char, read_bytes> buffer;
        std::uint64_t skipped = 0;
        char last = '\n';
        while (count > 0) {
            const auto bytes = next_bytes(buffer, count);
            if (bytes.empty()) {
                break;
            }
            count -= bytes.size();
            step.bytes += bytes.size();
            skipped += static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
            last = bytes.back();
        }
        const bool was_passed_on = lines.is_skipping() && skipped > 0;
        if (last != '\n') {
            skipped += lines.is_skipping() && skipped == 0 ? 0 : 1;
            lines.skip_line();
        } else if (skipped > 0) {
            lines.restart();
        }
        return skipped - (was_passed_on ? 1 : 0);
    }

    int descriptor;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t offset = 0;
    std::uint64_t header_hash = hash_of({});
    std::size_t header_length = 0;
    LineAssembler lines;
    Timestamp quiet_since;  ///< the last data, or the rotation
    bool is_at_end = false;
};

Tail::Tail(TailOptions options) : options_{std::move(options)} {}
Tail::~Tail() = default;
Tail::Tail(Tail&&) noexcept = default;
Tail& Tail::operator=(Tail&&) noexcept = default;

TailStep Tail::step(Timestamp now, const LineSink& on_line) {
    TailStep step;
    look_at_path(now, step, on_line);
    read_all(now, step, on_line);
    close_finished(now, step, on_line);
    step.has_file = current_ || !rotated_.empty();
    for (const auto& file : rotated_) {
        step.lag_bytes += file->lag();
    }
    step.lag_bytes += current_ ? current_->lag() : 0;
    return step;
}

void Tail::look_at_path(Timestamp now, TailStep& step, const LineSink& on_line) {
    struct stat status {};
    if (::stat(options_.path.c_str(), &status) != 0) {
        const bool is_gone = errno == ENOENT || errno == ENOTDIR;
        if (is_gone && current_ && !is_absent_) {
            current_->quiet_since = now;
        }
        is_absent_ = is_gone;
        is_first_look_ = is_first_look_ && !is_gone;
        return;
    }
    is_absent_ = false;
    if (current_ && current_->is_at(status)) {
        restart_if_truncated(static_cast<std::uint64_t>(status.st_size), step, on_line);
        step.is_up = true;
    } else if (S_ISREG(status.st_mode)) {
        open_path(now, step);
    }
    is_first_look_ = false;
}

void Tail::open_path(Timestamp now, TailStep& step) {
    constexpr int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    struct stat status {};
    const int descriptor = ::open(options_.path.c_str(), flags);
    if (descriptor < 0) {
        if (is_first_look_ && ::stat(options_.path.c_str(), &status) == 0) {
            unreadable_at_start_ = Unreadable{.device = status.st_dev,
                                              .inode = status.st_ino,
                                              .size = static_cast<std::uint64_t>(status.st_size)};
        }
        return;
    }
    auto file = std::make_unique<File>(descriptor, options_.max_line);
    if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        return;
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    file->device = status.st_dev;
    file->inode = status.st_ino;
    file->extend_header(size);
    file->quiet_since = now;
    file->offset = first_offset(*file, size);
    if (current_) {
        (current_->is_deleted() ? step.recreates : step.renames) += 1;
        current_->quiet_since = now;
        rotated_.push_back(std::move(current_));
    } else if (was_deleted_) {
        ++step.recreates;
    }
    current_ = std::move(file);
    unreadable_at_start_.reset();
    was_deleted_ = false;
    step.is_up = true;
}

std::uint64_t Tail::first_offset(const File& file, std::uint64_t size) const {
    if (is_first_look_) {
        return size;
    }
    const auto& known = unreadable_at_start_;
    if (known && known->device == file.device && known->inode == file.inode &&
        known->size <= size) {
        return known->size;
    }
    return 0;
}

void Tail::restart_if_truncated(std::uint64_t size, TailStep& step, const LineSink& on_line) {
    auto& file = *current_;
    const bool is_same = file.hash_of_first(file.header_length) == file.header_hash;
    if (size < file.offset || !is_same) {
        file.lines.flush(on_line);
        file.lines.restart();
        file.offset = 0;
        file.header_length = 0;
        file.header_hash = hash_of({});
        ++step.truncates;
    }
    file.extend_header(size);
}

void Tail::read_all(Timestamp now, TailStep& step, const LineSink& on_line) {
    auto budget = options_.max_bytes_per_step;
    for (const auto& file : rotated_) {
        budget -= read(*file, budget, now, step, on_line);
    }
    if (current_) {
        read(*current_, budget, now, step, on_line);
    }
}

std::uint64_t Tail::read(File& file, std::uint64_t budget, Timestamp now, TailStep& step,
                         const LineSink& on_line) {
    const auto lag = file.lag();
    const auto lag_max = budget + options_.max_lag_bytes;
    if (lag > lag_max) {
        step.flooded_lines += file.skip_lines(std::min(lag - lag_max, flood_bytes_per_step), step);
    }
    std::array<char, read_bytes> buffer;
    const auto begin = file.offset;
    const auto long_lines_before = file.lines.long_lines();
    file.is_at_end = false;
    while (file.offset - begin < budget && !file.is_at_end) {
        const auto bytes = file.next_bytes(buffer, budget - (file.offset - begin));
        file.is_at_end = bytes.empty();
        file.lines.feed(bytes, on_line);
    }
    const auto count = file.offset - begin;
    step.bytes += count;
    step.long_lines += file.lines.long_lines() - long_lines_before;
    if (count > 0 || now < file.quiet_since) {  // or the clock was set back
        file.quiet_since = now;
    }
    if (file.is_at_end && now - file.quiet_since >= partial_line_grace) {
        file.lines.flush(on_line);
    }
    return count;
}

void Tail::close_finished(Timestamp now, TailStep& step, const LineSink& on_line) {
    const auto is_finished = [&](const File& file) {
        return file.is_at_end && now - file.quiet_since >= rotated_grace;
    };
    while (rotated_.size() > rotated_files_max) {
        auto& oldest = *rotated_.front();
        step.flooded_lines += oldest.skip_lines(oldest.lag(), step);
        rotated_.pop_front();
    }
    for (const auto& file : rotated_) {
        if (is_finished(*file)) {
            file->lines.flush(on_line);
        }
    }
    std::erase_if(rotated_, [&](const auto& file) { return is_finished(*file); });
    if (current_ && is_absent_ && current_->is_deleted() && is_finished(*current_)) {
        was_deleted_ = true;
        current_.reset();
    }
}

}  // namespace holdfast::collectors
