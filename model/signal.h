#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/sample.h"
#include "model/time.h"

namespace holdfast {

/// What kind of quantity a signal is: it decides how values are averaged and compared.
enum class Kind : std::uint8_t {
    gauge,    ///< a level: memory used, queue length
    rate,     ///< events or units per second, from a counter
    ratio,    ///< bad (or good) events out of all; the counts are kept
    count,    ///< rare events per second whose baseline is often zero
    latency,  ///< seconds per observation, weighted by observations
    trend,    ///< grows on purpose: storage; judged by its growth a day
};

/// Which way is worse.
enum class Direction : std::uint8_t { up, down, both };

/// Series whose metric is `metric` and whose labels contain all of `labels`.
struct Selector {
    std::string metric;
    Labels labels;
    bool operator==(const Selector&) const = default;
};

/// `factor` times the sum over the selected series of their value, or of their increase since the
/// reading before (counters; a restart gives no increase).
struct Term {
    enum class Use : std::uint8_t { value, increase };
    Selector selector;
    Use use = Use::value;
    double factor = 1;
    bool operator==(const Term&) const = default;
};

/// How a signal is derived from the readings of one collector: sum of `numerator` over sum of
/// `denominator`. Without a denominator it is 1 for gauges, and the seconds since the reading
/// before for increases. `by` names the labels that split it: one signal per combination of their
/// values.
struct SignalDefinition {
    std::string name;  ///< ends in its unit, as a metric does: `cpu_busy_ratio`
    Kind kind = Kind::gauge;
    Direction worse = Direction::up;
    std::string help;  ///< one sentence for people, no full stop
    std::vector<Term> numerator;
    std::vector<Term> denominator;
    std::vector<std::string> by;
    /// Traffic: asked of the system from outside. It is judged itself, and may explain the others.
    bool load = false;
    /// Of a histogram: a signal for each of these shares, 0..1, with the label `quantile`. Its one
    /// numerator selects the buckets (label `le`), and the value is the quantile of `window`.
    std::vector<double> quantiles;
    Milliseconds window{0};
    bool operator==(const SignalDefinition&) const = default;
};

/// One signal: a definition's name with the labels it was split by.
struct SignalId {
    std::string name;
    Labels labels;
    auto operator<=>(const SignalId&) const = default;
};

/// `name{a="1"}`: for keys, reasons and people.
std::string to_string(const SignalId& id);

/// Whether the signal has this name and at least these labels.
bool matches(const std::string& name, const Labels& labels, const SignalId& signal);

/// One observation of a signal: value = numerator / denominator. Both are kept, so that blocks are
/// averaged right: sums over sums, never a mean of ratios.
struct Point {
    Timestamp at;
    double numerator;
    double denominator;  ///< > 0
    double value() const { return numerator / denominator; }
};

/// A worsening as an operator writes it; of the two, the larger rules.
struct Allowance {
    double relative = 0;  ///< share of the baseline's level
    double absolute = 0;  ///< in the signal's unit
    double at(double level) const;
    bool operator==(const Allowance&) const = default;
};

/// How loudly a regression speaks.
enum class Severity : std::uint8_t { none, warn, page, rollback };

/// A bound that speaks by itself, whatever else is judged: beyond it for `duration` without
/// interruption.
struct Threshold {
    enum class Side : std::uint8_t { above, below };
    enum class Sort : std::uint8_t {
        hard,       ///< a level
        relative,   ///< a share of the usual level
        burn_rate,  ///< of an error budget, over two windows
        projected,  ///< a level that will be reached at the present pace
    };
    Side side = Side::above;
    /// hard, projected: in the signal's unit. relative: the share that it is off, 0.5 is 50 % above
    /// or below. burn_rate: bad events over those that the objective allows.
    double value = 0;
    Milliseconds duration{0};
    Severity action = Severity::page;
    Sort sort = Sort::hard;
    // burn_rate alone:
    double objective = 0;          ///< share of good events that is promised, below 1
    Milliseconds window{0};        ///< long: the spending matters
    Milliseconds short_window{0};  ///< short: it still goes on
    // projected alone:
    Milliseconds within{0};  ///< the horizon
    Milliseconds over{0};    ///< what tells the pace: the window that ends now
    bool operator==(const Threshold&) const = default;
};

/// What missing data means for closing.
enum class NoData : std::uint8_t {
    blocked,  ///< a required rule without data blocks the upgrade
    ignore,   ///< the rule then has no say
};

/// What is demanded of a signal.
struct Rule {
    std::string name;
    std::string signal;  ///< name of a definition
    Labels match;        ///< only signals with these labels
    Direction worse = Direction::up;
    Allowance tolerated{0.02, 0};
    Allowance margin{0.10, 0};
    std::vector<Threshold> thresholds;
    bool required = false;  ///< closing needs its proof
    NoData no_data = NoData::blocked;
    /// A default that nobody wrote: it has no say where the baseline lacks its signal.
    bool implicit = false;
    bool operator==(const Rule&) const = default;
};

}  // namespace holdfast
