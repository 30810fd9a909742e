#pragma once
#include <cstdint>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "model/baseline.h"
#include "model/result.h"
#include "model/sample.h"
#include "model/time.h"

namespace holdfast::client {

/// `name{label="value"}` as in the Prometheus text format. Its type goes by the name: `_total`,
/// `_count`, `_sum` and `_bucket` are counters, all else gauges. Errc::parse.
Result<Series> parse_series(std::string_view text);

/// A stretch of samples, one per tick of the series.
struct ValueRun {
    enum class Sort : std::uint8_t {
        values,   ///< first, first + step, …
        missing,  ///< none was taken
        stale,    ///< the series ended; what comes later is another of the same name
    };
    Sort sort = Sort::values;
    std::uint64_t ticks = 1;
    double first = 0;
    double step = 0;
    bool operator==(const ValueRun&) const = default;
};

/// The expanding notation of `promtool test rules`, stretches with blanks between them:
///
///     1.5        one sample           a+bxN, a-bxN  a, then N more, each b above or below the last
///     _, _xN     one, N are missing   axN           a+0xN: N + 1 samples
///     stale      the series ends
///
/// Numbers are decimal and finite; native histograms are refused. Errc::parse names the stretch.
Result<std::vector<ValueRun>> parse_values(std::string_view text);

/// A series made to order: level · (1 + day · sin) · weekend · e^(noise · AR(1)), in local time.
/// Of a counter it is the increase per second.
struct Pattern {
    double level = 0;
    double day = 0;              ///< 0 to 1: how far it swings, most at 15:00 and least at 03:00
    double weekend = 1;          ///< factor on Saturday and Sunday
    double noise = 0;            ///< standard deviation of the logarithm
    double autocorrelation = 0;  ///< of the noise from tick to tick, 0 to below 1
    std::uint64_t seed = 1;      ///< of the noise, with the series' name: no two are alike
    double after = 1;            ///< factor from the change on
    Milliseconds from{0};        ///< the change comes so long after the judging begins
};

/// A series of a test with its samples: by `pattern`, or else by `runs`.
struct SeriesInput {
    Series series;
    std::vector<ValueRun> runs;
    std::optional<Pattern> pattern;
};

/// When samples are taken.
struct Ticks {
    Timestamp begin;
    Milliseconds interval{};
    Timestamp judging;   ///< begins: a pattern's `from` counts from it
    UtcOffsets offsets;  ///< of the time zone that patterns live in
};

/// Gives the samples of one series, tick by tick. The same arguments give the same values. Memory:
/// none for what was or will be given. `input` and `ticks` outlive it.
class SeriesValues {
public:
    SeriesValues(const SeriesInput& input, const Ticks& ticks);

    struct Value {
        std::optional<double> value;  ///< nothing: missing
        bool ended = false;           ///< by `stale`, before this tick
    };
    /// Of the next tick; missing for ever once the runs are over.
    Value next();

private:
    Value next_of_runs();
    double next_of_pattern(const Pattern& pattern);

    const SeriesInput& input_;
    const Ticks& ticks_;
    Timestamp at_;
    std::size_t run_ = 0;
    std::uint64_t in_run_ = 0;
    bool ended_ = false;
    std::mt19937_64 random_;
    std::normal_distribution<> normal_;
    double noise_;  ///< of unit variance
    double counted_ = 0;
};

}  // namespace holdfast::client
