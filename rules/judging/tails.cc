#include "rules/judging/tails.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace holdfast::rules {
namespace {

constexpr std::array<double, 5> window_hours{6, 12, 24, 48, 72};
constexpr double cells_min = 20;   // of a window: two samples of 48 prove nothing
constexpr double limit_min = 0.2;  // at least 22 % above the running median
constexpr double gap_hours = 0.5;  // a burst is one event
constexpr double temper_hours = 12;
constexpr double overdispersion = 0.4;  // prior of the standard deviation from day to day
constexpr double prior_windows = 3;
constexpr double ratio_min = 1.5;
constexpr double events_min = 3;

/// Positions of events: a cell above `limit`, at least `gap` after the event before.
void count_event(std::vector<std::size_t>& events, std::size_t at, std::size_t gap) {
    if (events.empty() || at - events.back() >= gap) {
        events.push_back(at);
    }
}

double count_in(const std::vector<std::size_t>& events, std::size_t first, std::size_t last) {
    const auto begin = std::lower_bound(events.begin(), events.end(), first);
    return static_cast<double>(std::lower_bound(begin, events.end(), last) - begin);
}

}  // namespace

TailModel::TailModel(const Values& deviations, std::size_t watch_cells, double cell_hours,
                     double quantile, double least) {
    const double high = quantile_of(deviations, quantile);
    if (std::isnan(high)) {
        return;
    }
    limit_ = std::max({high, limit_min, least}) + 1e-9;
    gap_ = std::max<std::size_t>(1, static_cast<std::size_t>(gap_hours / cell_hours));
    look_cells_ = std::max<std::size_t>(1, static_cast<std::size_t>(1 / cell_hours));
    std::vector<std::size_t> events;
    double there = 0;
    for (std::size_t i = 0; i < deviations.size(); ++i) {
        there += std::isnan(deviations[i]) ? 0 : 1;
        if (deviations[i] > limit_) {
            count_event(events, i, gap_);
        }
    }
    const auto total = static_cast<double>(events.size());
    const double rate = (total + 0.5) / there;
    double spread = overdispersion * overdispersion;
    for (const double hours : window_hours) {
        const auto n = static_cast<std::size_t>(hours / cell_hours + 1e-9);
        if (n > watch_cells || hours / cell_hours < cells_min) {
            continue;
        }
        Length length{.cells = n, .hours = hours, .mean = rate * static_cast<double>(n)};
        const double windows = there / static_cast<double>(n);
        double square = 0;
        double count = 0;
        for (std::size_t i = 0; i + n <= deviations.size(); i += std::max<std::size_t>(1, n / 2)) {
            const double seen = count_in(events, i, i + n);
            square += (seen - length.mean) * (seen - length.mean);
            length.most = std::max(length.most, seen);
            ++count;
        }
        if (count >= 2) {
            const double own =
                std::max(0.0, square / count * windows / std::max(windows - 1, 1.0) - length.mean) /
                (length.mean * length.mean);
            // Counts below one say little about the spread.
            const double weight = windows * std::min(1.0, length.mean);
            spread =
                (weight * std::min(own, 4.0) + prior_windows * spread) / (weight + prior_windows);
        }
        length.variance = length.mean + length.mean * length.mean * (spread + 1 / (total + 0.5));
        length.temper = hours / (hours + temper_hours);
        lengths_.push_back(length);
    }
    for (auto& l : lengths_) {
        l.looks = std::log10(std::max(
                      1.0, static_cast<double>(watch_cells) / static_cast<double>(l.cells))) +
                  std::log10(static_cast<double>(lengths_.size()));
    }
}

void TailWatch::add(double deviation) {
    if (!model_->lengths_.empty() && deviation > model_->limit_) {
        count_event(events_, cells_, model_->gap_);
    }
    ++cells_;
}

double TailWatch::events_in(std::size_t first, std::size_t last) const {
    return count_in(events_, first, last);
}

Evidence10 TailWatch::look() const {
    Evidence10 best;
    for (const auto& l : model_->lengths_) {
        if (l.cells > cells_) {
            break;
        }
        const auto first = cells_ - l.cells;
        const double count = events_in(first, cells_);
        if (count <= ratio_min * l.mean || count <= l.most || count < events_min) {
            continue;
        }
        int spread = 0;  // over the window, not one bad hour
        for (std::size_t q = 0; q < 4; ++q) {
            const double part = events_in(first + q * l.cells / 4, first + (q + 1) * l.cells / 4);
            spread += part >= std::max(0.1 * count, 1.0) ? 1 : 0;
        }
        if (spread < 3) {
            continue;
        }
        const double evidence =
            std::max(0.0, negative_binomial_evidence(count, l.mean, l.variance) - l.looks) *
            l.temper;
        if (evidence > best.evidence) {
            best = {evidence, std::log(count / std::max(l.mean, 1e-9)), l.hours,
                    1.96 * std::sqrt(l.variance) / count};
        }
    }
    return best;
}

}  // namespace holdfast::rules
