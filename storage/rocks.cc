#include "storage/rocks.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_partitioner.h>
#include <rocksdb/table.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

namespace holdfast::storage {
namespace {

constexpr int format_newest = 1;
constexpr auto format_key = "format";
constexpr int openings_max = 20;
constexpr auto between_openings = std::chrono::milliseconds{50};
constexpr std::size_t mebibyte = std::size_t{1} << 20U;

rocksdb::ColumnFamilyOptions family_options(const Family& family,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
    rocksdb::ColumnFamilyOptions options;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.cache_index_and_filter_blocks = true;
    table.block_size = std::size_t{16} << 10U;
    table.format_version = 5;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options.write_buffer_size = 2 * mebibyte;
    options.target_file_size_base = 8 * mebibyte;
    options.max_bytes_for_level_base = 32 * mebibyte;
    options.level_compaction_dynamic_level_bytes = true;
    options.compression = family.compressed ? rocksdb::kZSTD : rocksdb::kNoCompression;
    if (family.cut_at_days) {
        options.sst_partitioner_factory = rocksdb::NewSstPartitionerFixedPrefixFactory(2);
    }
    return options;
}

rocksdb::DBOptions database_options(rocksdb::Env* env, Access access) {
    const bool writes = access == Access::read_write;
    rocksdb::DBOptions options;
    options.create_if_missing = writes;
    options.create_missing_column_families = writes;
    options.env = env;
    options.allow_fallocate = false;
    options.recycle_log_file_num = 0;
    options.max_total_wal_size = 8 * mebibyte;
    options.max_background_jobs = 2;
    // A reader holds all files open, or compactions of the daemon would delete them under its
    // hands.
    options.max_open_files = writes ? 128 : -1;
    options.max_file_opening_threads = 1;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
    options.max_log_file_size = mebibyte;
    options.keep_log_file_num = 2;
    options.avoid_flush_during_shutdown = false;
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    return options;
}

/// Which files hold the data: the manifest and its size. Every file that comes or goes is written
/// into it, before one that goes is deleted.
Result<std::string> files_of(const std::filesystem::path& path) {
    errno = 0;
    std::ifstream in{path / "CURRENT"};
    std::string manifest;
    if (!in || !(in >> manifest)) {
        const bool absent = errno == ENOENT || errno == ENOTDIR;
        return failure(absent ? Errc::not_found : Errc::io, "open store {}: {}; {}", path.string(),
                       absent ? "there is none" : std::strerror(errno),
                       absent ? "check --storage.path" : "run as the user that holdfastd runs as");
    }
    std::error_code error;
    const auto size = std::filesystem::file_size(path / manifest, error);
    return error ? std::string{} : fmt::format("{} {}", manifest, size);  // replaced this moment
}

rocksdb::Status open_database(const rocksdb::DBOptions& options, Access access,
                              const std::filesystem::path& path,
                              const std::vector<rocksdb::ColumnFamilyDescriptor>& families,
                              std::vector<rocksdb::ColumnFamilyHandle*>& handles,
                              rocksdb::DB*& db) {
    return access == Access::read_write
               ? rocksdb::DB::Open(options, path.string(), families, &handles, &db)
               : rocksdb::DB::OpenForReadOnly(options, path.string(), families, &handles, &db);
}

/// What to do about a store that does not open.
const char* advice(const rocksdb::Status& status) {
    const auto text = status.ToString();
    if (text.find("lock") != std::string::npos) {
        return "another holdfastd holds it: stop it or use another --storage.path";
    }
    return text.find("Column family not found") != std::string::npos
               ? "an older holdfast wrote it: start this holdfastd on it once"
               : "check --storage.path";
}

Errc code_of(const rocksdb::Status& status) {
    return status.IsCorruption()        ? Errc::corrupt
           : status.IsInvalidArgument() ? Errc::unsupported
                                        : Errc::io;
}

}  // namespace

Result<void> checked(const rocksdb::Status& status, std::string_view doing) {
    if (status.ok()) {
        return {};
    }
    if (status.IsCorruption()) {
        return failure(Errc::corrupt, "{}: {}; restore a backup", doing, status.ToString());
    }
    return failure(Errc::io, "{}: {}", doing, status.ToString());
}

Result<std::unique_ptr<Rocks>> Rocks::open(const std::filesystem::path& path,
                                           const std::vector<Family>& families, Access access) {
    if (access == Access::read_only) {
        return open_beside_writer(path, families);
    }
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) {
        return failure(Errc::io, "create store {}: {}; check --storage.path", path.string(),
                       error.message());
    }
    return open_once(path, families, access);
}

