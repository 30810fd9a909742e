#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/sample.h"
#include "model/signal.h"
#include "rules/histogram_window.h"

namespace holdfast::rules {

/// Turns the readings of collectors into points of signals, one reading at a time. The same code
/// serves the live daemon and the store's past. Pure: no clock, no failure.
///
/// What it promises: a counter that fell, a new epoch, or a gap of more than `max_gap` gives no
/// point, never a negative or a huge rate; a signal one of whose terms is missing from a reading
/// gives no point; a denominator of zero (no traffic) gives no point, never 0. A quantile is that
/// of the window that ends with the reading, weighted by the reading's observations.
class SignalDeriver {
public:
    /// A counter's increase over more than this is no increase but a gap.
    static constexpr Milliseconds max_gap = std::chrono::minutes{5};

    /// `signals_max` bounds the signals that `by` labels may open; more are counted, not kept.
    explicit SignalDeriver(std::vector<SignalDefinition> definitions,
                           std::size_t signals_max = 20'000);

    /// A point of the signal at `index` of ids().
    struct Derived {
        std::size_t index;
        Point point;
    };

    /// The points that `reading` of `source` completes, in order of their index. Readings of one
    /// source come in time order; one that does not is ignored.
    const std::vector<Derived>& derive(std::string_view source, Timestamp at,
                                       const Reading& reading);

    const std::vector<SignalDefinition>& definitions() const { return definitions_; }
    const SignalId& id(std::size_t index) const { return signals_[index].id; }
    const SignalDefinition& definition(std::size_t index) const {
        return definitions_[signals_[index].definition];
    }
    std::size_t size() const { return signals_.size(); }
    std::uint64_t dropped() const { return dropped_; }

private:
    struct Binding {
        std::size_t signal;
        std::size_t term;  ///< bit in Signal::seen; of a histogram: the bucket
        bool numerator;
        Term::Use use;
        double factor;
    };
    struct SeriesState {
        std::shared_ptr<const Series> series;  ///< keeps the address, which is the key, alive
        std::vector<Binding> bindings;
        double previous = std::numeric_limits<double>::quiet_NaN();
        Timestamp previous_at{};
        std::uint64_t epoch = 0;
    };
    struct Signal {
        SignalId id;
        std::size_t definition;
        std::uint64_t all_terms;  ///< one bit per term
        std::uint64_t seen = 0;
        bool broken = false;
        double numerator = 0;
        double denominator = 0;
        double elapsed_seconds = 0;
        std::unique_ptr<HistogramWindow> histogram;  ///< of this and the following quantiles
    };

    SeriesState& state_of(const std::shared_ptr<const Series>& series);
    void bind(SeriesState& state);
    void bind_scraped(SeriesState& state);
    void bind_bucket(SeriesState& state, std::size_t definition);
    std::size_t signal_for(std::size_t definition, const Series& series);
    void add(SeriesState& state, const Sample& sample, std::uint64_t epoch);
    void finish(Timestamp at);
    void finish_histogram(std::size_t index, Timestamp at);

    std::vector<SignalDefinition> definitions_;  ///< the configured ones first
    std::size_t configured_;
    std::size_t signals_max_;
    std::vector<Signal> signals_;
    std::unordered_map<std::string, std::size_t> by_key_;
    std::unordered_map<const Series*, SeriesState> series_;
    std::unordered_map<std::string, Timestamp> sources_;
    std::vector<std::size_t> touched_;
    std::vector<Derived> derived_;
    std::uint64_t dropped_ = 0;
};

}  // namespace holdfast::rules
