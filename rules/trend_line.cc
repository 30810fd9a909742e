#include "rules/trend_line.h"

#include <cmath>

#include "rules/judging/numerics.h"

namespace holdfast::rules {
namespace {

constexpr double ms_per_day = 86'400'000;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
    return (a + b - 1) / b;
}

}  // namespace

TrendLine::TrendLine(Milliseconds window)
    : window_{window},
      length_{ceil_div(window.count(), buckets_max)},
      buckets_in_window_{ceil_div(window.count(), length_.count())} {}

void TrendLine::add(const Point& point, Milliseconds covered) {
    const auto since_epoch = point.at.time_since_epoch();
    const auto number = since_epoch / length_;
    if (buckets_.empty() || buckets_.back().number != number) {
        buckets_.push_back({number});
    }
    while (buckets_.front().number <= number - buckets_in_window_) {
        buckets_.pop_front();
    }
    auto& bucket = buckets_.back();
    bucket.numerator += point.numerator;
    bucket.denominator += point.denominator;
    bucket.moment += point.denominator * static_cast<double>((since_epoch % length_).count());
    bucket.covered += covered;
    newest_ = point.at;
}

std::optional<TrendLine::Line> TrendLine::line() const {
    Milliseconds covered{0};
    Values days;  // before the newest point, at most 0
    Values levels;
    for (const auto& b : buckets_) {
        covered += b.covered;
        const auto begin = b.number * length_ - newest_.time_since_epoch();
        days.push_back((static_cast<double>(begin.count()) + b.moment / b.denominator) /
                       ms_per_day);
        levels.push_back(b.numerator / b.denominator);
    }
    if (2 * covered < window_ || buckets_.size() < buckets_min) {
        return std::nullopt;
    }
    Values slopes;
    slopes.reserve(days.size() * (days.size() - 1) / 2);
    for (std::size_t i = 0; i < days.size(); ++i) {
        for (std::size_t k = i + 1; k < days.size(); ++k) {
            slopes.push_back((levels[k] - levels[i]) / (days[k] - days[i]));
        }
    }
    Line out{.per_day = median_of(slopes)};
    for (std::size_t i = 0; i < days.size(); ++i) {
        levels[i] -= out.per_day * days[i];
    }
    out.level = median_of(levels);
    if (!std::isfinite(out.per_day) || !std::isfinite(out.level)) {
        return std::nullopt;  // sums of what is nearly infinite
    }
    return out;
}

double TrendLine::Line::after(Milliseconds length) const {
    return level + per_day * (static_cast<double>(length.count()) / ms_per_day);
}

}  // namespace holdfast::rules
