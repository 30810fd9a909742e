#pragma once
#include <optional>

#include "model/signal.h"
#include "model/time.h"

namespace holdfast::rules {

/// A signal over one block of time: the sums of its points. A block without points does not exist.
struct Block {
    Timestamp begin{};
    double numerator = 0;
    double denominator = 0;  ///< > 0
    int points = 0;
};

/// How blocks of a kind weigh: a ratio or a latency by its events, all others by time. Gives the
/// block's sums on that scale: (value, 1) for gauges and rates, (numerator, denominator) else.
/// Ref: docs/statistics.md, "Blocks".
Block weighed(const Block& block, Kind kind);

/// Gathers points into blocks of `length`, aligned to the epoch. Points come in time order.
class BlockBuilder {
public:
    explicit BlockBuilder(Milliseconds length) : length_{length} {}

    /// Adds a point; returns the block before it when the point begins a new one.
    std::optional<Block> add(const Point& point);
    /// The block under way when it has ended by `now`.
    std::optional<Block> finish(Timestamp now);

private:
    Timestamp begin_of(Timestamp at) const;

    Milliseconds length_;
    std::optional<Block> current_;
};

}  // namespace holdfast::rules
