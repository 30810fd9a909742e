#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>

#include "model/signal.h"
#include "model/time.h"

namespace holdfast::rules {

/// Numerators and denominators of a signal summed over the last `window`. Memory: at most 60
/// buckets of equal length, aligned to the epoch, so that what is summed spans between 59/60 of the
/// window and all of it.
class WindowSums {
public:
    static constexpr std::int64_t buckets_max = 60;

    explicit WindowSums(Milliseconds window);  ///< > 0

    /// `covered`: the time that the point speaks for, since the point before it; 0 after a gap.
    /// Points in time order.
    void add(const Point& point, Milliseconds covered);

    struct Sums {
        double numerator = 0;
        double denominator = 0;
        Milliseconds covered{0};
    };
    /// Over the window that ends at the newest point.
    Sums sums() const;
    std::size_t buckets() const { return buckets_.size(); }

private:
    struct Bucket {
        std::int64_t number;  ///< of its length since the epoch
        Sums sums;
    };

    Milliseconds length_;  ///< of a bucket
    std::int64_t buckets_in_window_;
    std::deque<Bucket> buckets_;  ///< those that have points, by number
};

}  // namespace holdfast::rules
