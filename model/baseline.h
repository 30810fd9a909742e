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

/// What was usual for a signal in one slot of the business cycle: the quantiles of its cells.
struct SeasonSummary {
    double lower = 0;   ///< 5 %, in the signal's unit; of a trend its growth, in the unit a day
    double middle = 0;  ///< median
    double upper = 0;   ///< 95 %
    double cells = 0;   ///< that had data; 0: the slot was never seen
};

/// What a baseline knows of one signal, for people and charts. Judging learns from the cells.
struct SignalBaseline {
    SignalId signal;
    Kind kind = Kind::gauge;
    std::vector<SeasonSummary> seasons;  ///< by slot of the cycle
    double typical = 0;                  ///< median of all cells, or of their growth
    double minimum = 0;                  ///< smallest and largest value of a cell
    double maximum = 0;
    double cells = 0;     ///< that had data
    Milliseconds step{};  ///< typical time between points
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
    Milliseconds cell{};  ///< length of the cells that it was learnt from; 0: by an older holdfast
    std::string timezone;
    UtcOffsets offsets;
    double whole_cycles = 0;  ///< length of the data over the cycle, rounded down
    std::uint64_t rows = 0;   ///< rows of the store that it was made from
    std::string note;         ///< what it lacks, in words
    std::vector<Exclusion> excluded;
    std::vector<SignalBaseline> signals;
    std::string history_digest;  ///< SHA-256 of the cells that it was learnt from
    std::string digest;
};

}  // namespace holdfast
