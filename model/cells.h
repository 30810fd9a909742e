#pragma once
#include <vector>

#include "model/time.h"

namespace holdfast {

/// One signal over one step of a regular grid: the sums of the numerators and of the denominators
/// of its points there, so that cells are averaged right. Denominator 0: there was no data.
struct Cell {
    double numerator = 0;
    double denominator = 0;
    bool operator==(const Cell&) const = default;
};
using Cells = std::vector<Cell>;

/// What a baseline was learnt from: the cells of its window, one list per signal and in the order
/// of the baseline's signals, all of the same length.
struct BaselineHistory {
    Timestamp begin{};    ///< of the first cell
    Milliseconds cell{};  ///< > 0
    std::vector<Cells> signals;
    bool operator==(const BaselineHistory&) const = default;
};

}  // namespace holdfast
