#include <rocksdb/convenience.h>
#include <rocksdb/write_batch.h>

#include <boost/endian/conversion.hpp>
#include <mutex>
#include <unordered_map>

#include "storage/rocks.h"
#include "storage/row_key.h"
#include "storage/sample_row.h"
#include "storage/store.h"

namespace holdfast::storage {
namespace {

enum : std::size_t { rows_family, series_family, sources_family };
constexpr char series_version = 1;
constexpr char separator = '\x1f';  // between the parts of a stored series; no label holds it

std::string id_key(std::uint32_t id) {
    boost::endian::native_to_big_inplace(id);
    return {reinterpret_cast<const char*>(&id), sizeof id};
}

std::optional<std::uint32_t> id_of(const rocksdb::Slice& key) {
    if (key.size() != sizeof(std::uint32_t)) {
        return std::nullopt;
    }
    return boost::endian::load_big_u32(reinterpret_cast<const unsigned char*>(key.data()));
}

/// Value in column family `series`: version, type, metric, then name and value of each label, the
/// parts set apart by 0x1f.
std::string encode_series(const Series& series) {
    std::string out{series_version, static_cast<char>(series.type)};
    out += series.metric;
    for (const auto& [name, value] : series.labels) {
        (out += separator) += name;
        (out += separator) += value;
    }
    return out;
}

std::optional<Series> decode_series(std::string_view bytes) {
    if (bytes.size() < 3 || bytes[0] != series_version || bytes[1] < 0 || bytes[1] > 1) {
        return std::nullopt;
    }
    Series series{.type = static_cast<SeriesType>(bytes[1])};
    bytes.remove_prefix(2);
    const auto part = [&bytes]() -> std::string {
        const auto end = std::min(bytes.find(separator), bytes.size());
        std::string out{bytes.substr(0, end)};
        bytes.remove_prefix(std::min(end + 1, bytes.size()));
        return out;
    };
    series.metric = part();
    while (!bytes.empty()) {
        auto name = part();
        series.labels[std::move(name)] = part();
    }
    return series;
}

bool storable(const Series& series) {
    const auto clean = [](const std::string& text) {
        return text.find(separator) == std::string::npos;
    };
    for (const auto& [name, value] : series.labels) {
        if (!clean(name) || !clean(value)) {
            return false;
        }
    }
    return !series.metric.empty() && clean(series.metric);
}

std::uint64_t milliseconds(Timestamp at) {
    return static_cast<std::uint64_t>(at.time_since_epoch().count());
}

// Both modulo 2^64: a clock that is centuries off, or bytes that are, must not overflow.
Milliseconds delay_of(const Row& row) {
    if (row.received == Timestamp{}) {
        return Milliseconds{0};
    }
    return Milliseconds{
        static_cast<std::int64_t>(milliseconds(row.received) - milliseconds(row.at))};
}
Timestamp after(Timestamp at, Milliseconds delay) {
    return Timestamp{Milliseconds{
        static_cast<std::int64_t>(milliseconds(at) + static_cast<std::uint64_t>(delay.count()))}};
}

class RocksSampleStore final : public SampleStore {
public:
    RocksSampleStore(std::unique_ptr<Rocks> rocks, std::size_t series_max)
        : rocks_{std::move(rocks)}, series_max_{series_max} {}

    Result<void> load();

