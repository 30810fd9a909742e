#pragma once
#include <cstddef>
#include <optional>
#include <vector>

#include "model/baseline.h"
#include "model/cells.h"
#include "model/signal.h"
#include "rules/seasons.h"

namespace holdfast::rules {

/// Gathers a signal's points into cells of one length. How a cell weighs: a ratio, a latency or a
/// count by its events, sums over sums; all others by time, as (mean, 1). Points come in any order.
class CellSeries {
public:
    /// Cell 0 begins at `begin`; points of cells from `cells_max` on are not kept.
    CellSeries(Kind kind, Timestamp begin, Milliseconds cell, std::size_t cells_max);

    /// Whether the point was kept: not before the first cell that is still held, nor too late.
    bool add(const Point& point);
    /// Cell `index` of all; a cell without data has denominator 0.
    Cell at(std::size_t index) const;
    /// Forgets the cells before `index`; their points are not kept any more.
    void drop_before(std::size_t index);
    /// All cells that are held, `size` of them.
    Cells take(std::size_t size) const;

private:
    Kind kind_;
    Timestamp begin_;
    Milliseconds cell_;
    std::size_t cells_max_;
    std::size_t first_ = 0;
    Cells sums_;  ///< from first_ on, as long as anything was seen
};

/// What is usual in each slot of the cycle, from the cells of a window that begins at `begin`.
/// Of a trend it is the growth, in the unit a day. Nothing when no cell has data.
std::optional<SignalBaseline> summarise(const SignalId& signal, Kind kind, const Cells& cells,
                                        Timestamp begin, Milliseconds cell,
                                        const SeasonClock& clock);

/// Length of a baseline's cells; of one by an older holdfast as a new one would have them.
Milliseconds cell_of(const Baseline& baseline, Milliseconds cycle);

/// What was usual for a signal in the season of `at`; nothing where it was never seen.
const SeasonSummary* season_at(const SignalBaseline& baseline, const SeasonClock& clock,
                               Timestamp at);

}  // namespace holdfast::rules
