#include "rules/upgrade_watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "rules/bound_signals.h"
#include "rules/growth.h"
#include "rules/judging/reasons.h"
#include "rules/words.h"

namespace holdfast::rules {
namespace {

constexpr std::size_t cells_max = 60'000;  // 200 days of 5 min: then the watch has ended
constexpr auto silence_min = std::chrono::seconds{15};
constexpr int silence_steps = 10;

Timestamp history_end(const BaselineHistory& history) {
    return history.begin + history.cell * static_cast<std::int64_t>(history.signals.front().size());
}

/// Puts the cells before the upgrade: what lies between is missing. Cells of a baseline of long ago
/// are moved by whole cycles, each to the same local time, so that every season stays where it is.
void put_before(BaselineHistory& history, Timestamp upgrade, Milliseconds cycle,
                const UtcOffsets& offsets) {
    if (history.signals.empty() || history.cell <= Milliseconds{0}) {
        history.begin = upgrade;
        return;
    }
    const auto old_size = history.signals.front().size();
    const auto gap = upgrade - history_end(history);
    const auto shift = std::max<std::int64_t>(0, gap / cycle) * cycle;
    const bool local = cycle % std::chrono::hours{24} == Milliseconds{0};
    const auto moved = [&](Timestamp at) {
        const auto later = at + shift;
        return local ? later + offset_at(offsets, at) - offset_at(offsets, later) : later;
    };
    const auto size = static_cast<std::int64_t>(old_size) + (gap - shift) / history.cell;
    const auto begin = upgrade - history.cell * std::max<std::int64_t>(0, size);
    for (auto& signal : history.signals) {
        Cells cells(static_cast<std::size_t>(std::max<std::int64_t>(0, size)));
        for (std::size_t k = 0; k < signal.size(); ++k) {
            const auto at = moved(history.begin + history.cell * static_cast<std::int64_t>(k));
            const auto place = static_cast<std::size_t>((at - begin) / history.cell);
            if (at >= begin && place < cells.size()) {
                cells[place] = signal[k];
            }
        }
        signal = std::move(cells);
    }
    history.begin = begin;
}

}  // namespace

/// One rule with one signal, or a signal that only explains others.
struct UpgradeWatch::Entry {
    Entry(std::optional<Rule> the_rule, SignalId id, CellSeries series)
        : rule{std::move(the_rule)},
          signal{std::move(id)},
          cells{std::move(series)},
          thresholds{rule ? rule->thresholds : std::vector<Threshold>{}, signal.name,
                     to_string(signal)} {}

