#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "rules/judging/ensemble.h"

namespace holdfast::bench {

/// The first signals of every simulated upgrade are its gauges, the next its ratios. A load signal
/// may follow.
inline constexpr std::size_t simulated_gauges = 35;
inline constexpr std::size_t simulated_ratios = 15;
inline constexpr std::size_t changed_signals = simulated_gauges + simulated_ratios;

/// What kind of upgrades are simulated.
struct SimulationSettings {
    std::uint64_t seed = 0;
    double phi = 0;  ///< autocorrelation of gauges and failure ratios from minute to minute, 0..1
    int baseline_weeks = 4;
    int watch_weeks = 1;
    bool stress = false;  ///< dirty baselines: incidents of hours, growth over weeks
    bool load = true;     ///< the traffic is a signal too
};

/// What the upgrade does to every gauge and ratio. The load stays as it is.
struct Effect {
    /// Extra failures come as new Poisson events, and those of a smaller factor are among those of
    /// a larger one; or the failures that there are count more: exactly at a level, without noise.
    enum class Failures : std::uint8_t { drawn, scaled };
    double gauge_factor = 1;
    double ratio_factor = 1;  ///< at least 1 where failures are drawn
    Failures failures = Failures::drawn;
    std::size_t from_minute = 0;  ///< after the upgrade
};

/// Cells of all signals, minute by minute after the upgrade.
class MinuteRows {
public:
    MinuteRows(std::size_t minutes, std::size_t signals)
        : signals_{signals}, cells_(minutes * signals) {}

    std::size_t minutes() const { return cells_.size() / signals_; }
    /// One cell per signal: what EnsembleWatch::take() wants.
    std::span<const Cell> row(std::size_t minute) const {
        return {cells_.data() + minute * signals_, signals_};
    }
    const Cell& at(std::size_t minute, std::size_t signal) const {
        return cells_[minute * signals_ + signal];
    }
    Cell& at(std::size_t minute, std::size_t signal) { return cells_[minute * signals_ + signal]; }

private:
    std::size_t signals_;
    std::vector<Cell> cells_;
};

/// One upgrade: minutes of its baseline weeks, and of the weeks after it as they would be had
/// nothing changed.
struct SimulatedUpgrade {
    std::vector<rules::EnsembleSignal> signals;
    rules::EnsemblePlan plan;
    std::vector<Cells> history;  ///< by signal
    MinuteRows after;
    std::vector<std::vector<double>> failure_means;  ///< by ratio, for each minute of `after`
    std::uint64_t effect_seed = 0;                   ///< of the extra failures

    /// `after`, had the upgrade had this effect. The same effect gives the same cells.
    MinuteRows changed_by(const Effect& effect) const;
};

/// Simulates upgrade number `index`, 45 MB of it, in about 0.1 s. It depends on the arguments
/// alone.
///
/// Gauges are log-normal in shape: a daily curve and a weekend, effects of days and weeks, shared
/// traffic, AR(1) noise with Student t4 innovations, nightly jobs that start some minutes early or
/// late, short spikes, cold caches after the upgrade. Ratios have Poisson attempts that follow the
/// traffic and failures whose rate wanders. The numbers are those of docs/statistics.md.
SimulatedUpgrade simulate_upgrade(const SimulationSettings& settings, std::uint64_t index);

}  // namespace holdfast::bench
