#include "tests/bench/judge_simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <boost/math/distributions/students_t.hpp>
#include <chrono>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>

namespace holdfast::bench {
namespace {

constexpr std::size_t minutes_a_day = 1440;
constexpr std::size_t minutes_a_week = 7 * minutes_a_day;

// ---- randomness

/// Each part of an upgrade draws from a stream of its own, so that settings which add a part leave
/// the others as they are.
constexpr std::uint64_t traffic_stream = 0;
constexpr std::uint64_t first_signal_stream = 1;
constexpr std::uint64_t first_extra_stream = 1000;

/// splitmix64 (Steele, Lea, Flood 2014): neighbouring inputs give unrelated outputs.
std::uint64_t scrambled(std::uint64_t value) {
    value += 0x9e3779b97f4a7c15U;
    value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27U)) * 0x94d049bb133111ebU;
    return value ^ (value >> 31U);
}

std::uint64_t combined(std::uint64_t seed, std::uint64_t part) {
    return scrambled(scrambled(seed) ^ part);
}

/// Quantiles of Student's t with 4 degrees of freedom, scaled to variance 1. A draw is an entry.
const std::vector<float>& student_table() {
    static const std::vector<float> table = [] {
        constexpr std::size_t size = std::size_t{1} << 17U;
        const boost::math::students_t student{4.0};
        std::vector<float> quantiles(size);
        for (std::size_t i = 0; i < size; ++i) {
            const double p = (static_cast<double>(i) + 0.5) / static_cast<double>(size);
            quantiles[i] =
                static_cast<float>(boost::math::quantile(student, p) / std::numbers::sqrt2);
        }
        return quantiles;
    }();
    return table;
}

/// log k!: a table, then Stirling's series, exact to 1e-12. std::lgamma writes to a global.
double log_factorial(double k) {
    static const auto small = [] {
        std::array<double, 16> logs{};
        for (std::size_t i = 1; i < logs.size(); ++i) {
            logs[i] = logs[i - 1] + std::log(static_cast<double>(i));
        }
        return logs;
    }();
    if (k < static_cast<double>(small.size())) {
        return small[static_cast<std::size_t>(k)];
    }
    const double inverse = 1 / k;
    const double square = inverse * inverse;
    const double series = inverse * (1.0 / 12 - square * (1.0 / 360 - square / 1260));
    return (k + 0.5) * std::log(k) - k + 0.5 * std::log(2 * std::numbers::pi) + series;
}

/// xoshiro256** (Blackman, Vigna 2018) and the distributions that the simulation needs.
class Random {
public:
    using result_type = std::uint64_t;

    explicit Random(std::uint64_t seed) {
        for (auto& word : state_) {
            seed = scrambled(seed);
            word = seed;
        }
    }

    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
    result_type operator()() {
        const auto result = std::rotl(state_[1] * 5, 7) * 9;
        const auto shifted = state_[1] << 17U;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    /// In [0, 1).
    double uniform() { return static_cast<double>((*this)() >> 11U) * 0x1p-53; }
    double uniform(double low, double high) { return low + (high - low) * uniform(); }
    double log_uniform(double low, double high) {
        return std::exp(uniform(std::log(low), std::log(high)));
    }
    bool chance(double probability) { return uniform() < probability; }
    std::size_t below(std::size_t limit) {
        return static_cast<std::size_t>(uniform() * static_cast<double>(limit));
    }
    double normal(double deviation) { return deviation * normal_(*this); }
    double exponential(double mean) { return -mean * std::log1p(-uniform()); }
    /// Student's t with 4 degrees of freedom and variance 1.
    double student() { return student_[(*this)() >> 47U]; }
    double poisson(double mean) { return mean < 10 ? few(mean) : many(mean); }

private:
    /// Poisson by inversion. The limit is for a draw so near 1 that the sum never gets there.
    double few(double mean) {
        double rest = uniform();
        double probability = std::exp(-mean);
        double k = 0;
        while (rest >= probability && k < 100) {
            rest -= probability;
            k += 1;
            probability *= mean / k;
        }
        return k;
    }

    /// Poisson by transformed rejection with squeeze, exact: algorithm PTRS of Hörmann (1993), The
    /// transformed rejection method for generating Poisson random variables. For means of 10 or
    /// more.
    double many(double mean) {
        const double b = 0.931 + 2.53 * std::sqrt(mean);
        const double a = -0.059 + 0.02483 * b;
        const double squeeze = 0.9277 - 3.6224 / (b - 2);
        for (;;) {
            const double u = uniform() - 0.5;
            const double v = uniform();
            const double edge = 0.5 - std::abs(u);
            const double k = std::floor((2 * a / edge + b) * u + mean + 0.43);
            if (edge >= 0.07 && v <= squeeze) {
                return k;
            }
            if (k < 0 || (edge < 0.013 && v > edge)) {
                continue;
            }
            const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
            if (std::log(v * inverse_alpha / (a / (edge * edge) + b)) <=
                k * std::log(mean) - mean - log_factorial(k)) {
                return k;
            }
        }
    }

    std::array<std::uint64_t, 4> state_{};
    std::normal_distribution<double> normal_;
    const float* student_ = student_table().data();
};

// ---- what signals are made of; all in log units

using Curve = std::vector<double>;  ///< a value a minute

/// The minutes of one simulated upgrade, from a Monday 00:00.
struct Calendar {
    std::size_t weeks;
    std::size_t upgrade;  ///< minute

