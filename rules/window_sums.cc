#include "rules/window_sums.h"

namespace holdfast::rules {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
    return (a + b - 1) / b;
}

}  // namespace

WindowSums::WindowSums(Milliseconds window)
    : length_{ceil_div(window.count(), buckets_max)},
      buckets_in_window_{ceil_div(window.count(), length_.count())} {}

void WindowSums::add(const Point& point, Milliseconds covered) {
    const auto number = point.at.time_since_epoch() / length_;
    if (buckets_.empty() || buckets_.back().number != number) {
        buckets_.push_back({number, {}});
    }
    while (buckets_.front().number <= number - buckets_in_window_) {
        buckets_.pop_front();
    }
    auto& sums = buckets_.back().sums;
    sums.numerator += point.numerator;
    sums.denominator += point.denominator;
    sums.covered += covered;
}

WindowSums::Sums WindowSums::sums() const {
    Sums out;
    for (const auto& bucket : buckets_) {  // anew each time: running sums would drift
        out.numerator += bucket.sums.numerator;
        out.denominator += bucket.sums.denominator;
        out.covered += bucket.sums.covered;
    }
    return out;
}

}  // namespace holdfast::rules
