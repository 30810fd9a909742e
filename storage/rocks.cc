#include "storage/rocks.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_partitioner.h>
#include <rocksdb/table.h>

#include <charconv>

namespace holdfast::storage {
namespace {

constexpr int format_newest = 1;
constexpr auto format_key = "format";
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

rocksdb::DBOptions database_options(rocksdb::Env* env) {
    rocksdb::DBOptions options;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.env = env;
    options.allow_fallocate = false;
    options.recycle_log_file_num = 0;
    options.max_total_wal_size = 8 * mebibyte;
    options.max_background_jobs = 2;
    options.max_open_files = 128;
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
                                           const std::vector<Family>& families) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) {
        return failure(Errc::io, "create store {}: {}; check --storage.path", path.string(),
                       error.message());
    }
    std::unique_ptr<Rocks> rocks{new Rocks};
    rocks->env_ = make_patient_env(rocks->space_);
    const auto cache = rocksdb::NewLRUCache(4 * mebibyte, 0);
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors{
        {rocksdb::kDefaultColumnFamilyName, family_options({}, cache)}};
    for (const auto& family : families) {
        descriptors.emplace_back(family.name, family_options(family, cache));
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    const auto status = rocksdb::DB::Open(database_options(rocks->env_.get()), path.string(),
                                          descriptors, &handles, &db);
    rocks->db_.reset(db);
    if (!status.ok()) {
        const bool held = status.ToString().find("lock") != std::string::npos;
        return failure(status.IsCorruption() ? Errc::corrupt : Errc::io, "open store {}: {}; {}",
                       path.string(), status.ToString(),
                       held ? "another holdfastd holds it: stop it or use another --storage.path"
                            : "check --storage.path");
    }
    rocks->default_ = handles.front();
    rocks->handles_.assign(handles.begin() + 1, handles.end());
    if (auto good = rocks->check_format(path); !good) {
        return tl::unexpected(good.error());
    }
    return rocks;
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
