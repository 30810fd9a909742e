#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <numbers>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "rules/judging/ensemble.h"
#include "rules/judging/numerics.h"
#include "rules/judging/reasons.h"

namespace holdfast::rules::testing {

using namespace std::chrono_literals;

/// Standard normal numbers from a fixed seed; with `memory` an AR(1) process of unit variance.
class Noise {
public:
    explicit Noise(std::uint64_t seed, double memory = 0)
        : engine_{seed}, memory_{memory}, state_{normal_(engine_)} {}
    double next() {
        state_ = memory_ * state_ + std::sqrt(1 - memory_ * memory_) * normal_(engine_);
        return state_;
    }
    std::mt19937_64& engine() { return engine_; }

private:
    std::mt19937_64 engine_;
    std::normal_distribution<double> normal_;
    double memory_;
    double state_;
};

inline Values noise(std::size_t size, std::uint64_t seed, double memory = 0) {
    Noise source{seed, memory};
    Values out(size);
    std::generate(out.begin(), out.end(), [&source] { return source.next(); });
    return out;
}

/// When one upgrade of a test is: a Friday at 10:00, with history before it.
struct Course {
    Milliseconds cell = 5min;
    Milliseconds history = 24h * 5;
    Milliseconds watch = 24h;    ///< cells that are simulated after the upgrade
    Milliseconds planned = 24h;  ///< end of the watch in the plan
    Milliseconds cycle = 24h * 7;
    Milliseconds warmup{0};
    Timestamp upgrade{std::chrono::hours{24 * 20'000 + 10}};

    /// Whole weeks in cells of five minutes: the level is judged by cycles.
    static Course weeks(int history_weeks, Milliseconds watched) {
        return {.history = 24h * 7 * history_weeks, .watch = watched, .planned = 24h * 7};
    }
    std::size_t before() const { return static_cast<std::size_t>(history / cell); }
    std::size_t size() const { return before() + static_cast<std::size_t>(watch / cell); }
    Timestamp at(std::size_t i) const {
        return upgrade +
               cell * (static_cast<std::int64_t>(i) - static_cast<std::int64_t>(before()));
    }
    /// The cell that begins `after` the upgrade.
    std::size_t cell_at(Milliseconds after) const {
        return before() + static_cast<std::size_t>(after / cell);
    }
    EnsemblePlan plan() const {
        return {.begin = at(0),
                .upgrade = upgrade,
                .planned_end = upgrade + planned,
                .cell = cell,
                .cycle = cycle,
                .warmup = warmup};
    }
};

/// A level with a daily curve and noise that remembers, both as ratios of it.
struct Shape {
    double level = 100;
    double daily = 0.1;   ///< amplitude of the logarithm
    double noise = 0.05;  ///< standard deviation of the logarithm, in blocks of five minutes
    double memory = 0.6;  ///< correlation of neighbouring blocks of five minutes
};

inline double daily_sine(Timestamp at) {
    const auto day = std::chrono::duration<double>{24h} / 1s;
    const double seconds = std::chrono::duration<double>{at.time_since_epoch()} / 1s;
    return std::sin(2 * std::numbers::pi * seconds / day);
}

inline Values gauge_values(const Course& course, const Shape& shape, std::uint64_t seed) {
    const double blocks = std::chrono::duration<double>{course.cell} / 5min;
    Noise source{seed, std::pow(shape.memory, blocks)};
    Values out;
    for (std::size_t i = 0; i < course.size(); ++i) {
        out.push_back(shape.level * std::exp(shape.daily * daily_sine(course.at(i)) +
                                             shape.noise * source.next()));
    }
    return out;
}

inline Cells cells_of(const Values& values) {
    Cells out;
    for (const double v : values) {
        out.push_back(std::isnan(v) ? Cell{} : Cell{v, 1});
    }
    return out;
}

inline Cells gauge(const Course& course, const Shape& shape, std::uint64_t seed) {
    return cells_of(gauge_values(course, shape, seed));
}

/// Zero but for a share of the cells, which hold one to five.
inline Cells mostly_zero(const Course& course, double busy_share, std::uint64_t seed) {
    std::mt19937_64 engine{seed};
    std::uniform_real_distribution<double> uniform{0, 1};
    Cells out;
    for (std::size_t i = 0; i < course.size(); ++i) {
        out.push_back({uniform(engine) < busy_share ? 1 + 4 * uniform(engine) : 0, 1});
    }
    return out;
}

inline Cells constant(const Course& course, double value) {
    return Cells(course.size(), Cell{value, 1});
}

/// Whole numbers about `level`.
inline Cells integers(const Course& course, double level, std::uint64_t seed) {
    auto out = gauge(course, {.level = level, .daily = 0.05, .noise = 0.08}, seed);
    for (auto& c : out) {
        c.numerator = std::round(c.numerator);
    }
    return out;
}

/// Bad events out of about `events` a cell.
inline Cells bad_events(const Course& course, double share, double events, std::uint64_t seed) {
    std::mt19937_64 engine{seed};
    Cells out;
    for (std::size_t i = 0; i < course.size(); ++i) {
        const double mean = events * std::exp(0.3 * daily_sine(course.at(i)));
        const int all = std::poisson_distribution<int>{mean}(engine);
        const int bad = std::binomial_distribution<int>{all, share}(engine);
        out.push_back({static_cast<double>(bad), static_cast<double>(all)});
    }
    return out;
}

/// The same cells with numerators times `factor` from `first` on (up to `last`).
inline Cells times(Cells cells, double factor, std::size_t first = 0,
                   std::size_t last = static_cast<std::size_t>(-1)) {
    for (auto i = first; i < std::min(last, cells.size()); ++i) {
        cells[i].numerator *= factor;
    }
    return cells;
}

/// The same cells without data in [first, last).
inline Cells without(Cells cells, std::size_t first,
                     std::size_t last = static_cast<std::size_t>(-1)) {
    for (auto i = first; i < std::min(last, cells.size()); ++i) {
        cells[i] = {};
    }
    return cells;
}

/// One machine: its signals, each with the cells of history and watch.
struct Machine {
    Course course;
    std::vector<EnsembleSignal> signals{};
    std::vector<Cells> cells{};

    Machine& add(EnsembleSignal signal, Cells of_signal) {
        signals.push_back(std::move(signal));
        cells.push_back(std::move(of_signal));
        return *this;
    }
    std::shared_ptr<const EnsembleModel> learn() const {
        std::vector<Cells> history;
        for (const auto& c : cells) {
            history.emplace_back(c.begin(),
                                 c.begin() + static_cast<std::ptrdiff_t>(course.before()));
        }
        return learn_ensemble(course.plan(), signals, history);
    }
    std::vector<Cell> now(std::size_t i) const {
        std::vector<Cell> out;
        for (const auto& c : cells) {
            out.push_back(c[i]);
        }
        return out;
    }
};

struct Outcome {
    std::vector<EnsembleAlert> alerts;
    std::vector<EnsembleJudged> judged;
    std::vector<Evidence> evidence;

    bool speaks(std::size_t signal, Severity least = Severity::page) const {
        return first(signal, least) != nullptr;
    }
    const EnsembleAlert* first(std::size_t signal, Severity least = Severity::page) const {
        const auto found = std::find_if(alerts.begin(), alerts.end(), [&](const auto& a) {
            return a.signal == signal && a.severity >= least;
        });
        return found == alerts.end() ? nullptr : &*found;
    }
    std::size_t count(Severity least) const {
        return static_cast<std::size_t>(std::count_if(
            alerts.begin(), alerts.end(), [least](const auto& a) { return a.severity >= least; }));
    }
};

using Seen = std::function<void(const EnsembleWatch&)>;

/// Feeds the machine's cells after the upgrade; `after_each` is told after every one.
inline Outcome watch(const std::shared_ptr<const EnsembleModel>& model, const Machine& machine,
                     const Seen& after_each = {}) {
    EnsembleWatch watching{model};
    for (auto i = machine.course.before(); i < machine.course.size(); ++i) {
        watching.take(machine.now(i));
        if (after_each) {
            after_each(watching);
        }
    }
    watching.finish();
    Outcome out{watching.alerts(), watching.judged(), {}};
    for (std::size_t i = 0; i < out.judged.size(); ++i) {
        out.evidence.push_back(
            evidence_of(machine.signals[i], out.judged[i], machine.course.plan(), watching.now()));
    }
    return out;
}

inline Outcome learn_and_watch(const Machine& machine) {
    return watch(machine.learn(), machine);
}

}  // namespace holdfast::rules::testing