    std::optional<Rule> rule;
    SignalId signal;
    SignalBaseline baseline;  ///< empty where it knows nothing of the signal
    CellSeries cells;
    ThresholdWatch thresholds;
    std::optional<std::size_t> place;     ///< in the ensemble
    std::optional<Growth> growth;         ///< of a trend: what the ensemble is told
    std::optional<Timestamp> last_point;  ///< newest
    bool bound = false;                   ///< to a signal of the deriver
    std::optional<Milliseconds> step;     ///< smallest time between two points
    double last_value = 0;
    std::vector<std::size_t> new_proofs;  ///< cells after which its proof starts anew, rising
    Timestamp proof_begin{};              ///< what is judged before it proves nothing
};

UpgradeWatch::~UpgradeWatch() = default;
UpgradeWatch::UpgradeWatch(UpgradeWatch&&) noexcept = default;
UpgradeWatch& UpgradeWatch::operator=(UpgradeWatch&&) noexcept = default;

UpgradeWatch::UpgradeWatch(const Upgrade& upgrade, const Baseline& baseline,
                           BaselineHistory history, const ForEach& for_each)
    : upgrade_{upgrade},
      begin_{*upgrade.window_end_at},
      cell_{cell_of(baseline, upgrade.cycle)},
      whole_cycle_{baseline.whole_cycles >= 1},
      clock_{upgrade.cycle, baseline.offsets},
      plan_{.upgrade = begin_,
            .planned_end = begin_ + upgrade.cycle,
            .cell = cell_,
            .cycle = upgrade.cycle,
            .warmup = upgrade.warmup,
            .offsets = baseline.offsets,
            .levels = upgrade.levels},
      deriver_{upgrade.signals},
      jobs_seen_(upgrade.jobs.size(), false) {
    upgrade_.judgements.clear();
    auto made = bind_signals(upgrade.rules, upgrade.signals, upgrade.load, baseline, history);
    entries_.reserve(made.bound.size());
    for (auto& bound : made.bound) {
        const auto* const known =
            bound.in_baseline ? &baseline.signals[*bound.in_baseline] : nullptr;
        auto& e = entries_.emplace_back(
            std::move(bound.rule), std::move(bound.signal),
            CellSeries{known != nullptr ? known->kind : Kind::gauge, begin_, cell_, cells_max});
        e.baseline = known != nullptr ? *known : SignalBaseline{};
        e.place = bound.in_ensemble;
        e.proof_begin = begin_;
        if (e.place && known->kind == Kind::trend) {
            follow_growth(e, made.signals[*e.place], history, *bound.in_baseline);
        }
    }
    BaselineHistory learnt{history.begin, history.cell, std::move(made.cells)};
    history = {};
    put_before(learnt, begin_, upgrade.cycle, baseline.offsets);
    plan_.begin = learnt.begin;
    if (!made.signals.empty() && !learnt.signals.front().empty()) {
        auto model = learn_ensemble(plan_, std::move(made.signals), learnt.signals, for_each);
        watch_ = model ? std::make_unique<EnsembleWatch>(std::move(model)) : nullptr;
    }
    judge_cells();
}

/// The ensemble is told the growth of a trend, which goes on from the levels before the upgrade.
void UpgradeWatch::follow_growth(Entry& entry, const EnsembleSignal& signal,
                                 const BaselineHistory& history, std::size_t in_baseline) const {
    const auto steps = growth_steps(plan_.cycle, cell_);
    entry.growth.emplace(
        levels_before(history.signals[in_baseline], history.begin, cell_, begin_, steps), cell_,
        signal.shrinks ? Direction::down : Direction::up);
    // Until then it is in part the growth of before the upgrade, which proves nothing.
    entry.new_proofs.push_back(steps - 1);
    entry.proof_begin = cell_end(steps - 1);
}

Timestamp UpgradeWatch::cell_end(std::size_t cell) const {
    return begin_ + cell_ * static_cast<std::int64_t>(cell + 1);
}

void UpgradeWatch::observe(std::string_view source, Timestamp at, Timestamp received,
                           const Reading& reading) {
    if (at < begin_) {
        return;  // a row on its way at the window's end
    }
    for (const auto& [index, point] : deriver_.derive(source, at, reading)) {
        while (by_signal_.size() <= index) {
            bind(by_signal_.size());
        }
        note_jobs(deriver_.id(index), point);
        for (const auto entry : by_signal_[index]) {
            add(entries_[entry], point, received);
        }
    }
}

void UpgradeWatch::bind(std::size_t signal) {
    auto& bound = by_signal_.emplace_back();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        auto& e = entries_[i];
        const auto& id = deriver_.id(signal);
        // A rule whose signal came with the upgrade watches the first that it matches.
        const bool newcomer = e.rule && !e.place && !e.bound && e.baseline.cells <= 0 &&
                              matches(e.rule->signal, e.rule->match, id);
        if (e.signal == id || newcomer) {
            e.bound = true;
            bound.push_back(i);
        }
    }
}

