#pragma once
#include <cstddef>
#include <deque>
#include <optional>

#include "model/cells.h"
#include "model/signal.h"
#include "model/time.h"

namespace holdfast::rules {

/// How fast a level changes, in its unit a day, cell by cell: what signals of kind trend are judged
/// by. With D = `tail.size()` cells
///
///     g(t) = (x(t) - x(t - D)) / D
///
/// Over a whole day every nightly batch is in it once, so that bursts of writing are no news. What
/// was deleted is a dip of exactly D. Where either end has no data there is no growth: another cell
/// beside it would be growth over another length, and a lost cell costs no more than two.
class Growth {
public:
    /// `tail`: the levels of the D cells before the first one that is taken, at least one. Worse
    /// down: it says how fast the level shrinks, so that more is worse either way.
    Growth(Cells tail, Milliseconds cell, Direction worse = Direction::up);

    /// The next cell's growth from its level: (g, 1), or no data.
    Cell take(const Cell& level);
    /// The newest level that was there.
    std::optional<double> level() const { return level_; }

private:
    std::deque<Cell> last_;  ///< levels, D of them
    double days_;            ///< of D, negative where shrinking is told
    std::optional<double> level_;
};

/// D in cells: a day, or the cycle where that is shorter; at least one.
std::size_t growth_steps(Milliseconds cycle, Milliseconds cell);

/// The growth of every cell; none has data in the first `steps`.
Cells growth_of(const Cells& levels, std::size_t steps, Milliseconds cell,
                Direction worse = Direction::up);

/// Growth as it is learnt from: what lies further below the median than twice its size, and than
/// four times the distance of the quartiles, counts as that. A scale that has room for everything
/// that was ever deleted would show no growth beside it.
Cells without_dips(Cells growth);

/// The last `steps` cells before `upgrade`, in real time, of levels whose first cell begins at
/// `begin`. What lies between them and the upgrade has no data: a level of long ago says nothing.
Cells levels_before(const Cells& levels, Timestamp begin, Milliseconds cell, Timestamp upgrade,
                    std::size_t steps);

}  // namespace holdfast::rules
