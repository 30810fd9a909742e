#include "rules/learn.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace holdfast::rules {
namespace {

constexpr double finer_must_win = 0.95;   // of the coarser level's squared error
constexpr double shrink_weight = 4;       // windows that the expected shape of V(h) is worth
constexpr double shrink_exponent = 0.35;  // V(h) expected to fall as h^-0.35: real servers drift
constexpr double freedom_max = 30;

struct Sums {
    double n = 0;
    double d = 0;
};

}  // namespace

/// Season means at one level with one unit (a cycle, a day) left out.
struct SignalLearner::Means {
    Means(const std::vector<SlotSums>& sums, const SeasonClock& clock, SeasonLevel the_level,
          std::int64_t SlotSums::*the_unit)
        : level{the_level}, unit{the_unit}, season_clock{clock}, all(clock.seasons(the_level)) {
        for (const auto& s : sums) {
            const auto season = clock.season(level, s.slot);
            all[season].n += s.n;
            all[season].d += s.d;
            total.n += s.n;
            total.d += s.d;
            auto& by_season = units[s.*unit];
            by_season[season].n += s.n;
            by_season[season].d += s.d;
            unit_totals[s.*unit].n += s.n;
            unit_totals[s.*unit].d += s.d;
        }
    }

    /// Mean of the season of `s` over the other units; of everything else where no other unit has
    /// that season. With one unit only, its own mean.
    double left_out(const SlotSums& s) const {
        if (units.size() < 2) {
            const auto& own = all[season_clock.season(level, s.slot)];
            return own.n / own.d;
        }
        const auto season = season_clock.season(level, s.slot);
        const auto& own = units.at(s.*unit).at(season);
        const double d = all[season].d - own.d;
        if (d > 0) {
            return (all[season].n - own.n) / d;
        }
        const auto& unit_total = unit_totals.at(s.*unit);
        return (total.n - unit_total.n) / (total.d - unit_total.d);
    }

    SeasonLevel level;
    std::int64_t SlotSums::*unit;
    const SeasonClock& season_clock;
    std::vector<Sums> all;
    Sums total;
    std::map<std::int64_t, std::map<std::size_t, Sums>> units;
    std::map<std::int64_t, Sums> unit_totals;
};

SignalLearner::SignalLearner(SignalId signal, Kind kind, const SeasonClock& clock,
                             Milliseconds block)
    : signal_{std::move(signal)}, kind_{kind}, clock_{clock}, builder_{block} {}

void SignalLearner::add(const Point& point) {
    if (!first_) {
        first_ = point.at;
    }
    last_ = point.at;
    ++points_;
    if (const auto done = builder_.add(point)) {
        take(*done);
    }
}

void SignalLearner::take(const Block& raw) {
    const auto slot = clock_.slot(raw.begin);
    if (!slot) {
        return;
    }
    const auto block = weighed(raw, kind_);
    const double value = block.numerator / block.denominator;
    if (!pivot_) {
        pivot_ = minimum_ = maximum_ = value;
    }
    minimum_ = std::min(minimum_, value);
    maximum_ = std::max(maximum_, value);
    const auto cycle = clock_.cycle_number(raw.begin);
    const auto day = clock_.day_number(raw.begin);
    if (sums_.empty() || sums_.back().slot != *slot || sums_.back().cycle != cycle ||
        sums_.back().day != day) {
        sums_.push_back({.slot = *slot, .cycle = cycle, .day = day});
    }
    auto& s = sums_.back();
    const double n = block.numerator - *pivot_ * block.denominator;
    const double d = block.denominator;
    s.blocks += 1;
    s.n += n;
    s.d += d;
    s.nn += n * n;
    s.nd += n * d;
    s.dd += d * d;
}

std::optional<SignalBaseline> SignalLearner::finish(Timestamp now) {
    if (const auto done = builder_.finish(now)) {
        take(*done);
    }
    if (sums_.empty()) {
        return std::nullopt;
    }
    SignalBaseline out{.signal = signal_, .kind = kind_};
    out.level = best_level().value_or(SeasonLevel::all);
    out.seasons.resize(clock_.seasons(out.level));
    double blocks = 0;
    double denominators = 0;
    for (const auto& s : sums_) {
        auto& season = out.seasons[clock_.season(out.level, s.slot)];
        season.mean += s.n;  // a sum until below
        season.weight += s.d;
        season.blocks += s.blocks;
        blocks += s.blocks;
        denominators += s.d;
    }
    for (auto& season : out.seasons) {
        season.mean = season.weight > 0 ? season.mean / season.weight + *pivot_ : 0;
    }
    out.denominator_per_block = denominators / blocks;
    out.step = points_ > 1 ? Milliseconds{std::llround(
                                 static_cast<double>((*last_ - *first_).count()) / (points_ - 1))}
                           : Milliseconds{0};
    out.minimum = minimum_;
    out.maximum = maximum_;
    measure_variance(out);
    return out;
}

