#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "model/baseline.h"
#include "model/cells.h"
#include "model/upgrade.h"
#include "rules/derive.h"
#include "rules/history.h"
#include "rules/judging/ensemble.h"
#include "rules/thresholds.h"

namespace holdfast::rules {

/// All that judges one upgrade: its own copy of the signal definitions, an ensemble of all signals
/// of its rules, learnt from the baseline's cells, and the thresholds of each. Pure: the same rows
/// give the same judgements, live, after a restart or replayed from the store, in whatever order
/// the sources are told, as long as the rows of one source come in time order.
///
/// A cell is judged when the clock is `upgrade.lag` beyond its end; rows that were received later
/// are too late for it, whenever they are told. Thresholds are judged with every point; those of a
/// signal that two sources feed ignore points that are told after a newer one. The cells of a trend
/// are judged by their growth (Growth), its thresholds by the points themselves.
class UpgradeWatch {
public:
    /// Learns: takes about 20 ms a signal. A rule whose signal the baseline does not have is
    /// `learning`; an implicit one has no say. Precondition: `upgrade.window_end_at` is set.
    UpgradeWatch(const Upgrade& upgrade, const Baseline& baseline, BaselineHistory history,
                 const ForEach& for_each = one_by_one);
    ~UpgradeWatch();
    UpgradeWatch(const UpgradeWatch&) = delete;
    UpgradeWatch& operator=(const UpgradeWatch&) = delete;
    UpgradeWatch(UpgradeWatch&&) noexcept;
    UpgradeWatch& operator=(UpgradeWatch&&) noexcept;

    /// A row: `received` is when it was taken, by the clock that judges.
    void observe(std::string_view source, Timestamp at, Timestamp received, const Reading& reading);
    /// Every rule's judgement at `now`, in the order of the rules: of all rows that were received
    /// before it, which must have been told. `now` never falls.
    const std::vector<Judged>& judged(Timestamp now);

private:
    struct Entry;
    void follow_growth(Entry& entry, const EnsembleSignal& signal, const BaselineHistory& history,
                       std::size_t in_baseline) const;
    void bind(std::size_t signal);
    void add(Entry& entry, const Point& point, Timestamp received);
    void start_new_proof(Entry& entry, Timestamp received);
    void take_cell();
    void judge_cells();
    void judge(const Entry& entry, Judged& out, Timestamp now) const;
    bool silent(const Entry& entry, Timestamp now) const;
    Timestamp cell_end(std::size_t cell) const;
    std::vector<std::string> unseen_jobs() const;
    void note_jobs(const SignalId& signal, const Point& point);

    Upgrade upgrade_;  ///< without its judgements
    Timestamp begin_;
    Milliseconds cell_;
    bool whole_cycle_;  ///< the baseline holds one at least
    SeasonClock clock_;
    EnsemblePlan plan_;
    SignalDeriver deriver_;
    std::vector<Entry> entries_;                       ///< those with a rule first
    std::vector<std::vector<std::size_t>> by_signal_;  ///< entries of each of the deriver's signals
    std::vector<bool> jobs_seen_;
    std::unique_ptr<EnsembleWatch> watch_;  ///< null: no signal has a baseline, or nobody waits
    std::size_t cells_taken_ = 0;
    std::vector<Judged> of_cells_;  ///< what the cells say, by rule
    std::vector<Judged> judged_;
};

}  // namespace holdfast::rules
