#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/signal.h"
#include "model/time.h"

namespace holdfast {

/// From `from` on, local time is UTC + `offset`.
struct UtcOffset {
    Timestamp from;
    std::chrono::seconds offset;
    bool operator==(const UtcOffset&) const = default;
};

/// The offsets of a time zone over the time that matters, oldest first; the first one also holds
/// for all time before. Empty is UTC. A value, so that judging needs no time zone database.
using UtcOffsets = std::vector<UtcOffset>;

/// Which seasons a signal's baseline tells apart, from fine to coarse.
enum class SeasonLevel : std::uint8_t {
    slot = 0,  ///< every slot of the cycle: hour of the week, of the day, a tenth of a minute
    hour_of_daytype = 1,  ///< hour of the day, working days and weekends apart
    hour_of_day = 2,
    all = 3,
};

/// A signal's level in one season of the baseline. `weight` is the sum of the denominators of its
/// points, so that seasons can be merged: mean = Σ weight·mean / Σ weight.
struct SeasonSummary {
    double mean = 0;    ///< in the signal's unit
    double weight = 0;  ///< > 0 where the season was seen
    double blocks = 0;  ///< blocks of time that were seen
};

/// Predictive variance of the mean of `blocks` consecutive blocks about their seasons' means,
/// measured on the baseline itself: V(h) of docs/statistics.md. It holds autocorrelation,
/// overdispersion and drift without naming any of them.
struct WindowVariance {
    double blocks = 0;
    double variance = 0;  ///< in the unit squared
    double windows = 0;   ///< how many such windows were seen
};

/// What a baseline knows of one signal.
struct SignalBaseline {
    SignalId signal;
    Kind kind = Kind::gauge;
    SeasonLevel level = SeasonLevel::all;
    std::vector<SeasonSummary> seasons;     ///< by season index at `level`
    std::vector<WindowVariance> variances;  ///< by rising number of blocks
    double denominator_per_block = 1;       ///< mean sum of denominators in a block
    Milliseconds step{};                    ///< typical time between points
    double minimum = 0;                     ///< smallest and largest value of a block
    double maximum = 0;
};

/// Time that is no usual behaviour: an incident, a holiday, another upgrade.
struct Exclusion {
    Window window{};
    std::string reason;
    bool operator==(const Exclusion&) const = default;
};

/// An immutable summary of the behaviour in `window`, without what is `excluded` of it (listed by
/// begin). `digest` is the SHA-256 of everything else.
struct Baseline {
    std::string id;  ///< "b1", "b2", …: in the order they were taken
    Timestamp taken_at{};
    Window window{};
    Milliseconds cycle{};
    Milliseconds block{};
    std::string timezone;
    UtcOffsets offsets;
    double whole_cycles = 0;  ///< length of the data over the cycle, rounded down
    std::uint64_t rows = 0;   ///< rows of the store that it was made from
    std::string note;         ///< what it lacks, in words
    std::vector<Exclusion> excluded;
    std::vector<SignalBaseline> signals;
    std::string digest;
};

}  // namespace holdfast
