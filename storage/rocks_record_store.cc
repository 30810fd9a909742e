#include <rocksdb/write_batch.h>

#include <boost/endian/conversion.hpp>
#include <charconv>

#include "storage/cell_chunk.h"
#include "storage/history_head.h"
#include "storage/record_json.h"
#include "storage/rocks.h"
#include "storage/store.h"
#include "storage/varint.h"

namespace holdfast::storage {
namespace {

enum : std::size_t {
    upgrades_family,
    events_family,
    baselines_family,
    alerts_family,
    baseline_cells_family
};

template <class T>
std::string big_endian(T value) {
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

/// Key in column family `baseline_cells`: that of the baseline alone for the head (history_head.h),
/// and for the chunk of a signal (cell_chunk.h) with its index among the signals, 4 bytes,
/// big-endian, behind it.
std::string cells_key(const std::string& baseline_key, std::size_t signal) {
    return baseline_key + big_endian(static_cast<std::uint32_t>(signal));
}

Result<void> check(const Baseline& baseline, const BaselineHistory& history) {
    if (history.signals.size() != baseline.signals.size()) {
        return failure(Errc::invalid, "store baseline {}: cells of {} signals, expected {}",
                       baseline.id, history.signals.size(), baseline.signals.size());
    }
    const auto cells = head_of(history).cells;
    for (const auto& signal : history.signals) {
        if (signal.size() != cells || cells > cells_max) {
            return failure(Errc::invalid,
                           "store baseline {}: {} cells of one signal, {} of the first, at most {}",
                           baseline.id, signal.size(), cells, cells_max);
        }
    }
    return {};
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
            batch.Put(rocks_->family(events_family),
                      *key + big_endian(std::uint64_t{event.sequence}), encode_record(event));
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
    Result<void> put_baseline(const Baseline& baseline, const BaselineHistory& history) override {
        const auto key = id_key(baseline.id);
        if (!key) {
            return tl::unexpected(key.error());
        }
        rocksdb::WriteBatch batch;
        batch.Put(rocks_->family(baselines_family), *key, encode_record(baseline));
        if (history.cell > Milliseconds{0}) {
            if (auto good = check(baseline, history); !good) {
                return good;
            }
            auto* const family = rocks_->family(baseline_cells_family);
            batch.Put(family, *key, encode(head_of(history)));
            for (std::size_t i = 0; i < history.signals.size(); ++i) {
                batch.Put(family, cells_key(*key, i), encode_cells(history.signals[i]));
            }
        }
        return write(batch, "store baseline " + baseline.id);
    }
    Result<Baseline> baseline(const std::string& id) const override {
        const auto record = baseline_record(id);
        if (!record) {
            return tl::unexpected(record.error());
        }
        return decode_record<Baseline>(*record);
    }
    Result<std::vector<Baseline>> baselines() const override {
        return read_all<Baseline>(baselines_family, {}, "baseline");
    }
    Result<BaselineHistory> baseline_history(const std::string& id) const override {
        if (const auto known = baseline_record(id); !known) {
            return tl::unexpected(known.error());
        }
        auto history = read_history(id_key(id).value());
        if (!history) {
            return tl::unexpected(
                history.error().while_doing(fmt::format("read the cells of baseline {}", id)));
        }
        return history;
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
    Result<std::string> baseline_record(const std::string& id) const {
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
        return value;
    }
    Result<BaselineHistory> read_history(const std::string& key) const {
        std::unique_ptr<rocksdb::Iterator> it{
            rocks_->db().NewIterator({}, rocks_->family(baseline_cells_family))};
        it->Seek(key);
        const bool found = it->Valid() && it->key() == key;
        if (auto good = checked(it->status(), "read the head"); !good) {
            return tl::unexpected(good.error());
        }
        if (!found) {
            return failure(Errc::not_found,
                           "there are none, an older holdfast took it; take the baseline anew with "
                           "'holdfast baseline take'");
        }
        const auto head = decode_history_head(it->value().ToStringView());
        if (!head) {
            return tl::unexpected(head.error());
        }
        BaselineHistory history{.begin = head->begin, .cell = head->cell};
        for (std::size_t i = 0; i < head->signals; ++i) {
            it->Next();
            const bool next = it->Valid() && it->key() == cells_key(key, i);
            if (auto good = checked(it->status(), fmt::format("read signal {}", i)); !good) {
                return tl::unexpected(good.error());
            }
            if (!next) {
                return failure(Errc::corrupt, "signal {} of {} has none; restore a backup", i,
                               head->signals);
            }
            auto cells = decode_cells(it->value().ToStringView(), head->cells);
            if (!cells) {
                return tl::unexpected(cells.error().while_doing(fmt::format("signal {}", i)));
            }
            history.signals.push_back(std::move(*cells));
        }
        return history;
    }
    Result<void> write(rocksdb::WriteBatch& batch, std::string_view doing) {
        if (auto good = rocks_->writable(doing); !good) {
            return good;
        }
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
        {{.name = "upgrades"},
         {.name = "events"},
         {.name = "baselines"},
         {.name = "alerts"},
         {.name = "baseline_cells", .compressed = false}},  // chunks are as small as they get
        options.read_only ? Access::read_only : Access::read_write);
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

std::string canonical_bytes(const BaselineHistory& history) {
    auto out = encode(head_of(history));
    for (const auto& cells : history.signals) {
        const auto chunk = encode_cells(cells);
        append_varint(out, chunk.size());
        out += chunk;
    }
    return out;
}

}  // namespace holdfast::storage