/// The finest level that predicts left-out cycles best; nothing when there is too little to choose.
std::optional<SeasonLevel> SignalLearner::best_level() const {
    std::set<std::int64_t> cycles;
    std::set<std::int64_t> days;
    for (const auto& s : sums_) {
        cycles.insert(s.cycle);
        days.insert(s.day);
    }
    auto levels = clock_.levels();
    auto unit = &SlotSums::cycle;
    if (cycles.size() < 2) {
        if (days.size() < 2 || clock_.cycle() <= std::chrono::hours{24}) {
            return std::nullopt;
        }
        unit = &SlotSums::day;  // less than two cycles can only show what repeats within them
        levels.erase(levels.begin());
    }
    auto best = levels.back();
    double best_error = left_out_error(best, unit);
    for (auto level = levels.rbegin() + 1; level != levels.rend(); ++level) {
        const double error = left_out_error(*level, unit);
        if (error < finer_must_win * best_error) {
            best = *level;
            best_error = error;
        }
    }
    return best;
}

double SignalLearner::left_out_error(SeasonLevel level, std::int64_t SlotSums::*unit) const {
    const Means means{sums_, clock_, level, unit};
    double error = 0;
    for (const auto& s : sums_) {
        const double m = means.left_out(s);
        error += s.nn - 2 * m * s.nd + m * m * s.dd;
    }
    return error;
}

void SignalLearner::measure_variance(SignalBaseline& out) const {
    std::set<std::int64_t> cycles;
    for (const auto& s : sums_) {
        cycles.insert(s.cycle);
    }
    const auto unit = cycles.size() >= 2 || clock_.cycle() <= std::chrono::hours{24}
                          ? &SlotSums::cycle
                          : &SlotSums::day;
    const Means means{sums_, clock_, out.level, unit};
    struct Window {
        double residual = 0;
        double blocks = 0;
    };
    double blocks = 0;
    double squares = 0;
    std::vector<Window> slots;
    std::map<std::int64_t, Window> days;
    std::map<std::int64_t, Window> whole_cycles;
    for (const auto& s : sums_) {
        const double m = means.left_out(s);
        squares += s.nn - 2 * m * s.nd + m * m * s.dd;
        blocks += s.blocks;
        const double residual = s.n - m * s.d;
        slots.push_back({residual, s.blocks});
        for (auto* window : {&days[s.day], &whole_cycles[s.cycle]}) {
            window->residual += residual;
            window->blocks += s.blocks;
        }
    }
    const double scale = out.denominator_per_block;
    const double correction = means.units.size() < 2 && blocks > 1 ? blocks / (blocks - 1) : 1;
    out.variances.push_back(
        {1, std::max(0.0, squares / (scale * scale * blocks)) * correction, blocks});
    // Lengths of which at least two windows were seen; partial ones (a gap, the ends) do not count.
    const auto measure = [&](const auto& windows) {
        double longest = 0;
        for (const auto& w : windows) {
            longest = std::max(longest, w.blocks);
        }
        double sum = 0;
        double count = 0;
        double length = 0;
        for (const auto& w : windows) {
            if (w.blocks >= 0.6 * longest) {
                const double mean = w.residual / (scale * w.blocks);
                sum += mean * mean;
                length += w.blocks;
                ++count;
            }
        }
        const auto& shorter = out.variances.back();
        const double h = count > 0 ? length / count : 0;
        if (count < 2 || h < 1.5 * shorter.blocks) {
            return;
        }
        const double expected = shorter.variance * std::pow(shorter.blocks / h, shrink_exponent);
        const double shrunk = (sum + shrink_weight * expected) / (count + shrink_weight);
        const double least = shorter.variance * shorter.blocks / h;  // a mean cannot do better
        out.variances.push_back({h, std::max(shrunk, least), count});
    };
    const auto values = [](const std::map<std::int64_t, Window>& by_unit) {
        std::vector<Window> list;
        list.reserve(by_unit.size());
        for (const auto& [number, window] : by_unit) {
            list.push_back(window);
        }
        return list;
    };
    measure(slots);
    measure(values(days));
    measure(values(whole_cycles));
}

double variance_of_mean(const std::vector<WindowVariance>& variances, double blocks) {
    const auto longer =
        std::find_if(variances.begin(), variances.end(),
                     [blocks](const WindowVariance& v) { return v.blocks >= blocks; });
    if (longer == variances.begin()) {
        return longer->variance;
    }
    const auto& before = *(longer - 1);
    if (longer == variances.end()) {
        // Longer than anything seen: the slow noise does not average out faster than it was seen
        // to.
        const double exponent = before.blocks > 1 ? 1 : shrink_exponent;
        return before.variance * std::pow(before.blocks / blocks, exponent);
    }
    if (before.variance <= 0 || longer->variance <= 0) {
        return std::max(before.variance, longer->variance);
    }
    const double share =
        std::log(blocks / before.blocks) / std::log(longer->blocks / before.blocks);
    return std::exp((1 - share) * std::log(before.variance) + share * std::log(longer->variance));
}

double degrees_of_freedom(const std::vector<WindowVariance>& variances, double blocks) {
    const auto nearest = std::min_element(
        variances.begin(), variances.end(),
        [blocks](const WindowVariance& a, const WindowVariance& b) {
            return std::abs(std::log(a.blocks / blocks)) < std::abs(std::log(b.blocks / blocks));
        });
    return std::clamp(nearest->windows - 1 + shrink_weight, 1.0, freedom_max);
}

}  // namespace holdfast::rules
