#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "model/signal.h"
#include "model/time.h"

namespace holdfast::rules {

/// The straight line through a signal's last `window`: its slope is the median of the slopes
/// between all pairs of buckets, its height the median of what the buckets are off it (Theil 1950;
/// Sen 1968, JASA 63). Up to 29 % of the buckets may be anything without moving it far. A bucket is
/// sums over sums of its points, at their mean time. Memory: at most 64 buckets of equal length,
/// aligned to the epoch, under 4 KiB.
class TrendLine {
public:
    static constexpr std::int64_t buckets_max = 64;
    static constexpr std::size_t buckets_min = 5;  ///< one of them may be anything

    explicit TrendLine(Milliseconds window);  ///< > 0

    /// `covered`: the time that the point speaks for, since the point before it; 0 after a gap.
    /// Points in time order.
    void add(const Point& point, Milliseconds covered);

    struct Line {
        double level = 0;    ///< at the newest point, in the signal's unit
        double per_day = 0;  ///< slope
        /// Where it will be after `length` at this pace.
        double after(Milliseconds length) const;
    };
    /// Nothing where points cover less than half of the window, or are in fewer than `buckets_min`
    /// buckets.
    std::optional<Line> line() const;
    std::size_t buckets() const { return buckets_.size(); }

private:
    struct Bucket {
        std::int64_t number;  ///< of its length since the epoch
        double numerator = 0;
        double denominator = 0;
        double moment = 0;  ///< sum of denominator times milliseconds since its begin
        Milliseconds covered{0};
    };

    Milliseconds window_;
    Milliseconds length_;  ///< of a bucket
    std::int64_t buckets_in_window_;
    std::deque<Bucket> buckets_;  ///< those that have points, by number
    Timestamp newest_{};
};

}  // namespace holdfast::rules
