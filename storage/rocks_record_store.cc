#include <rocksdb/write_batch.h>

#include <boost/endian/conversion.hpp>
#include <charconv>

#include "storage/record_json.h"
#include "storage/rocks.h"
#include "storage/store.h"

namespace holdfast::storage {
namespace {

enum : std::size_t { upgrades_family, events_family, baselines_family, alerts_family };

std::string big_endian(std::uint64_t value) {
    boost::endian::native_to_big_inplace(value);
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// "u12" → 12 as 8 bytes, big-endian, so that ids lie in the order in which they were given.
Result<std::string> id_key(const std::string& id) {
    std::uint64_t number = 0;
    const auto* const end = id.data() + id.size();
    if (id.size() < 2 || std::from_chars(id.data() + 1, end, number).ptr != end) {
        return failure(Errc::invalid, "'{}' is no id; ids look like u1 or b1", id);
    }
    return big_endian(number);
}

class RocksRecordStore final : public RecordStore {
public:
    explicit RocksRecordStore(std::unique_ptr<Rocks> rocks) : rocks_{std::move(rocks)} {}

    Result<void> put_upgrade(const Upgrade& upgrade, const std::vector<Event>& events) override {
        const auto key = id_key(upgrade.id);
        if (!key) {
            return tl::unexpected(key.error());
        }
        rocksdb::WriteBatch batch;
        batch.Put(rocks_->family(upgrades_family), *key, encode_record(upgrade));
        for (const auto& event : events) {
            batch.Put(rocks_->family(events_family), *key + big_endian(event.sequence),
                      encode_record(event));
        }
        return write(batch, "store upgrade " + upgrade.id);
    }
    Result<std::vector<Upgrade>> upgrades() const override {
        return read_all<Upgrade>(upgrades_family, {}, "upgrade");
    }
    Result<std::vector<Event>> events(const std::string& upgrade) const override {
        const auto key = id_key(upgrade);
        if (!key) {
            return tl::unexpected(key.error());
        }
        return read_all<Event>(events_family, *key, "event of " + upgrade);
    }
    Result<void> put_baseline(const Baseline& baseline) override {
        const auto key = id_key(baseline.id);
        if (!key) {
            return tl::unexpected(key.error());
        }
        rocksdb::WriteBatch batch;
        batch.Put(rocks_->family(baselines_family), *key, encode_record(baseline));
        return write(batch, "store baseline " + baseline.id);
    }
    Result<Baseline> baseline(const std::string& id) const override {
        const auto key = id_key(id);
        if (!key) {
            return tl::unexpected(key.error());
        }
        std::string value;
        const auto status = rocks_->db().Get({}, rocks_->family(baselines_family), *key, &value);
        if (status.IsNotFound()) {
            return failure(Errc::not_found, "no baseline {}; see 'holdfast baseline list'", id);
        }
        if (auto good = checked(status, "read baseline " + id); !good) {
            return tl::unexpected(good.error());
        }
        return decode_record<Baseline>(value);
    }
    Result<std::vector<Baseline>> baselines() const override {
        return read_all<Baseline>(baselines_family, {}, "baseline");
    }
    Result<void> put_alerts(const std::vector<Alert>& alerts) override {
        rocksdb::WriteBatch batch;
        for (const auto& alert : alerts) {
            batch.Put(rocks_->family(alerts_family), alert.key, encode_record(alert));
        }
        return write(batch, "store alerts");
    }
    Result<void> erase_alerts(const std::vector<std::string>& keys) override {
        rocksdb::WriteBatch batch;
        for (const auto& key : keys) {
            batch.Delete(rocks_->family(alerts_family), key);
        }
        return write(batch, "erase alerts");
    }
    Result<std::vector<Alert>> alerts() const override {
        return read_all<Alert>(alerts_family, {}, "alert");
    }

private:
    Result<void> write(rocksdb::WriteBatch& batch, std::string_view doing) {
        rocksdb::WriteOptions synced;
        synced.sync = true;
        return checked(rocks_->db().Write(synced, &batch), doing);
    }

    template <class Record>
    Result<std::vector<Record>> read_all(std::size_t family, const std::string& prefix,
                                         std::string_view what) const {
        std::unique_ptr<rocksdb::Iterator> it{rocks_->db().NewIterator({}, rocks_->family(family))};
        std::vector<Record> out;
        for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
            auto record = decode_record<Record>(it->value().ToStringView());
            if (!record) {
                return tl::unexpected(record.error().while_doing(
                    fmt::format("read {} {}", what, it->key().ToString(true))));
            }
            out.push_back(std::move(*record));
        }
        if (auto good = checked(it->status(), fmt::format("read {}s", what)); !good) {
            return tl::unexpected(good.error());
        }
        return out;
    }

    std::unique_ptr<Rocks> rocks_;
};

}  // namespace

Result<std::unique_ptr<RecordStore>> open_record_store(const StoreOptions& options) {
    auto rocks = Rocks::open(
        options.path,
        {{.name = "upgrades"}, {.name = "events"}, {.name = "baselines"}, {.name = "alerts"}});
    if (!rocks) {
        return tl::unexpected(rocks.error());
    }
    return std::unique_ptr<RecordStore>{std::make_unique<RocksRecordStore>(std::move(*rocks))};
}

std::string canonical_bytes(const Baseline& baseline) {
    auto copy = baseline;
    copy.digest.clear();
    return encode_record(copy);
}

}  // namespace holdfast::storage