    std::size_t days() const { return weeks * 7; }
    std::size_t minutes() const { return weeks * minutes_a_week; }
};

/// Stationary AR(1) of variance 1 with heavy-tailed innovations.
Curve autoregressive_noise(Random& random, std::size_t minutes, double phi) {
    const double innovation = std::sqrt(1 - phi * phi);
    Curve noise(minutes);
    double value = random.student();
    for (auto& minute : noise) {
        minute = value;
        value = phi * value + innovation * random.student();
    }
    return noise;
}

/// A smooth daily curve and the weekdays' levels, Saturday and Sunday lower.
struct Season {
    Curve day;
    std::array<double, 7> weekday{};

    double at(std::size_t minute) const {
        return day[minute % minutes_a_day] + weekday[minute / minutes_a_day % 7];
    }
};

Season random_season(Random& random) {
    Season season{Curve(minutes_a_day), {}};
    for (int harmonic = 1; harmonic <= 3; ++harmonic) {
        const double amplitude = random.uniform(0.2, 1.0) * 0.45 / harmonic;
        const double phase = random.uniform(0, 2 * std::numbers::pi);
        const double speed = 2 * std::numbers::pi * harmonic / static_cast<double>(minutes_a_day);
        for (std::size_t i = 0; i < minutes_a_day; ++i) {
            season.day[i] += amplitude * std::cos(speed * static_cast<double>(i) + phase);
        }
    }
    const double weekend = random.uniform(0.1, 0.4);
    for (std::size_t i = 0; i < season.weekday.size(); ++i) {
        season.weekday[i] = random.normal(0.02) - (i >= 5 ? weekend : 0);
    }
    return season;
}

/// How far whole days and weeks stray, as standard deviations.
struct Straying {
    double day;
    double week;
};

/// A value a day: nothing that a profile could know.
std::vector<double> straying_days(Random& random, std::size_t days, Straying deviation) {
    std::vector<double> levels(days);
    double week = 0;
    for (std::size_t day = 0; day < days; ++day) {
        if (day % 7 == 0) {
            week = random.normal(deviation.week);
        }
        levels[day] = week + random.normal(deviation.day);
    }
    return levels;
}

struct Traffic {
    Curve log_load;
    Curve deviation;  ///< from its own season
};

Traffic random_traffic(Random random, const Calendar& calendar) {
    const auto season = random_season(random);
    const auto days = straying_days(random, calendar.days(), {.day = 0.02, .week = 0.03});
    Traffic traffic{{}, autoregressive_noise(random, calendar.minutes(), 0.95)};
    traffic.log_load.reserve(calendar.minutes());
    for (std::size_t i = 0; i < calendar.minutes(); ++i) {
        traffic.deviation[i] = 0.03 * traffic.deviation[i] + days[i / minutes_a_day];
        traffic.log_load.push_back(season.at(i) + traffic.deviation[i]);
    }
    return traffic;
}

// ---- gauges

void raise(Curve& curve, std::size_t first, std::size_t count, double by) {
    for (std::size_t i = first; i < std::min(first + count, curve.size()); ++i) {
        curve[i] += by;
    }
}

/// A job of an hour at about two o'clock, which never starts on time.
void add_night_jobs(Random& random, Curve& gauge) {
    for (std::size_t day = 0; day < gauge.size() / minutes_a_day; ++day) {
        const double start = static_cast<double>(day * minutes_a_day + 120) + random.normal(10);
        raise(gauge, static_cast<std::size_t>(start), 60, 0.6);
    }
}

void add_spikes(Random& random, Curve& gauge) {
    for (std::size_t i = 0; i < gauge.size() / 1000; ++i) {
        const auto minute = random.below(gauge.size() - 2);
        gauge[minute] += random.exponential(0.7);
    }
}

/// A transient of minutes that no upgrade should be blamed for.
void add_cold_caches(Curve& gauge, std::size_t upgrade) {
    for (std::size_t i = 0; i < 60; ++i) {
        gauge[upgrade + i] += 0.26 * std::exp(-static_cast<double>(i) / 5);
    }
}

/// An incident of six hours in one past week, and growth of 2 % a week, in some gauges.
void add_dirt(Random& random, Curve& gauge, std::size_t upgrade) {
    if (random.chance(0.2)) {
        raise(gauge, random.below(upgrade - 360), 360, 0.6);
    }
    if (random.chance(0.3)) {
        for (std::size_t i = 0; i < gauge.size(); ++i) {
            gauge[i] += 0.02 * static_cast<double>(i) / static_cast<double>(minutes_a_week);
        }
    }
}

/// The log of a gauge that no job, spike, incident or upgrade disturbs.
Curve calm_gauge(Random& random, const Calendar& calendar, const Traffic& traffic, double phi) {
    const auto season = random_season(random);
    const double noise = random.log_uniform(0.05, 0.20);
    const double day = random.log_uniform(0.005, 0.02);
    const double week = random.log_uniform(0.003, 0.01);
    const double load_exponent = random.uniform();
    const auto days = straying_days(random, calendar.days(), {.day = day, .week = week});
    auto gauge = autoregressive_noise(random, calendar.minutes(), phi);
    for (std::size_t i = 0; i < gauge.size(); ++i) {
        gauge[i] = noise * gauge[i] + season.at(i) + days[i / minutes_a_day] +
                   load_exponent * traffic.deviation[i];
    }
    return gauge;
}

Curve random_gauge(Random random, const Calendar& calendar, const Traffic& traffic,
                   const SimulationSettings& settings) {
    auto gauge = calm_gauge(random, calendar, traffic, settings.phi);
    if (random.chance(0.3)) {
        add_night_jobs(random, gauge);
    }
    add_spikes(random, gauge);
    if (random.chance(0.5)) {
        add_cold_caches(gauge, calendar.upgrade);
    }
    if (settings.stress) {  // last, so that it leaves the draws before it as they are
        add_dirt(random, gauge, calendar.upgrade);
    }
    return gauge;
}

// ---- ratios

struct Ratio {
    Cells cells;
    Curve failure_means;  ///< of the Poisson draw behind each cell's numerator
};

/// The failure ratio without its level: it wanders, and for single minutes it is six times as bad.
Curve random_failure_level(Random& random, const Calendar& calendar, double phi) {
    const auto days = straying_days(random, calendar.days(), {.day = 0.03, .week = 0.015});
    auto level = autoregressive_noise(random, calendar.minutes(), phi);
    for (std::size_t i = 0; i < level.size(); ++i) {
        const double burst = random.chance(0.0005) ? std::log(6.0) : 0;
        level[i] = 0.3 * level[i] + days[i / minutes_a_day] + burst;
    }
    return level;
}

Ratio random_ratio(Random random, const Calendar& calendar, const Traffic& traffic, double phi) {
    const double attempts = random.log_uniform(200, 1500);
    const double typical = random.log_uniform(0.002, 0.02);
    const auto level = random_failure_level(random, calendar, phi);
    Ratio ratio;
    ratio.cells.reserve(level.size());
    ratio.failure_means.reserve(level.size());
    for (std::size_t i = 0; i < level.size(); ++i) {
        const double attempted = random.poisson(attempts * std::exp(traffic.log_load[i]));
        const double share = std::min(typical * std::exp(std::clamp(level[i], -4.0, 3.0)), 0.5);
        ratio.failure_means.push_back(attempted * share);
        ratio.cells.push_back({random.poisson(attempted * share), attempted});
    }
    return ratio;
}

// ---- the upgrade

rules::EnsembleSignal gauge_signal(std::size_t number) {
    return {.name = fmt::format("gauge_{:02}_bytes", number),
            .kind = Kind::gauge,
            .tolerated = {0.02, 0},
            .margin = {0.10, 0}};
}

rules::EnsembleSignal ratio_signal(std::size_t number) {
    return {.name = fmt::format("failed_{:02}_ratio", number),
            .kind = Kind::ratio,
            .tolerated = {0.05, 0},
            .margin = {0.50, 0}};
}

/// Half the traffic is as much news as twice the traffic.
rules::EnsembleSignal load_signal() {
    return {.name = "traffic_requests",
            .kind = Kind::gauge,
            .worse = Direction::both,
            .is_load = true,
            .required = false};
}

std::vector<rules::EnsembleSignal> all_signals(bool load) {
    std::vector<rules::EnsembleSignal> signals;
    for (std::size_t i = 0; i < simulated_gauges; ++i) {
        signals.push_back(gauge_signal(i));
    }
    for (std::size_t i = 0; i < simulated_ratios; ++i) {
        signals.push_back(ratio_signal(i));
    }
    if (load) {
        signals.push_back(load_signal());
    }
    return signals;
}

rules::EnsemblePlan plan_of(const SimulationSettings& settings) {
    using namespace std::chrono;
    const sys_days monday{January / 1 / 2024};
    return {.begin = monday,
            .upgrade = monday + weeks{settings.baseline_weeks},
            .planned_end = monday + weeks{settings.baseline_weeks + settings.watch_weeks},
            .cell = minutes{1},
            .cycle = weeks{1},
            .warmup = minutes{15}};
}

/// Signal number `signal` is these cells, before and after the upgrade.
void put(SimulatedUpgrade& upgrade, std::size_t signal, const Cells& cells) {
    const auto before = cells.size() - upgrade.after.minutes();
    upgrade.history.emplace_back(cells.begin(),
                                 cells.begin() + static_cast<std::ptrdiff_t>(before));
    for (std::size_t minute = 0; minute < upgrade.after.minutes(); ++minute) {
        upgrade.after.at(minute, signal) = cells[before + minute];
    }
}

Cells gauge_cells(const Curve& logarithms) {
    Cells cells;
    cells.reserve(logarithms.size());
    for (const double value : logarithms) {
        cells.push_back({std::exp(value), 1});
    }
    return cells;
}

/// Factors between which extra failures are drawn apart, so that they are nested.
constexpr std::array factor_steps{1.05, 1.1, 1.2,
                                  1.5,  2.0, std::numeric_limits<double>::infinity()};

/// Every minute is drawn, whether or not the effect has begun: a late one gets the failures that an
/// early one has in the same minutes.
void draw_extra_failures(const SimulatedUpgrade& upgrade, const Effect& effect, MinuteRows& rows) {
    double reached = 1;
    for (std::size_t step = 0; reached < effect.ratio_factor; ++step) {
        const double next = std::min(factor_steps[step], effect.ratio_factor);
        Random random{combined(upgrade.effect_seed, first_extra_stream + step)};
        for (std::size_t ratio = 0; ratio < simulated_ratios; ++ratio) {
            for (std::size_t minute = 0; minute < rows.minutes(); ++minute) {
                const double extra =
                    random.poisson(upgrade.failure_means[ratio][minute] * (next - reached));
                if (minute >= effect.from_minute) {
                    rows.at(minute, simulated_gauges + ratio).numerator += extra;
                }
            }
        }
        reached = next;
    }
}

/// Multiplies the numerators of signals [first, last).
struct Scaling {
    std::size_t first;
    std::size_t last;
    double factor;
};

void scale(MinuteRows& rows, std::size_t from_minute, const Scaling& scaling) {
    for (std::size_t minute = from_minute; minute < rows.minutes(); ++minute) {
        for (std::size_t signal = scaling.first; signal < scaling.last; ++signal) {
            rows.at(minute, signal).numerator *= scaling.factor;
        }
    }
}

}  // namespace

