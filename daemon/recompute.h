#pragma once
#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/baseline.h"
#include "model/cells.h"
#include "model/upgrade.h"
#include "rules/upgrade_watch.h"
#include "storage/store.h"

namespace holdfast::daemon {

/// Which of the stored rows a watch is told.
struct Telling {
    Timestamp until{};                         ///< rows of up to an hour later are looked at
    std::optional<Timestamp> received_before;  ///< absent: all rows
    rules::ForEach for_each = rules::one_by_one;
    std::function<bool()> cancelled = [] { return false; };  ///< true: what is told is of no use
};

/// A watch that has learnt from its baseline and knows the stored rows since the window's end.
struct ToldWatch {
    std::shared_ptr<rules::UpgradeWatch> watch;
    std::optional<Timestamp> first_row;        ///< time of the oldest one that was told
    std::optional<Timestamp> newest_received;  ///< of all rows, also those that were not told
};

/// Makes what judges `upgrade`. Blocks on the disk and burns; ends soon once it is cancelled.
/// Precondition: `upgrade.window_end_at` is set.
Result<ToldWatch> told_watch(const storage::SampleStore& samples, const Upgrade& upgrade,
                             const Baseline& baseline, BaselineHistory history,
                             const Telling& telling);

/// One field of a judgement that is not the same, bit for bit.
struct Difference {
    std::string rule;           ///< empty: of the upgrade as a whole
    std::string signal;         ///< to_string(SignalId)
    std::string field;          ///< `evidence.effect`; `judgement` where one of the two is missing
    boost::json::value stored;  ///< as the API shows it; null where there is none
    boost::json::value recomputed;
};

/// All that differs, judgement by judgement in their order. Doubles differ by their bits, but one
/// that is no number is like any other such.
std::vector<Difference> differences(const std::vector<Judged>& stored,
                                    const std::vector<Judged>& recomputed);

/// What an upgrade's rules say by what is stored.
struct Recomputed {
    Upgrade upgrade;  ///< as it is stored, with its own judgements
    Timestamp judged_at{};
    Verdict verdict = Verdict::watching;
    std::vector<Judged> judgements;
    std::optional<Timestamp> first_row;  ///< time of the oldest stored row that was judged
    /// From what is stored, the verdict too; absent where that is of another moment.
    std::optional<std::vector<Difference>> differences;
};

/// Judges upgrade `id` once more, at `at` or else when its stored judgements were made, by the rows
/// that were received before. Blocks and burns. Errc::not_found for an upgrade that there is not,
/// Errc::conflict for one that was not judged yet, Errc::invalid where `at` is not after the
/// window's end, or later than what is stored; else the stores' errors.
Result<Recomputed> recompute(const storage::SampleStore& samples,
                             const storage::RecordStore& records, const std::string& id,
                             std::optional<Timestamp> at,
                             const rules::ForEach& for_each = rules::one_by_one);

}  // namespace holdfast::daemon
