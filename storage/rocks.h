#pragma once
#include <rocksdb/db.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/result.h"
#include "storage/patient_file_system.h"

namespace holdfast::storage {

/// One column family to be opened.
struct Family {
    std::string name;
    bool cut_at_days = false;  ///< keys begin with a 2-byte day; no file spans two
    bool compressed = true;
};

enum class Access { read_write, read_only };

/// An open RocksDB with its column families in the order asked for. Sized for a small daemon: a few
/// MiB of buffers and cache. Handles die before the database, the environment last.
class Rocks {
public:
    /// Read-only it is what was written until now: a daemon may go on writing beside it.
    static Result<std::unique_ptr<Rocks>> open(const std::filesystem::path& path,
                                               const std::vector<Family>& families,
                                               Access access = Access::read_write);
    ~Rocks();
    Rocks(const Rocks&) = delete;
    Rocks& operator=(const Rocks&) = delete;

    rocksdb::DB& db() const { return *db_; }
    rocksdb::ColumnFamilyHandle* family(std::size_t index) const { return handles_[index]; }
    SpaceState& space() const { return *space_; }
    /// Errc::invalid where it was opened for reading; `doing` says what is refused.
    Result<void> writable(std::string_view doing) const;

private:
    explicit Rocks(Access access) : access_{access} {}
    static Result<std::unique_ptr<Rocks>> open_once(const std::filesystem::path& path,
                                                    const std::vector<Family>& families,
                                                    Access access);
    static Result<std::unique_ptr<Rocks>> open_beside_writer(const std::filesystem::path& path,
                                                             const std::vector<Family>& families);
    Result<void> check_format(const std::filesystem::path& path);

    Access access_;
    std::shared_ptr<SpaceState> space_ = std::make_shared<SpaceState>();
    std::unique_ptr<rocksdb::Env> env_;
    std::unique_ptr<rocksdb::DB> db_;
    std::vector<rocksdb::ColumnFamilyHandle*> handles_;
    rocksdb::ColumnFamilyHandle* default_ = nullptr;
};

/// Errc::io or corrupt from a status; `doing` says what failed.
Result<void> checked(const rocksdb::Status& status, std::string_view doing);

}  // namespace holdfast::storage
