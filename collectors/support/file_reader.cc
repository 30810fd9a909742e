#include "collectors/support/file_reader.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace holdfast::collectors {
namespace {

constexpr std::size_t first_size = 4096;

int open_to_read(const char* path) {
    int descriptor = -1;
    do {
        descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

/// From offset 0 to the end. A table of the kernel comes in pieces of a page: only an empty read is
/// the end.
tl::expected<std::string_view, int> read_all(int descriptor, std::string& buffer) {
    if (buffer.size() < first_size) {
        buffer.resize(first_size);
    }
    std::size_t size = 0;
    while (true) {
        if (size == buffer.size()) {
            buffer.resize(buffer.size() * 2);
        }
        const auto got = ::pread(descriptor, buffer.data() + size, buffer.size() - size,
                                 static_cast<off_t>(size));
        if (got > 0) {
            size += static_cast<std::size_t>(got);
        } else if (got == 0) {
            return std::string_view(buffer.data(), size);
        } else if (errno != EINTR) {
            return tl::unexpected(errno);
        }
    }
}

Errc code_of(int error_number) {
    switch (error_number) {
        case EACCES:
        case EPERM:
            return Errc::denied;
        case ENOENT:
        case EOPNOTSUPP:
            return Errc::unsupported;
        default:
            return Errc::io;
    }
}

bool is_of_kernel(int descriptor) {
    struct statfs filesystem {};
    return ::fstatfs(descriptor, &filesystem) == 0 &&
           (filesystem.f_type == PROC_SUPER_MAGIC || filesystem.f_type == SYSFS_MAGIC);
}

}  // namespace

FileReader::FileReader(std::filesystem::path path, std::string_view hint)
    : path_{std::move(path)}, hint_{hint} {}

FileReader::~FileReader() {
    close();
}

FileReader::FileReader(FileReader&& other) noexcept
    : path_{std::move(other.path_)},
      hint_{other.hint_},
      buffer_{std::move(other.buffer_)},
      descriptor_{std::exchange(other.descriptor_, -1)},
      of_kernel_{other.of_kernel_} {}

FileReader& FileReader::operator=(FileReader&& other) noexcept {
    if (this != &other) {
        close();
        path_ = std::move(other.path_);
        hint_ = other.hint_;
        buffer_ = std::move(other.buffer_);
        descriptor_ = std::exchange(other.descriptor_, -1);
        of_kernel_ = other.of_kernel_;
    }
    return *this;
}

Result<std::string_view> FileReader::read() {
    if (descriptor_ >= 0 && !of_kernel_ && replaced()) {
        close();
    }
    if (descriptor_ < 0) {
        if (const int error_number = open(); error_number != 0) {
            return tl::unexpected(file_error(path_, error_number, hint_));
        }
    }
    const auto text = read_all(descriptor_, buffer_);
    if (!text) {
        close();
        return tl::unexpected(file_error(path_, text.error(), hint_));
    }
    return *text;
}

/// 0 or the errno.
int FileReader::open() {
    descriptor_ = open_to_read(path_.c_str());
    if (descriptor_ < 0) {
        return errno;
    }
    of_kernel_ = is_of_kernel(descriptor_);
    return 0;
}

bool FileReader::replaced() const {
    struct stat here {};
    struct stat open {};
    return ::stat(path_.c_str(), &here) != 0 || ::fstat(descriptor_, &open) != 0 ||
           here.st_dev != open.st_dev || here.st_ino != open.st_ino;
}

void FileReader::close() {
    if (descriptor_ >= 0) {
        ::close(std::exchange(descriptor_, -1));
    }
}

tl::expected<std::string_view, int> read_once(const char* path, std::string& buffer) {
    const int descriptor = open_to_read(path);
    if (descriptor < 0) {
        return tl::unexpected(errno);
    }
    auto text = read_all(descriptor, buffer);
    ::close(descriptor);
    return text;
}

Error file_error(const std::filesystem::path& path, int error_number, std::string_view hint) {
    return {code_of(error_number),
            fmt::format("read {}: {}; {}", path.native(),
                        std::generic_category().message(error_number), hint)};
}

}  // namespace holdfast::collectors