MinuteRows SimulatedUpgrade::changed_by(const Effect& effect) const {
    auto rows = after;
    scale(rows, effect.from_minute, {0, simulated_gauges, effect.gauge_factor});
    if (effect.failures == Effect::Failures::scaled) {
        scale(rows, effect.from_minute, {simulated_gauges, changed_signals, effect.ratio_factor});
    } else {
        draw_extra_failures(*this, effect, rows);
    }
    return rows;
}

SimulatedUpgrade simulate_upgrade(const SimulationSettings& settings, std::uint64_t index) {
    const auto before = static_cast<std::size_t>(settings.baseline_weeks);
    const auto after = static_cast<std::size_t>(settings.watch_weeks);
    const Calendar calendar{.weeks = before + after, .upgrade = before * minutes_a_week};
    const auto seed =
        combined(combined(settings.seed, std::bit_cast<std::uint64_t>(settings.phi)), index);
    auto signals = all_signals(settings.load);
    MinuteRows rows{after * minutes_a_week, signals.size()};
    SimulatedUpgrade upgrade{std::move(signals), plan_of(settings), {}, std::move(rows), {}, seed};

    const auto traffic = random_traffic(Random{combined(seed, traffic_stream)}, calendar);
    for (std::size_t i = 0; i < simulated_gauges; ++i) {
        Random random{combined(seed, first_signal_stream + i)};
        put(upgrade, i, gauge_cells(random_gauge(random, calendar, traffic, settings)));
    }
    for (std::size_t i = simulated_gauges; i < changed_signals; ++i) {
        Random random{combined(seed, first_signal_stream + i)};
        const auto ratio = random_ratio(random, calendar, traffic, settings.phi);
        put(upgrade, i, ratio.cells);
        upgrade.failure_means.emplace_back(
            ratio.failure_means.begin() + static_cast<std::ptrdiff_t>(calendar.upgrade),
            ratio.failure_means.end());
    }
    if (settings.load) {
        put(upgrade, changed_signals, gauge_cells(traffic.log_load));
    }
    return upgrade;
}

}  // namespace holdfast::bench