void UpgradeWatch::add(Entry& entry, const Point& point, Timestamp received) {
    if (entry.last_point && point.at > *entry.last_point) {
        entry.step = std::min(entry.step.value_or(point.at - *entry.last_point),
                              point.at - *entry.last_point);
    }
    if (!entry.last_point || point.at >= *entry.last_point) {
        entry.last_point = point.at;
        entry.last_value = point.value();
    }
    if (entry.rule && !entry.rule->thresholds.empty()) {
        // The seasons of a trend are of its growth: no level is usual.
        const auto* const season = entry.baseline.kind == Kind::trend
                                       ? nullptr
                                       : season_at(entry.baseline, clock_, point.at);
        entry.thresholds.usual(point.at,
                               season != nullptr ? std::optional{season->middle} : std::nullopt);
        const auto ended = entry.thresholds.ended_at();
        entry.thresholds.add(point);
        if (entry.thresholds.ended_at() != ended) {
            start_new_proof(entry, received);
        }
    }
    const auto cell = static_cast<std::size_t>((point.at - begin_) / cell_);
    if (received < cell_end(cell) + upgrade_.lag) {
        entry.cells.add(point);
    }
}

/// A breach has ended, and that was known at `received`: the first cell that is judged later is the
/// last one before the new proof. Which it is must not depend on when somebody judges.
void UpgradeWatch::start_new_proof(Entry& entry, Timestamp received) {
    const auto judged_at_once = std::max(received - upgrade_.lag, begin_);
    const auto cell = static_cast<std::size_t>((judged_at_once - begin_) / cell_);
    const bool known = !entry.new_proofs.empty() && entry.new_proofs.back() >= cell;
    if (entry.place && cell < cells_max && !known) {
        entry.new_proofs.push_back(cell);
    }
}

void UpgradeWatch::note_jobs(const SignalId& signal, const Point& point) {
    for (std::size_t k = 0; k < jobs_seen_.size(); ++k) {
        const auto& job = upgrade_.jobs[k];
        if (!jobs_seen_[k] && matches(job.signal, job.match, signal)) {
            jobs_seen_[k] = job.side == Threshold::Side::above ? point.value() > job.value
                                                               : point.value() < job.value;
        }
    }
}

const std::vector<Judged>& UpgradeWatch::judged(Timestamp now) {
    bool taken = false;
    while (watch_ && cells_taken_ < cells_max && cell_end(cells_taken_) + upgrade_.lag <= now) {
        take_cell();
        taken = true;
    }
    if (taken) {
        judge_cells();
    }
    judged_.resize(of_cells_.size());
    for (std::size_t i = 0; i < judged_.size(); ++i) {
        judged_[i] = of_cells_[i];
        judge(entries_[i], judged_[i], now);
    }
    return judged_;
}

void UpgradeWatch::take_cell() {
    std::vector<Cell> row;
    for (auto& e : entries_) {
        if (e.place) {
            const auto cell = e.cells.at(cells_taken_);
            row.push_back(e.growth ? e.growth->take(cell) : cell);
            e.cells.drop_before(cells_taken_ + 1);
        }
    }
    watch_->take(row);
    for (auto& e : entries_) {
        const auto taken = [this](std::size_t cell) { return cell <= cells_taken_; };
        if (std::erase_if(e.new_proofs, taken) > 0) {
            watch_->restart_proof(*e.place);
            e.proof_begin = cell_end(cells_taken_);
        }
    }
    ++cells_taken_;
}

/// What the cells say, without the clock.
void UpgradeWatch::judge_cells() {
    of_cells_.clear();
    const auto said = watch_ ? watch_->judged() : std::vector<EnsembleJudged>{};
    for (const auto& e : entries_) {
        if (!e.rule) {
            continue;
        }
        Judged out{.rule = e.rule->name,
                   .signal = e.signal,
                   .required = e.rule->required,
                   .no_data = e.rule->no_data};
        if (e.place && watch_) {
            auto j = said[*e.place];
            if (j.covered_at) {  // it may still have to begin
                j.covered_at = std::max(*j.covered_at, e.proof_begin + plan_.cycle);
            }
            out.judgement = j.judgement;
            out.severity = j.severity;
            out.regressed_since = j.regressed_since;
            out.recovered_at = j.recovered_at;
            out.evidence = evidence_of(watch_->signal(*e.place), j, plan_, watch_->now());
            if (e.growth && e.growth->level()) {
                const auto limit = next_limit(e.rule->thresholds, e.signal.name, *e.growth->level(),
                                              out.evidence.observed);
                out.evidence.reason += limit.empty() ? limit : "; " + limit;
            }
        }
        of_cells_.push_back(std::move(out));
    }
}