Result<std::unique_ptr<Rocks>> Rocks::open_once(const std::filesystem::path& path,
                                                const std::vector<Family>& families,
                                                Access access) {
    std::unique_ptr<Rocks> rocks{new Rocks{access}};
    rocks->env_ = make_patient_env(rocks->space_);
    const auto cache = rocksdb::NewLRUCache(4 * mebibyte, 0);
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors{
        {rocksdb::kDefaultColumnFamilyName, family_options({}, cache)}};
    for (const auto& family : families) {
        descriptors.emplace_back(family.name, family_options(family, cache));
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    const auto status = open_database(database_options(rocks->env_.get(), access), access, path,
                                      descriptors, handles, db);
    rocks->db_.reset(db);
    if (!status.ok()) {
        return failure(code_of(status), "open store {}: {}; {}", path.string(), status.ToString(),
                       advice(status));
    }
    rocks->default_ = handles.front();
    rocks->handles_.assign(handles.begin() + 1, handles.end());
    if (auto good = rocks->check_format(path); !good) {
        return tl::unexpected(good.error());
    }
    return rocks;
}

/// RocksDB reads the manifest, then the files that it names. A daemon that flushed or compacted in
/// between has deleted some of them, and their rows would be missing in silence: then once more.
Result<std::unique_ptr<Rocks>> Rocks::open_beside_writer(const std::filesystem::path& path,
                                                         const std::vector<Family>& families) {
    for (int attempt = 0; attempt < openings_max; ++attempt) {
        const auto before = files_of(path);
        if (!before) {
            return tl::unexpected(before.error());
        }
        auto rocks = open_once(path, families, Access::read_only);
        const auto after = files_of(path);
        if (after && !after->empty() && *after == *before) {
            return rocks;
        }
        std::this_thread::sleep_for(between_openings);
    }
    return failure(Errc::io, "open store {}: holdfastd rewrites it all the time; try again later",
                   path.string());
}

Result<void> Rocks::writable(std::string_view doing) const {
    if (access_ == Access::read_only) {
        return failure(Errc::invalid,
                       "{}: the store was opened for reading; ask the daemon to do it", doing);
    }
    return {};
}

Rocks::~Rocks() {
    if (!db_) {
        return;
    }
    for (auto* handle : handles_) {
        db_->DestroyColumnFamilyHandle(handle);
    }
    db_->DestroyColumnFamilyHandle(default_);
    db_->Close();
}

Result<void> Rocks::check_format(const std::filesystem::path& path) {
    std::string value;
    const auto status = db_->Get({}, default_, format_key, &value);
    if (status.IsNotFound() && access_ == Access::read_only) {
        return failure(Errc::not_found, "open store {}: it is not holdfast's; check --storage.path",
                       path.string());
    }
    if (status.IsNotFound()) {
        rocksdb::WriteOptions synced;
        synced.sync = true;
        return checked(db_->Put(synced, default_, format_key, std::to_string(format_newest)),
                       "write the format of " + path.string());
    }
    if (!status.ok()) {
        return checked(status, "read the format of " + path.string());
    }
    int format = 0;
    std::from_chars(value.data(), value.data() + value.size(), format);
    if (format < 1 || format > format_newest) {
        return failure(Errc::unsupported,
                       "open store {}: format {}, this holdfast reads up to {}; install the "
                       "holdfast that wrote it, or a newer one",
                       path.string(), value, format_newest);
    }
    return {};
}

}  // namespace holdfast::storage
