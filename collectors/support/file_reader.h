#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "model/result.h"

namespace holdfast::collectors {

/// What to do about a file of procfs that cannot be read.
inline constexpr std::string_view procfs_hint = "check --paths.procfs and the mount";
/// What to do about a file of sysfs that cannot be read.
inline constexpr std::string_view sysfs_hint = "check --paths.sysfs and the mount";

/// Reads one small file of procfs or sysfs again and again: the descriptor stays open (saves about
/// 6 us a read) and the buffer is used again. It starts at 4 KiB and grows only when a file fills
/// it: the kernel clears as much as is asked for in every read of /proc/sys.
///
/// On any other file system, such as the fixtures of a test, the path is looked up in every call
/// and opened anew when it is another file by now. Not for more than one thread.
class FileReader {
public:
    /// `hint` ends the message of every error and must outlive the reader: a constant.
    explicit FileReader(std::filesystem::path path, std::string_view hint = procfs_hint);
    ~FileReader();
    FileReader(FileReader&& other) noexcept;
    FileReader& operator=(FileReader&& other) noexcept;
    FileReader(const FileReader&) = delete;
    FileReader& operator=(const FileReader&) = delete;

    /// The whole file as it is now; valid until the next call. `read <path>: <why>; <hint>` with
    /// Errc::denied for EACCES and EPERM, Errc::unsupported for ENOENT and EOPNOTSUPP (no such
    /// file, or PSI that is switched off), else Errc::io. After any failure the next call opens
    /// anew.
    Result<std::string_view> read();

    const std::filesystem::path& path() const { return path_; }

private:
    int open();
    bool replaced() const;
    void close();

    std::filesystem::path path_;
    std::string_view hint_;
    std::string buffer_;
    int descriptor_ = -1;
    bool of_kernel_ = false;  ///< procfs or sysfs: the path can only mean this file
};

/// The whole of a file that is opened for this one reading, into a buffer that is used again.
/// The error is the errno: a reader of processes tells those that are gone from trouble of its own.
tl::expected<std::string_view, int> read_once(const char* path, std::string& buffer);

/// The error of a file: see FileReader::read().
Error file_error(const std::filesystem::path& path, int error_number, std::string_view hint);

}  // namespace holdfast::collectors
