#include "rules/judging/deviations.h"

#include <algorithm>

namespace holdfast::rules {

Deviations::Deviations(std::size_t bin_cells, std::size_t half_bins)
    : bin_cells_{bin_cells}, half_bins_{half_bins} {}

void Deviations::add(double cell, Values& out) {
    current_.push_back(cell);
    if (current_.size() == bin_cells_) {
        close_bin(out);
    }
}

void Deviations::close_bin(Values& out) {
    Bin bin{std::move(current_), missing};
    current_.clear();
    bin.median = median_of(bin.cells);
    if (medians_.empty() && pending_.empty()) {
        medians_.assign(half_bins_, bin.median);  // as if the first bin had been there before
    }
    pending_.push_back(std::move(bin));
    if (pending_.size() > half_bins_) {
        emit(out);
    }
}

/// Emits the first pending bin: its window is the half before and the half after it.
void Deviations::emit(Values& out) {
    Values window(medians_.begin(), medians_.end());
    for (std::size_t i = 0; i <= half_bins_; ++i) {
        window.push_back(pending_[std::min(i, pending_.size() - 1)].median);
    }
    const double middle = median_of(window);
    for (const double cell : pending_.front().cells) {
        out.push_back(cell - middle);
    }
    medians_.push_back(pending_.front().median);
    medians_.pop_front();
    pending_.pop_front();
}

void Deviations::finish(Values& out) {
    if (!current_.empty()) {
        close_bin(out);
    }
    while (!pending_.empty()) {
        emit(out);
    }
}

std::size_t Deviations::waiting() const {
    std::size_t cells = current_.size();
    for (const auto& bin : pending_) {
        cells += bin.cells.size();
    }
    return cells;
}

}  // namespace holdfast::rules
