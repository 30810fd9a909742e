#include "rules/histogram_window.h"

#include <algorithm>
#include <cmath>

namespace holdfast::rules {

std::optional<std::size_t> HistogramWindow::bucket(double upper_bound) {
    const auto found = std::lower_bound(
        buckets_.begin(), buckets_.end(), upper_bound,
        [](const Bucket& bucket, double bound) { return bucket.upper_bound < bound; });
    if (found != buckets_.end() && found->upper_bound == upper_bound) {
        return found->place;
    }
    if (buckets_.size() == buckets_max || std::isnan(upper_bound)) {
        return std::nullopt;
    }
    reading_.push_back(0);
    return buckets_.insert(found, {upper_bound, buckets_.size()})->place;
}

void HistogramWindow::add(std::size_t bucket, double increase) {
    reading_[bucket] += increase;
}

double HistogramWindow::end_reading(Timestamp at, bool usable) {
    double observations = 0;
    if (usable && !buckets_.empty() && std::isinf(buckets_.back().upper_bound)) {
        observations = reading_[buckets_.back().place];
        readings_.push_back({at, reading_});
    }
    std::fill(reading_.begin(), reading_.end(), 0);
    while (!readings_.empty() &&
           (readings_.front().at <= at - window_ || readings_.size() > readings_max)) {
        readings_.pop_front();
    }
    return observations;
}

/// Summed each time, oldest first, so that the same readings give the same bits.
double HistogramWindow::of_window(std::size_t place) const {
    double sum = 0;
    for (const auto& counts : readings_) {
        sum += place < counts.by_place.size() ? counts.by_place[place] : 0;
    }
    return sum;
}

std::optional<double> HistogramWindow::quantile(double share) const {
    if (buckets_.size() < 2 || !std::isinf(buckets_.back().upper_bound)) {
        return std::nullopt;
    }
    const double all = of_window(buckets_.back().place);
    // A millionth for the rounding of 1 - share: 20 observations are enough for 95 %.
    if (!(all * (1 - share) >= 1 - 1e-6)) {
        return std::nullopt;
    }
    const double rank = share * all;
    double below = 0;  // observations up to the bound before
    double lower = std::min(0.0, buckets_.front().upper_bound);
    for (std::size_t k = 0; k + 1 < buckets_.size(); ++k) {
        // Series of one histogram may have other bounds: a bucket has no fewer than one below it.
        const double up_to = std::max(below, of_window(buckets_[k].place));
        const double upper = buckets_[k].upper_bound;
        if (up_to >= rank) {
            return up_to > below ? lower + (upper - lower) * (rank - below) / (up_to - below)
                                 : upper;
        }
        below = up_to;
        lower = upper;
    }
    return lower;
}

}  // namespace holdfast::rules