    Result<void> append(const std::vector<std::shared_ptr<const Row>>& rows) override;
    Result<void> sync() override {
        if (auto good = rocks_->writable("sync the samples' write-ahead log"); !good) {
            return good;
        }
        return checked(rocks_->db().FlushWAL(true), "sync the samples' write-ahead log");
    }
    Result<void> scan(const Window& window,
                      const std::function<bool(const Row&)>& visit) const override;
    Result<std::optional<Window>> extent() const override;
    std::vector<std::shared_ptr<const Series>> series() const override;
    Result<void> retain(Timestamp oldest, const std::vector<Window>& pinned) override;
    SampleStatistics statistics() const override;
    void give_up_waiting() override { rocks_->space().give_up = true; }

private:
    std::uint32_t source_id(const std::string& source, rocksdb::WriteBatch& batch);
    std::optional<std::uint32_t> series_id(const std::shared_ptr<const Series>& series,
                                           rocksdb::WriteBatch& batch);
    std::unique_ptr<rocksdb::Iterator> rows() const {
        return std::unique_ptr<rocksdb::Iterator>{
            rocks_->db().NewIterator({}, rocks_->family(rows_family))};
    }
    /// Rows of one source on one day; false when `visit` ended the scan.
    Result<bool> scan_source(rocksdb::Iterator& it, std::uint16_t day, std::uint32_t source,
                             const Window& window,
                             const std::function<bool(const Row&)>& visit) const;
    Result<Row> decode(std::uint32_t source, Timestamp at, std::string_view value) const;

