#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <vector>

#include "rules/learn.h"
#include "rules/watch.h"

namespace holdfast::rules::testing {

/// A signal made to order: a level per instant, and noise that remembers (an AR(1) process of unit
/// variance by default), from a fixed seed.
class Noise {
public:
    explicit Noise(std::uint64_t seed, double memory = 0) : engine_{seed}, memory_{memory} {}
    double next() {
        state_ = memory_ * state_ + std::sqrt(1 - memory_ * memory_) * normal_(engine_);
        return state_;
    }

private:
    std::mt19937_64 engine_;
    std::normal_distribution<double> normal_;
    double memory_;
    double state_ = 0;
};

/// The world of one test: a cycle, blocks, the baseline learnt before `upgrade`, a watch after it.
struct World {
    Milliseconds cycle = std::chrono::hours{24};
    Milliseconds step = std::chrono::minutes{5};
    int cycles_before = 4;
    Kind kind = Kind::gauge;
    UtcOffsets offsets{};
    Levels levels{};
    std::size_t rules = 1;
    Timestamp upgrade{std::chrono::hours{24 * 20'000}};

    using Level = std::function<Point(Timestamp)>;

    std::optional<SignalBaseline> learn(const Level& level) const {
        const SeasonClock clock{cycle, offsets};
        SignalLearner learner{{"x_seconds", {}}, kind, clock, block_length(cycle, step)};
        for (auto at = upgrade - cycles_before * cycle; at < upgrade; at += step) {
            learner.add(level(at));
        }
        return learner.finish(upgrade);
    }
    WatchPlan plan() const {
        return {.begin = upgrade,
                .cycle = cycle,
                .block = block_length(cycle, step),
                .warmup = Milliseconds{0},
                .offsets = offsets,
                .whole_cycles = static_cast<double>(cycles_before),
                .levels = levels,
                .rules = rules};
    }
    Watch watch(Rule rule, const Level& before) const {
        return {std::move(rule), {"x_seconds", {}}, learn(before), plan()};
    }
    /// Feeds `level` to `watch` from `from` for `length`; the judgement at the end.
    Judged feed(Watch& watch, const Level& level, Milliseconds from, Milliseconds length) const {
        auto at = upgrade + from;
        for (; at < upgrade + from + length; at += step) {
            watch.add(level(at));
        }
        return watch.judged(at);
    }
};

inline Point gauge(Timestamp at, double value) {
    return {at, value, 1};
}

}  // namespace holdfast::rules::testing
