#include "rules/blocks.h"

#include <utility>

namespace holdfast::rules {

Block weighed(const Block& block, Kind kind) {
    if (kind == Kind::ratio || kind == Kind::latency || kind == Kind::count) {
        return block;
    }
    return {block.begin, block.numerator / block.denominator, 1, block.points};
}

std::optional<Block> BlockBuilder::add(const Point& point) {
    const auto begin = begin_of(point.at);
    std::optional<Block> done;
    if (current_ && current_->begin != begin) {
        done = std::exchange(current_, std::nullopt);
    }
    if (!current_) {
        current_ = Block{.begin = begin};
    }
    current_->numerator += point.numerator;
    current_->denominator += point.denominator;
    ++current_->points;
    return done;
}

std::optional<Block> BlockBuilder::finish(Timestamp now) {
    if (current_ && now >= current_->begin + length_) {
        return std::exchange(current_, std::nullopt);
    }
    return std::nullopt;
}

Timestamp BlockBuilder::begin_of(Timestamp at) const {
    const auto ms = at.time_since_epoch().count();
    const auto rest = ((ms % length_.count()) + length_.count()) % length_.count();
    return at - Milliseconds{rest};
}

}  // namespace holdfast::rules
