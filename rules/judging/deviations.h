#pragma once
#include <cstddef>
#include <deque>
#include <vector>

#include "rules/judging/numerics.h"

namespace holdfast::rules {

/// Deviations of cells from their running median, which is computed on medians of bins and is
/// centred: a cell's deviation is known half the window later. The window (six hours) is longer
/// than bursts and shorter than the day.
class Deviations {
public:
    /// A bin has `bin_cells` cells; the window has `half_bins` bins on either side.
    Deviations(std::size_t bin_cells, std::size_t half_bins);

    /// Adds a cell; appends to `out` the deviations that are now known, in order.
    void add(double cell, Values& out);
    /// No more cells: appends the deviations of those that still wait, as if the last bin went on.
    void finish(Values& out);
    /// Cells whose deviation is still to come.
    std::size_t waiting() const;

private:
    struct Bin {
        Values cells;
        double median = missing;
    };
    void close_bin(Values& out);
    void emit(Values& out);

    std::size_t bin_cells_;
    std::size_t half_bins_;
    Values current_;
    std::deque<Bin> pending_;     ///< bins not yet emitted
    std::deque<double> medians_;  ///< of the bins before the first pending one, half a window
};

}  // namespace holdfast::rules
