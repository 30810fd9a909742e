#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/baseline.h"
#include "model/cells.h"
#include "model/judgement.h"
#include "model/signal.h"
#include "model/time.h"
#include "model/upgrade.h"

namespace holdfast::rules {

/// What is known of a signal before it is judged.
struct EnsembleSignal {
    std::string name;  ///< for reasons; ends in its unit
    Kind kind = Kind::gauge;
    Direction worse = Direction::up;
    bool is_load = false;    ///< traffic: judged itself, and may explain the others
    bool is_errors = false;  ///< a first step of a constant is news even when it is small
    bool required = true;    ///< closing needs its proof
    bool shrinks = false;    ///< a trend: its cells say how fast it shrinks, not how fast it grows
    bool judged = true;      ///< false: it may explain the others, and is no alarm itself
    Allowance tolerated{0.02, 0};
    Allowance margin{0.10, 0};
};

/// When and how all signals of one upgrade are judged. Times are whole cells after `begin`.
struct EnsemblePlan {
    Timestamp begin{};        ///< of the history's first cell
    Timestamp upgrade{};      ///< judging starts here; the history ends here
    Timestamp planned_end{};  ///< of the watch, which may go on after it
    Milliseconds cell{};      ///< > 0
    Milliseconds cycle{};     ///< business cycle
    Milliseconds warmup{};    ///< after the upgrade, which is no part of whole cycles
    UtcOffsets offsets;       ///< of the target's time zone
    Levels levels;
};

/// One episode of one signal: it began at `at`, and no evidence of its severity came for six hours
/// after `until`.
struct EnsembleAlert {
    std::size_t signal = 0;
    /// rollback: at that level, and the lower limit of the effect was beyond the margin.
    Severity severity = Severity::none;
    std::size_t level = 0;  ///< error level that was reached: 0 warn, 1 page, 2 rollback
    Timestamp at{};
    Timestamp until{};
    std::string_view detector;  ///< level, fast, dispersion, tail
    bool up = true;             ///< the side it left to
    double effect_ratio = 0;    ///< at its strongest: 0.3 is 30 % more, -0.3 is 30 % less
    /// How far beyond what the severity demands: log10 of the evidence, or of the boundary's
    /// multiple where the level is judged by cycles.
    double excess = 0;
};

/// What is said of one signal now.
struct EnsembleJudged {
    Judgement judgement = Judgement::learning;
    Severity severity = Severity::none;
    double effect_ratio = 0;  ///< since the upgrade: 0.1 is 10 % more, -0.1 is 10 % less
    double effect_lower_ratio = 0;
    double effect_upper_ratio = 0;
    double margin_ratio = 0;
    double coverage_ratio = 0;
    std::string_view detector;                 ///< of a regression: level, fast, dispersion, tail
    bool up = true;                            ///< of a regression: the side it left to
    std::optional<Timestamp> regressed_since;  ///< when it was first said
    std::optional<Timestamp> recovered_at;     ///< when the last regression ended by evidence
    /// What the effect was measured over: of a regression where it was strongest, else since the
    /// proof's start.
    Window window{};
    // In the signal's unit, at the level that is usual in the window; positive is up. Of
    // regressions by dispersion or tail: of the level since the proof's start.
    double usual = 0;
    double observed = 0;
    double effect = 0, effect_lower = 0, effect_upper = 0;
    double tolerated = 0, margin = 0;
    /// The effect of the detector that speaks, as a ratio: of the level, of the scatter, of the
    /// number of peaks.
    double spoken_ratio = 0, spoken_lower_ratio = 0, spoken_upper_ratio = 0;
    double level = 0;             ///< error level of the interval
    double blocks = 0;            ///< in the window
    double effective_blocks = 0;  ///< independent ones that they are worth
    // What a proof still lacks.
    std::optional<std::size_t> slot_missing;  ///< the last to come of the cycle's slots not covered
    std::optional<Timestamp> covered_at;  ///< when a whole cycle with that slot will have passed
    std::optional<Milliseconds> data_needed;  ///< more data of the same kind; 0: none
    double load_seen_ratio = 1;               ///< of 90 % of the usual peak of the load, at most 1
};

class EnsembleModel;

/// Calls the function with 0, 1, … n - 1, in any order or at once, and returns when all have ended.
/// One that stops calling before the end says that nobody wants the result any more.
using ForEach = std::function<void(std::size_t n, const std::function<void(std::size_t)>& call)>;
void one_by_one(std::size_t n, const std::function<void(std::size_t)>& call);

/// Learns from the history (one Cells per signal, all of the same length: from plan.begin to
/// plan.upgrade). Signals are learnt by `for_each`, in threads where it has them: the result is the
/// same. Null when it stopped before the end. Pure and deterministic. Method and sources:
/// docs/statistics.md.
std::shared_ptr<const EnsembleModel> learn_ensemble(EnsemblePlan plan,
                                                    std::vector<EnsembleSignal> signals,
                                                    const std::vector<Cells>& history,
                                                    const ForEach& for_each = one_by_one);

/// Judges all signals of one upgrade, cell by cell. The same cells give the same judgements.
class EnsembleWatch {
public:
    explicit EnsembleWatch(std::shared_ptr<const EnsembleModel> model);
    ~EnsembleWatch();
    EnsembleWatch(const EnsembleWatch&) = delete;
    EnsembleWatch& operator=(const EnsembleWatch&) = delete;
    EnsembleWatch(EnsembleWatch&&) noexcept;
    EnsembleWatch& operator=(EnsembleWatch&&) noexcept;

    /// The next cell of every signal, in the order of the model's signals.
    void take(std::span<const Cell> cells);
    /// The watch ends here: what was waiting for later context is judged without it.
    void finish();

    std::vector<EnsembleAlert> alerts() const;  ///< by time
    std::vector<EnsembleJudged> judged() const;
    const EnsembleSignal& signal(std::size_t index) const;
    /// What came before proves nothing any more for that signal: its proof starts now.
    void restart_proof(std::size_t signal);
    /// Blocks judged so far end here.
    Timestamp now() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace holdfast::rules
