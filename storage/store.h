#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/alert.h"
#include "model/baseline.h"
#include "model/cells.h"
#include "model/result.h"
#include "model/sample.h"
#include "model/time.h"
#include "model/upgrade.h"

namespace holdfast::storage {

/// What one collector read at one instant. `source` is its name, with its instance after a slash.
struct Row {
    std::string source;
    Timestamp at{};
    Reading reading;
    /// When the recorder took it, by its clock; later than `at` by as long as the collector needed.
    /// What was known at a moment can be told from it. Timestamp{}: not known; the store takes it
    /// as `at`, and gives `at` back for rows of an older holdfast.
    Timestamp received{};
};

struct SampleStatistics {
    std::uint64_t rows_appended = 0;
    std::uint64_t samples_appended = 0;
    std::uint64_t bytes_appended = 0;
    std::uint64_t series = 0;
    std::uint64_t series_refused = 0;   ///< samples of series beyond the bound
    std::uint64_t waits_for_space = 0;  ///< 50 ms waits of a writer on a full disk
    bool waiting_for_space = false;
};

/// Rows that can be told again and again: stored, or made on demand.
class SampleSource {
public:
    virtual ~SampleSource() = default;

    /// Calls `visit` for the rows in `window`, those of one source in time order, until it returns
    /// false. The series of the samples are shared and stay the same objects.
    virtual Result<void> scan(const Window& window,
                              const std::function<bool(const Row&)>& visit) const = 0;
    /// From the oldest to just after the newest row, or nothing.
    virtual Result<std::optional<Window>> extent() const = 0;
};

/// Samples, one row per tick and collector. All calls may block on the disk; append, sync and
/// retain come from one thread, the others from any. Errors: Errc::io, corrupt.
class SampleStore : public SampleSource {
public:
    /// Appends rows; when it returns they survive the process, and within 5 s of sync() the power.
    virtual Result<void> append(const std::vector<std::shared_ptr<const Row>>& rows) = 0;
    virtual Result<void> sync() = 0;

    virtual std::vector<std::shared_ptr<const Series>> series() const = 0;

    /// Drops the UTC days that end before `oldest` and touch none of `pinned`.
    virtual Result<void> retain(Timestamp oldest, const std::vector<Window>& pinned) = 0;
    virtual SampleStatistics statistics() const = 0;
    /// Ends waits for space: what waits then fails. For shutdown.
    virtual void give_up_waiting() = 0;
};

/// Upgrades with their events, baselines and alerts. Every write is on the disk, synced, before the
/// call returns. baseline_history() comes from any thread, all others from one. Errors: Errc::io,
/// corrupt, not_found.
class RecordStore {
public:
    virtual ~RecordStore() = default;

    /// Writes the upgrade and appends `events` to its log, together or not at all.
    virtual Result<void> put_upgrade(const Upgrade& upgrade, const std::vector<Event>& events) = 0;
    virtual Result<std::vector<Upgrade>> upgrades() const = 0;  ///< in order of their start
    virtual Result<std::vector<Event>> events(const std::string& upgrade) const = 0;

    /// Writes the baseline and the cells that it was learnt from, together or not at all. A
    /// baseline is written once. A history whose cells have no length is none, and is not kept.
    /// Fails with Errc::invalid unless the history has one list of cells per signal of the
    /// baseline, all of the same length, at most cells_max (storage/cell_chunk.h).
    virtual Result<void> put_baseline(const Baseline& baseline, const BaselineHistory& history) = 0;
    virtual Result<Baseline> baseline(const std::string& id) const = 0;
    virtual Result<std::vector<Baseline>> baselines() const = 0;  ///< in the order they were taken
    /// The cells of a baseline, bit for bit. Errc::not_found for one that has none, because an
    /// older holdfast took it, and for one that there is not.
    virtual Result<BaselineHistory> baseline_history(const std::string& id) const = 0;

    /// Alerts that fire, or have ended and are still resent, or no Alertmanager has taken yet.
    virtual Result<void> put_alerts(const std::vector<Alert>& alerts) = 0;
    virtual Result<void> erase_alerts(const std::vector<std::string>& keys) = 0;
    virtual Result<std::vector<Alert>> alerts() const = 0;
};

struct StoreOptions {
    std::filesystem::path path;
    std::size_t series_max = 50'000;
    /// Opens what was written until now, beside a daemon that goes on writing: nothing is locked,
    /// created or changed, and calls that would write fail with Errc::invalid.
    bool read_only = false;
};

/// Opens the store at `path`, or creates it. Fails with Errc::io when it cannot be opened (another
/// daemon holds it, no permission) and Errc::unsupported when a newer holdfast wrote it. Read-only:
/// Errc::not_found where there is none, Errc::unsupported too where an older holdfast wrote it.
Result<std::unique_ptr<SampleStore>> open_sample_store(const StoreOptions& options);
Result<std::unique_ptr<RecordStore>> open_record_store(const StoreOptions& options);

/// The bytes that a baseline's digest is of: its stored form without the digest.
std::string canonical_bytes(const Baseline& baseline);

/// The bytes that a baseline's history_digest is of, from storage/history_head.h and cell_chunk.h:
/// the head, then for every signal the length of its chunk as a varint and the chunk. All signals
/// have equally many cells. Histories that are the same bit for bit give the same bytes.
std::string canonical_bytes(const BaselineHistory& history);

}  // namespace holdfast::storage