std::vector<std::string> UpgradeWatch::unseen_jobs() const {
    std::vector<std::string> out;
    for (std::size_t k = 0; k < jobs_seen_.size(); ++k) {
        if (!jobs_seen_[k]) {
            out.push_back(upgrade_.jobs[k].name);
        }
    }
    return out;
}

/// Adds what thresholds and the clock say.
void UpgradeWatch::judge(const Entry& e, Judged& out, Timestamp now) const {
    const auto subject = to_string(e.signal);
    if (const auto ended = e.thresholds.ended_at()) {
        out.recovered_at = std::max(out.recovered_at.value_or(*ended), *ended);
    }
    if (const auto& breach = e.thresholds.breach(); breach && breach->severity >= out.severity) {
        out.judgement = Judgement::regressed;
        out.severity = breach->severity;
        out.regressed_since = std::min(out.regressed_since.value_or(breach->since), breach->since);
        out.evidence.observed = breach->observed;
        out.evidence.window = {breach->window_begin, breach->since};
        out.evidence.missing = "the end of the regression";
        out.evidence.reason = breach->cause;
        return;
    }
    if (out.judgement == Judgement::regressed) {
        return;
    }
    if (silent(e, now)) {
        out.judgement = Judgement::no_data;
        out.evidence.missing = "data";
        out.evidence.reason =
            e.last_point ? fmt::format("{}: no data since {}; check its source", subject,
                                       in_words(*e.last_point))
                         : fmt::format("{}: no data since the upgrade; check its source", subject);
        return;
    }
    if (!e.place || !watch_ || !whole_cycle_) {
        out.judgement = Judgement::learning;
        out.evidence.observed = e.last_value;
        out.evidence.missing = "a baseline of at least one whole business cycle";
        out.evidence.reason =
            fmt::format("{}: nothing can be proven; {}", subject,
                        !whole_cycle_ ? "the baseline is shorter than one business cycle"
                                      : "it was not there before the upgrade");
        return;
    }
    if (out.judgement == Judgement::no_data) {  // points, but no whole block of them yet
        out.judgement = Judgement::watching;
        out.evidence.observed = e.last_value;
        const auto begin = std::max(e.proof_begin, out.recovered_at.value_or(e.proof_begin));
        out.evidence.missing =
            fmt::format("{} more of the business cycle",
                        in_words(std::max(Milliseconds{0}, begin + plan_.cycle - now)));
        out.evidence.reason = fmt::format("{}: warming up", subject);
        return;
    }
    const auto jobs = out.required && out.judgement != Judgement::learning
                          ? unseen_jobs()
                          : std::vector<std::string>{};
    if (!jobs.empty()) {
        const auto wanted = fmt::format("a run of {}", fmt::join(jobs, ", "));
        out.judgement = Judgement::watching;
        out.evidence.missing +=
            fmt::format("{}{}", out.evidence.missing.empty() ? "" : ", ", wanted);
        out.evidence.reason += fmt::format("; not yet seen: {}", wanted);
    }
}

bool UpgradeWatch::silent(const Entry& entry, Timestamp now) const {
    const auto step =
        entry.baseline.step > Milliseconds{0} ? entry.baseline.step : entry.step.value_or(cell_);
    const auto limit = std::max<Milliseconds>(silence_steps * step, silence_min);
    const auto heard = entry.last_point.value_or(begin_);
    return now - std::max(heard, upgrade_.resumed_at.value_or(heard)) > limit;
}

}  // namespace holdfast::rules
