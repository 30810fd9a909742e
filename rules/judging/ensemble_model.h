#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "rules/judging/cycle_level.h"
#include "rules/judging/deviations.h"
#include "rules/judging/ensemble.h"
#include "rules/judging/events.h"
#include "rules/judging/expectation.h"
#include "rules/judging/level.h"
#include "rules/judging/load_factor.h"
#include "rules/judging/scale.h"
#include "rules/judging/sudden.h"
#include "rules/judging/tails.h"

namespace holdfast::rules {

/// A cell that can be judged: numbers that are none, or not finite, are missing.
inline bool is_there(const Cell& cell) {
    return cell.denominator > 0 && std::isfinite(cell.denominator) &&
           std::isfinite(cell.numerator / cell.denominator);
}
inline double value_of(const Cell& cell) {
    return is_there(cell) ? cell.numerator / cell.denominator : missing;
}

/// Events of a ratio that are bad: where fewer are worse it counts the good ones.
inline double bad_events(const Cell& cell, Direction worse) {
    return worse == Direction::down ? cell.denominator - cell.numerator : cell.numerator;
}

/// Kinds whose cells are counts: bad events out of all, or events per second.
inline bool counts_events(const EnsembleSignal& signal) {
    return signal.kind == Kind::ratio || signal.kind == Kind::count;
}

/// Lengths in cells.
struct Lengths {
    std::size_t block;        ///< of the level channel
    std::size_t fast_block;   ///< of the sudden channel; 0: there is none
    std::size_t rough_block;  ///< of the dispersion channel
    std::size_t bin;          ///< of the running median
    std::size_t half_bins;
    bool coarse;  ///< cells of an hour and more: deviations are the residuals themselves
};

/// A regular channel: what is expected of it and how far it may be off.
struct Channel {
    Expectation expectation;
    LevelModel level;
};

struct SuddenChannel {
    Expectation expectation;
    SuddenModel model;
};

struct Rough {
    double floor;
    Channel channel;
};

struct SignalModel {
    EnsembleSignal signal;
    Scale scale;
    Habit habit;
    double price = 0;  ///< log10 of what one look of this signal costs out of the budget
    bool constant = false;
    double margin = 0;  ///< as a step of the scale
    std::optional<Channel> level;
    std::optional<SuddenChannel> sudden;
    std::optional<Rough> rough;
    std::vector<TailModel> tails;
    std::optional<EventsModel> events;     ///< of ratios and counts
    std::optional<Deviations> deviations;  ///< as the history left it

    bool has_side(bool up) const {
        return signal.worse == Direction::both || (signal.worse == Direction::up) == up;
    }
};

/// All that is learnt before the upgrade; immutable once it is.
class EnsembleModel {
public:
    EnsemblePlan plan;
    Rhythm rhythm;
    Lengths lengths{};
    std::vector<std::size_t> load_signals;
    std::optional<LoadFactor> load;       ///< on level blocks
    std::optional<LoadFactor> fast_load;  ///< on blocks of the sudden channel
    std::vector<SignalModel> signals;
    std::optional<SignalModel> common;   ///< what all load signals do together
    std::array<double, 3> thresholds{};  ///< of log10 evidence: warn, page, rollback
    std::size_t watch_cells = 0;
    std::vector<double>
        load_peaks;  ///< 95 % quantile of each load signal's level blocks; NaN: none

    // Where the history holds two whole cycles and more: the level is judged by them.
    bool by_cycles = false;
    std::size_t cycle_block = 1;  ///< in cells
    CycleClock cycle_clock;
    CycleSettings cycle_settings;
    CycleTaught cycles;

    /// All but load signals; a load signal that is alone is judged as one.
    bool is_cost(const SignalModel& s) const { return !s.signal.is_load || signals.size() == 1; }

    /// Position in the cycle of a block, counted from the upgrade in local time.
    std::size_t position(Timestamp at) const {
        const auto n = static_cast<std::int64_t>(cycle_clock.blocks_per_cycle);
        const auto k = blocks_since_upgrade(at) % n;
        return static_cast<std::size_t>(k < 0 ? k + n : k);
    }
    std::int64_t blocks_since_upgrade(Timestamp at) const {
        const auto block = (plan.cell * static_cast<std::int64_t>(cycle_block)).count();
        const auto ms = rhythm.local_ms(at) - rhythm.local_ms(plan.upgrade);
        return ms >= 0 ? ms / block : -((-ms + block - 1) / block);
    }
};

}  // namespace holdfast::rules
