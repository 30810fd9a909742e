#include "storage/patient_file_system.h"

#include <fcntl.h>
#include <rocksdb/file_system.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace holdfast::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr auto patience = std::chrono::milliseconds{50};

IOStatus io_error(const std::string& path) {
    return IOStatus::IOError(path, std::strerror(errno));
}

/// Waits a little for space. False when the store is being closed.
bool wait_for_space(SpaceState& state) {
    if (state.give_up) {
        return false;
    }
    ++state.waits;
    ++state.waiting;
    std::this_thread::sleep_for(patience);
    --state.waiting;
    return true;
}

bool no_space() {
    return errno == ENOSPC || errno == EDQUOT;
}

/// Appends by pwrite at an offset of its own, so that a write cut short by a full disk is taken up
/// where it stopped.
class PatientFile final : public rocksdb::FSWritableFile {
public:
    PatientFile(std::string path, int fd, std::uint64_t size, std::shared_ptr<SpaceState> state)
        : path_{std::move(path)}, fd_{fd}, size_{size}, state_{std::move(state)} {}
    ~PatientFile() override {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    PatientFile(const PatientFile&) = delete;
    PatientFile& operator=(const PatientFile&) = delete;

    using rocksdb::FSWritableFile::Append;
    IOStatus Append(const Slice& data, const IOOptions& /*options*/,
                    IODebugContext* /*debug*/) override {
        for (std::size_t done = 0; done < data.size();) {
            const auto written = ::pwrite(fd_, data.data() + done, data.size() - done,
                                          static_cast<off_t>(size_ + done));
            if (written >= 0) {
                done += static_cast<std::size_t>(written);
            } else if (no_space()) {
                if (!wait_for_space(*state_)) {
                    return IOStatus::NoSpace(path_);
                }
            } else if (errno != EINTR) {
                return io_error(path_);
            }
        }
        size_ += data.size();
        return IOStatus::OK();
    }
    IOStatus Truncate(std::uint64_t size, const IOOptions& /*options*/,
                      IODebugContext* /*debug*/) override {
        if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) {
            return io_error(path_);
        }
        size_ = size;
        return IOStatus::OK();
    }
    IOStatus Close(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
        const int closed = fd_ >= 0 ? ::close(fd_) : 0;
        fd_ = -1;
        return closed == 0 ? IOStatus::OK() : io_error(path_);
    }
    IOStatus Flush(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
        return IOStatus::OK();
    }
    IOStatus Sync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
        while (::fdatasync(fd_) != 0) {
            if (!no_space()) {
                return io_error(path_);
            }
            if (!wait_for_space(*state_)) {
                return IOStatus::NoSpace(path_);
            }
        }
        return IOStatus::OK();
    }
    IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
        return Sync(options, debug);
    }
    bool IsSyncThreadSafe() const override { return true; }
    std::uint64_t GetFileSize(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
        return size_;
    }

private:
    std::string path_;
    int fd_;
    std::uint64_t size_;
    std::shared_ptr<SpaceState> state_;
};

class PatientFileSystem final : public rocksdb::FileSystemWrapper {
public:
    explicit PatientFileSystem(std::shared_ptr<SpaceState> state)
        : FileSystemWrapper(rocksdb::FileSystem::Default()), state_{std::move(state)} {}

    const char* Name() const override { return "holdfast::PatientFileSystem"; }

    IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& /*options*/,
                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                             IODebugContext* /*debug*/) override {
        return open(path, O_TRUNC, file);
    }
    IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& /*options*/,
                                std::unique_ptr<rocksdb::FSWritableFile>* file,
                                IODebugContext* /*debug*/) override {
        return open(path, 0, file);
    }

private:
    IOStatus open(const std::string& path, int flags,
                  std::unique_ptr<rocksdb::FSWritableFile>* file) {
        for (;;) {
            const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0640);
            if (fd >= 0) {
                struct stat info {};
                if (::fstat(fd, &info) != 0) {
                    ::close(fd);
                    return io_error(path);
                }
                *file = std::make_unique<PatientFile>(
                    path, fd, static_cast<std::uint64_t>(info.st_size), state_);
                return IOStatus::OK();
            }
            if (!no_space()) {
                return errno == ENOENT ? IOStatus::PathNotFound(path, std::strerror(errno))
                                       : io_error(path);
            }
            if (!wait_for_space(*state_)) {
                return IOStatus::NoSpace(path);
            }
        }
    }

    std::shared_ptr<SpaceState> state_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> make_patient_env(std::shared_ptr<SpaceState> state) {
    return rocksdb::NewCompositeEnv(std::make_shared<PatientFileSystem>(std::move(state)));
}

}  // namespace holdfast::storage