    std::unique_ptr<Rocks> rocks_;
    std::size_t series_max_;
    mutable std::mutex mutex_;  // guards all below; appends come from one thread, reads from any
    std::vector<std::string> sources_;
    std::unordered_map<std::string, std::uint32_t> source_ids_;
    std::vector<std::shared_ptr<const Series>> series_;
    std::unordered_map<std::string, std::uint32_t> series_ids_;
    struct Known {
        std::weak_ptr<const Series> series;  ///< expired: the address may be another series now
        std::uint32_t id;
    };
    std::unordered_map<const Series*, Known> by_address_;
    SampleStatistics statistics_;
};

Result<void> RocksSampleStore::load() {
    const auto load_family = [this](std::size_t family, auto&& take) -> Result<void> {
        std::unique_ptr<rocksdb::Iterator> it{rocks_->db().NewIterator({}, rocks_->family(family))};
        for (it->SeekToFirst(); it->Valid(); it->Next()) {
            const auto id = id_of(it->key());
            if (!id || !take(*id, it->value().ToStringView())) {
                return failure(Errc::corrupt,
                               "open the sample store: bad entry {}; restore a "
                               "backup",
                               it->key().ToString(true));
            }
        }
        return checked(it->status(), "open the sample store");
    };
    auto loaded = load_family(sources_family, [this](std::uint32_t id, std::string_view name) {
        source_ids_.emplace(name, id);
        sources_.emplace_back(name);
        return id + 1 == sources_.size();
    });
    if (!loaded) {
        return loaded;
    }
    return load_family(series_family, [this](std::uint32_t id, std::string_view bytes) {
        auto decoded = decode_series(bytes);
        if (!decoded || id != series_.size()) {
            return false;
        }
        series_ids_.emplace(to_string(*decoded), id);
        series_.push_back(std::make_shared<const Series>(std::move(*decoded)));
        statistics_.series = series_.size();
        return true;
    });
}

std::uint32_t RocksSampleStore::source_id(const std::string& source, rocksdb::WriteBatch& batch) {
    const auto [found, created] =
        source_ids_.try_emplace(source, static_cast<std::uint32_t>(sources_.size()));
    if (created) {
        sources_.push_back(source);
        batch.Put(rocks_->family(sources_family), id_key(found->second), source);
    }
    return found->second;
}

std::optional<std::uint32_t> RocksSampleStore::series_id(
    const std::shared_ptr<const Series>& series, rocksdb::WriteBatch& batch) {
    if (const auto known = by_address_.find(series.get());
        known != by_address_.end() && !known->second.series.expired()) {
        return known->second.id;
    }
    auto key = to_string(*series);
    auto found = series_ids_.find(key);
    if (found == series_ids_.end()) {
        if (series_.size() >= series_max_ || !storable(*series)) {
            ++statistics_.series_refused;
            return std::nullopt;
        }
        const auto id = static_cast<std::uint32_t>(series_.size());
        series_.push_back(std::make_shared<const Series>(*series));
        statistics_.series = series_.size();
        batch.Put(rocks_->family(series_family), id_key(id), encode_series(*series));
        found = series_ids_.emplace(std::move(key), id).first;
    }
    if (by_address_.size() > 2 * series_max_) {
        by_address_.clear();  // addresses of collectors long gone
    }
    by_address_[series.get()] = {series, found->second};
    return found->second;
}

Result<void> RocksSampleStore::append(const std::vector<std::shared_ptr<const Row>>& rows) {
    if (auto good = rocks_->writable("append samples"); !good) {
        return good;
    }
    rocksdb::WriteBatch batch;
    std::vector<RowValue> values;
    std::uint64_t samples = 0;
    {
        const std::lock_guard lock{mutex_};
        for (const auto& row : rows) {
            values.clear();
            for (const auto& sample : row->reading.samples) {
                if (const auto id = series_id(sample.series, batch)) {
                    values.push_back({*id, sample.value});
                }
            }
            samples += values.size();
            batch.Put(rocks_->family(rows_family),
                      encode(RowKey{source_id(row->source, batch), row->at}),
                      encode_row(row->reading.epoch, delay_of(*row), values));
        }
    }
    if (auto written = checked(rocks_->db().Write({}, &batch), "append samples"); !written) {
        return written;
    }
    const std::lock_guard lock{mutex_};
    statistics_.rows_appended += rows.size();
    statistics_.samples_appended += samples;
    statistics_.bytes_appended += batch.GetDataSize();
    return {};
}

Result<void> RocksSampleStore::scan(const Window& window,
                                    const std::function<bool(const Row&)>& visit) const {
    if (window.end <= window.begin) {
        return {};
    }
    std::size_t sources = 0;
    {
        const std::lock_guard lock{mutex_};
        sources = sources_.size();
    }
    const auto it = rows();
    const auto last_day = RowKey{0, window.end - Milliseconds{1}}.day();
    for (std::uint32_t day = RowKey{0, window.begin}.day(); day <= last_day; ++day) {
        for (std::uint32_t source = 0; source < sources; ++source) {
            const auto more =
                scan_source(*it, static_cast<std::uint16_t>(day), source, window, visit);
            if (!more) {
                return tl::unexpected(more.error());
            }
            if (!*more) {
                return {};
            }
        }
    }
    return {};
}

Result<bool> RocksSampleStore::scan_source(rocksdb::Iterator& it, std::uint16_t day,
                                           std::uint32_t source, const Window& window,
                                           const std::function<bool(const Row&)>& visit) const {
    const auto prefix = source_prefix(day, source);
    const RowKey first{source, window.begin};
    it.Seek(first.day() == day ? encode(first) : prefix);
    for (; it.Valid() && it.key().starts_with(prefix); it.Next()) {
        const auto key = decode_row_key(it.key().ToStringView());
        if (!key) {
            return tl::unexpected(key.error());
        }
        if (key->at >= window.end) {
            break;
        }
        const auto row = decode(source, key->at, it.value().ToStringView());
        if (!row) {
            return tl::unexpected(row.error());
        }
        if (!visit(*row)) {
            return false;
        }
    }
    if (auto good = checked(it.status(), "read samples"); !good) {
        return tl::unexpected(good.error());
    }
    return true;
}

Result<Row> RocksSampleStore::decode(std::uint32_t source, Timestamp at,
                                     std::string_view value) const {
    auto decoded = decode_row(value);
    if (!decoded) {
        return tl::unexpected(decoded.error());
    }
    const std::lock_guard lock{mutex_};
    Row row{.source = sources_[source],
            .at = at,
            .reading = {.epoch = decoded->epoch},
            .received = after(at, decoded->delay)};
    row.reading.samples.reserve(decoded->values.size());
    for (const auto& v : decoded->values) {
        if (v.series >= series_.size()) {
            return failure(Errc::corrupt, "row of {} names series {} of {}; restore a backup",
                           row.source, v.series, series_.size());
        }
        row.reading.samples.push_back({series_[v.series], at, v.value});
    }
    return row;
}

Result<std::optional<Window>> RocksSampleStore::extent() const {
    const auto it = rows();
    it->SeekToFirst();
    if (!it->Valid()) {
        if (auto good = checked(it->status(), "read the extent of the samples"); !good) {
            return tl::unexpected(good.error());
        }
        return std::optional<Window>{};
    }
    std::size_t sources = 0;
    {
        const std::lock_guard lock{mutex_};
        sources = sources_.size();
    }
    std::optional<Window> extent;
    const auto include = [&extent](const rocksdb::Slice& key) {
        if (const auto decoded = decode_row_key(key.ToStringView())) {
            const Window one{decoded->at, decoded->at + Milliseconds{1}};
            extent =
                extent ? Window{std::min(extent->begin, one.begin), std::max(extent->end, one.end)}
                       : one;
        }
    };
    const auto first = decode_row_key(it->key().ToStringView());
    it->SeekToLast();
    const auto last = decode_row_key(it->key().ToStringView());
    if (!first || !last) {
        return tl::unexpected((first ? last : first).error());
    }
    for (std::uint32_t source = 0; source < sources; ++source) {
        it->Seek(source_prefix(first->day(), source));
        if (it->Valid() && it->key().starts_with(source_prefix(first->day(), source))) {
            include(it->key());
        }
        it->SeekForPrev(source_prefix(last->day(), source + 1));
        if (it->Valid()) {
            include(it->key());
        }
    }
    return extent;
}

std::vector<std::shared_ptr<const Series>> RocksSampleStore::series() const {
    const std::lock_guard lock{mutex_};
    return series_;
}

Result<void> RocksSampleStore::retain(Timestamp oldest, const std::vector<Window>& pinned) {
    if (auto good = rocks_->writable("drop old samples"); !good) {
        return good;
    }
    const auto it = rows();
    it->SeekToFirst();
    const auto first =
        it->Valid() ? decode_row_key(it->key().ToStringView()) : Result<RowKey>{RowKey{0, oldest}};
    if (!first) {
        return tl::unexpected(first.error());
    }
    const auto touches_pinned = [&pinned](std::uint16_t day) {
        for (const auto& window : pinned) {
            if (window.begin < window.end && RowKey{0, window.begin}.day() <= day &&
                day <= RowKey{0, window.end - Milliseconds{1}}.day()) {
                return true;
            }
        }
        return false;
    };
    auto* const family = rocks_->family(rows_family);
    for (auto day = first->day(); day < RowKey{0, oldest}.day(); ++day) {
        if (touches_pinned(day)) {
            continue;
        }
        const auto begin = day_prefix(day);
        const auto end = day_prefix(static_cast<std::uint16_t>(day + 1));
        const rocksdb::Slice begin_slice{begin};
        const rocksdb::Slice end_slice{end};
        // Whole files go at once; what lies in the memtable or shares a file goes by a tombstone.
        auto status =
            rocksdb::DeleteFilesInRange(&rocks_->db(), family, &begin_slice, &end_slice, false);
        if (status.ok()) {
            status = rocks_->db().DeleteRange({}, family, begin, end);
        }
        if (auto done = checked(status, "drop old samples"); !done) {
            return done;
        }
    }
    return {};
}

SampleStatistics RocksSampleStore::statistics() const {
    const std::lock_guard lock{mutex_};
    auto out = statistics_;
    out.waits_for_space = rocks_->space().waits;
    out.waiting_for_space = rocks_->space().waiting > 0;
    return out;
}

}  // namespace

Result<std::unique_ptr<SampleStore>> open_sample_store(const StoreOptions& options) {
    auto rocks = Rocks::open(
        options.path,
        {{.name = "rows", .cut_at_days = true}, {.name = "series"}, {.name = "sources"}},
        options.read_only ? Access::read_only : Access::read_write);
    if (!rocks) {
        return tl::unexpected(rocks.error());
    }
    auto store = std::make_unique<RocksSampleStore>(std::move(*rocks), options.series_max);
    if (auto loaded = store->load(); !loaded) {
        return tl::unexpected(loaded.error());
    }
    return std::unique_ptr<SampleStore>{std::move(store)};
}

}  // namespace holdfast::storage
