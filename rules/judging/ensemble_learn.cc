#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <functional>
#include <optional>
#include <span>

#include "rules/judging/ensemble_model.h"

namespace holdfast::rules {
namespace {

constexpr double load_share_max = 0.3;          // of all, for load signals; the rest is for costs
constexpr double cycle_level_share = 3;         // by cycles; measured: docs/statistics.md, "Budget"
constexpr double dispersion_effect_min = 0.26;  // x1.3
constexpr double dispersion_temper_hours = 12;
constexpr std::array<double, 2> tail_quantiles{0.98, 0.998};
constexpr double median_hours = 6;
constexpr std::size_t peers_min = 4;  // load signals that can be judged beside each other

Values values_of(const Cells& cells) {
    Values out;
    out.reserve(cells.size());
    for (const auto& c : cells) {
        out.push_back(value_of(c));
    }
    return out;
}

Lengths lengths_of(const EnsemblePlan& plan, const Rhythm& rhythm) {
    const double cell = rhythm.hours(plan.cell) * 3600;  // seconds of a day of 24 h
    const auto cells = [cell](double seconds) {
        return std::max<std::size_t>(1, static_cast<std::size_t>(seconds / cell + 1e-9));
    };
    Lengths out{};
    out.block = cell < 300 - 1e-6 ? cells(300) : cell <= 900 ? cells(900) : 1;
    const double per_five = 300 / cell;
    const bool divides = std::abs(per_five - std::round(per_five)) < 1e-6;
    out.fast_block = per_five > 1 - 1e-6 && divides ? cells(300) : 0;
    out.rough_block = std::max<std::size_t>(cells(900), 6);
    out.bin = cells(900);
    out.half_bins = std::max<std::size_t>(
        2,
        static_cast<std::size_t>(median_hours * 3600 / (static_cast<double>(out.bin) * cell)) / 2);
    out.coarse = cell >= 3600 - 1e-6;
    return out;
}

/// What is left of a channel's history when it is cut into blocks that end at the upgrade.
struct Cut {
    std::size_t first;
    Grid grid;
};
Cut cut(const EnsemblePlan& plan, std::size_t cells, std::size_t block) {
    const auto blocks = cells / block;
    const auto step = plan.cell * static_cast<std::int64_t>(block);
    return {cells - blocks * block,
            {plan.upgrade - step * static_cast<std::int64_t>(blocks), step, blocks}};
}

Values blocks_of(const Values& cells, std::size_t first, std::size_t block) {
    return block_means(std::span{cells}.subspan(first), block);
}

/// Learns the channels of one machine, signal by signal.
class Teacher {
public:
    Teacher(EnsembleModel& model, const std::vector<Cells>& history, const ForEach& for_each)
        : m_{model},
          history_{history},
          for_each_{for_each},
          values_(history.size()),
          fast_values_(history.size()),
          residuals_(history.size()),
          cells_{history.empty() ? 0 : history.front().size()} {}

    /// Whether for_each went through all signals every time; the model is no good if it did not.
    bool teach() {
        if (!each([this](std::size_t i) { scale(i); })) {
            return false;
        }
        for (std::size_t i = 0; i < m_.signals.size(); ++i) {
            teach_events(i);
        }
        const auto& l = m_.lengths;
        std::optional<Values> levels;
        if (m_.by_cycles) {
            teach_by_cycles();
        } else if (levels = teach_levels(); !levels) {
            return false;
        }
        const auto load = levels.value_or(Values{});
        const auto rough_cut = cut(m_.plan, cells_, l.rough_block);
        Values rough_load;
        if (!load.empty() && l.rough_block % l.block == 0) {
            const auto factor = l.rough_block / l.block;
            rough_load = block_means(std::span{load}.subspan(load.size() % factor), factor);
        }
        const ExpectationLearner rough{rough_cut.grid, m_.rhythm, rough_load};
        return each([&](std::size_t i) {
            // What scatters in growth is what was written in bursts, or deleted: no harm by itself.
            if (m_.is_cost(m_.signals[i]) && m_.signals[i].signal.kind != Kind::trend) {
                teach_rough(i, rough);
            }
        });
    }

private:
    bool each(const std::function<void(std::size_t)>& call) const {
        std::atomic<std::size_t> done = 0;
        for_each_(m_.signals.size(), [&](std::size_t i) {
            call(i);
            ++done;
        });
        return done == m_.signals.size();
    }

    void teach_events(std::size_t i) {
        auto& s = m_.signals[i];
        if (!counts_events(s.signal) || (s.signal.kind == Kind::count && !s.has_side(true))) {
            return;
        }
        Cells bad;
        bool seen = false;
        for (const auto& c : history_[i]) {
            bad.push_back({bad_events(c, s.signal.worse), is_there(c) ? c.denominator : 0});
            seen = seen || is_there(c);
        }
        if (seen) {
            EventsModel events{bad,
                               Grid{m_.plan.begin, m_.plan.cell, cells_},
                               m_.rhythm,
                               m_.watch_cells,
                               s.signal.tolerated,
                               s.signal.margin};
            if (events.are_few()) {
                s.events.emplace(std::move(events));
            }
        }
    }
    /// Puts a signal's cells onto its scale.
    void scale(std::size_t i) {
        auto& s = m_.signals[i];
        const auto raw = values_of(history_[i]);
        s.scale = Scale::of(raw, m_.by_cycles, s.signal.tolerated, s.signal.margin);
        if (!m_.by_cycles) {
            s.habit = Habit::of(raw);
        }
        for (const double v : raw) {
            values_[i].push_back(s.scale.at(v));
            if (s.habit.value) {
                fast_values_[i].push_back(values_[i].back() + s.habit.step(v));
            }
        }
    }
    const Values& fast_values(std::size_t i) const {
        return m_.signals[i].habit.value ? fast_values_[i] : values_[i];
    }

    /// Blocks of whole cycles before the upgrade, by cycle and position; what the clock repeats or
    /// leaves out is missing.
    template <class Value>
    Values by_position(std::size_t cycles, Value value) const {
        const auto& clock = m_.cycle_clock;
        Values out(cycles * clock.blocks_per_cycle, missing);
        std::vector<bool> taken(out.size(), false);
        const auto blocks = cells_ / m_.cycle_block;
        const auto first = cells_ - blocks * m_.cycle_block;
        for (std::size_t b = 0; b < blocks; ++b) {
            const auto cell = first + b * m_.cycle_block;
            const auto at = m_.plan.begin + m_.plan.cell * static_cast<std::int64_t>(cell);
            const auto place = m_.blocks_since_upgrade(at) + static_cast<std::int64_t>(out.size());
            if (place < 0 || place >= static_cast<std::int64_t>(out.size())) {
                continue;
            }
            const auto k = static_cast<std::size_t>(place);
            out[k] = taken[k] ? missing : value(cell);
            taken[k] = true;
        }
        return out;
    }

    Values middles(std::size_t i, std::size_t cycles) const {
        return by_position(cycles, [&](std::size_t cell) {
            return median_of(std::span{values_[i]}.subspan(cell, m_.cycle_block));
        });
    }

    void teach_by_cycles() {
        const auto cycles =
            static_cast<std::size_t>((m_.plan.upgrade - m_.plan.begin) / m_.plan.cycle);
        std::vector<CycleSignal> signals;
        for (std::size_t i = 0; i < m_.signals.size(); ++i) {
            const auto& s = m_.signals[i];
            CycleSignal c{.is_ratio = s.signal.kind == Kind::ratio};
            c.may_use_load = !s.signal.is_load;
            c.level_alpha = cycle_level_share / std::pow(10, s.price);
            c.up = s.has_side(true);
            c.down = s.has_side(false);
            if (c.is_ratio) {
                teach_ratio(c, i, cycles);
            } else {
                c.x = middles(i, cycles);
                c.tolerated = s.scale.step(s.signal.tolerated);
                c.margin = s.scale.step(s.signal.margin);
            }
            signals.push_back(std::move(c));
        }
        // The load as it is judged by cycles: in blocks of the cycle.
        std::vector<Values> load;
        for (const auto i : m_.load_signals) {
            load.push_back(middles(i, cycles));
        }
        m_.load = m_.signals.size() > 1 ? LoadFactor::learn(load) : std::nullopt;
        m_.cycles = teach_cycles(signals, m_.load ? m_.load->over(load) : Values{}, m_.cycle_clock,
                                 m_.cycle_settings);
    }

    /// A ratio is judged by its bad events: of good ones, all that are not.
    void teach_ratio(CycleSignal& c, std::size_t i, std::size_t cycles) const {
        const auto& cells = history_[i];
        const auto worse = m_.signals[i].signal.worse;
        const auto sum = [&](auto part) {
            return by_position(cycles, [&, part](std::size_t cell) {
                double total = 0;
                for (auto k = cell; k < cell + m_.cycle_block; ++k) {
                    total += is_there(cells[k]) ? part(cells[k]) : 0;
                }
                return total;
            });
        };
        c.all = sum([](const Cell& x) { return x.denominator; });
        c.bad = sum([worse](const Cell& x) { return bad_events(x, worse); });
        double bad = 0;
        double all = 0;
        for (std::size_t k = 0; k < c.all.size(); ++k) {
            bad += std::isnan(c.bad[k]) ? 0 : c.bad[k];
            all += std::isnan(c.all[k]) ? 0 : c.all[k];
        }
        const double share = all > 0 ? bad / all : 0;
        const auto as_share = [share](const Allowance& a) {
            return share > 0 ? a.at(share) / share : a.relative;
        };
        c.tolerated = as_share(m_.signals[i].signal.tolerated);
        c.margin = as_share(m_.signals[i].signal.margin);
        c.up = true;
        c.down = false;
    }

    Values learn_load(std::size_t first, std::size_t block, std::optional<LoadFactor>& factor) {
        std::vector<Values> load;
        for (const auto i : m_.load_signals) {
            load.push_back(blocks_of(values_[i], first, block));
        }
        factor = m_.signals.size() > 1 ? LoadFactor::learn(load) : std::nullopt;
        return factor ? factor->over(load) : Values{};
    }

    /// The level and sudden channels of every signal; returns the load in level blocks.
    std::optional<Values> teach_levels() {
        const auto& l = m_.lengths;
        const auto level_cut = cut(m_.plan, cells_, l.block);
        auto load = learn_load(level_cut.first, l.block, m_.load);
        const ExpectationLearner level{level_cut.grid, m_.rhythm, load};
        std::optional<ExpectationLearner> fast;
        Values fast_load = load;
        if (l.fast_block > 0 && l.fast_block != l.block) {
            const auto fast_cut = cut(m_.plan, cells_, l.fast_block);
            fast_load = learn_load(fast_cut.first, l.fast_block, m_.fast_load);
            fast.emplace(fast_cut.grid, m_.rhythm, fast_load);
        } else {
            m_.fast_load = m_.load;
        }
        const bool all =
            each([&](std::size_t i) { teach_one(i, level, fast ? *fast : level, fast_load); });
        if (!all) {
            return std::nullopt;
        }
        teach_common(level, fast ? *fast : level, load, fast_load);
        return load;
    }

    /// A load signal among several is judged beside the others: they move together, and what one
    /// does alone is news. What all of them do is judged once, as the common load.
    bool may_use_load(std::size_t i) const {
        return !m_.signals[i].signal.is_load || (m_.load && m_.load->members() >= peers_min);
    }

    void teach_common(const ExpectationLearner& level, const ExpectationLearner& fast,
                      const Values& load, const Values& fast_load) {
        if (!m_.load || m_.load->members() < peers_min) {
            return;
        }
        auto& s = m_.common.emplace();
        s.signal = m_.signals[m_.load_signals[m_.load->speaker()]].signal;
        s.signal.worse = Direction::both;
        s.price = m_.signals[m_.load_signals[m_.load->speaker()]].price;
        const auto scaled = [](Values v, double unit) {
            for (double& x : v) {
                x *= unit;
            }
            return v;
        };
        const auto& l = m_.lengths;
        const double tolerated = std::log1p(s.signal.tolerated.relative);
        const double margin = std::log1p(s.signal.margin.relative);
        const auto learnt = level.learn(scaled(load, m_.load->unit()), false);
        const LevelSettings settings{.tolerated = tolerated,
                                     .margin = margin,
                                     .effect_min = std::max(tolerated, 0.5 * margin)};
        s.level.emplace(
            Channel{learnt.expectation,
                    {learnt, level.grid(), m_.watch_cells / l.block, m_.rhythm, settings}});
        if (l.fast_block > 0 && !fast_load.empty()) {
            emplace_sudden(s, fast, fast.learn(scaled(fast_load, m_.fast_load->unit()), false),
                           scaled(fast_load, m_.fast_load->unit()), {}, settings.effect_min);
        }
    }

    void teach_one(std::size_t i, const ExpectationLearner& level, const ExpectationLearner& fast,
                   const Values& fast_load) {
        const auto& l = m_.lengths;
        auto& s = m_.signals[i];
        const auto watch_blocks = m_.watch_cells / l.block;
        const auto blocks = blocks_of(values_[i], cut(m_.plan, cells_, l.block).first, l.block);
        if (std::isnan(median_of(blocks))) {
            return;  // never seen: nothing to compare with
        }
        const double tolerated = s.scale.step(s.signal.tolerated);
        s.margin = s.scale.step(s.signal.margin);
        // Somebody who says in the unit what matters says how large a step of a constant is.
        s.constant = s.signal.margin.absolute <= 0 && share_at_median(blocks) > constant_share;
        const auto learnt = level.learn(blocks, may_use_load(i));
        const LevelSettings settings{
            .tolerated = tolerated,
            .margin = s.margin,
            .effect_min = std::max({tolerated, 0.5 * s.margin, resolution(s)})};
        s.level.emplace(
            Channel{learnt.expectation, {learnt, level.grid(), watch_blocks, m_.rhythm, settings}});
        if (l.fast_block > 0) {
            teach_sudden(i, fast, fast_load, &fast == &level ? &learnt : nullptr);
        }
        if (l.coarse) {
            residuals_[i] = learnt.left_out;
        }
    }

    /// Rounding does not average out: an effect below one step is none. Where a habit is left, it
    /// is.
    static double resolution(const SignalModel& s) {
        return s.habit.value ? 0 : s.scale.resolution_step();
    }

    /// `known`: what was learnt of the same blocks for the level; null where they differ.
    void teach_sudden(std::size_t i, const ExpectationLearner& fast, const Values& load,
                      const ExpectationLearner::Learnt* known) {
        const auto& l = m_.lengths;
        auto& s = m_.signals[i];
        const auto from = cut(m_.plan, cells_, l.fast_block);
        const auto blocks = blocks_of(fast_values(i), from.first, l.fast_block);
        ExpectationLearner::Learnt own;
        if (known == nullptr || s.habit.value) {
            own = fast.learn(blocks, may_use_load(i));
            known = &own;
        }
        const double least =
            std::max({s.level->level.settings().tolerated, 0.5 * s.margin, resolution(s),
                      s.constant && !s.signal.is_errors ? dispersion_effect_min : 0.0});
        emplace_sudden(s, fast, *known, blocks, load, least);
    }

    void emplace_sudden(SignalModel& s, const ExpectationLearner& fast,
                        const ExpectationLearner::Learnt& known, const Values& blocks,
                        const Values& load, double effect_min) {
        const auto& grid = fast.grid();
        Values before;
        for (auto k = blocks.size() - std::min(SuddenModel::local, blocks.size());
             k < blocks.size(); ++k) {
            before.push_back(blocks[k] - known.expectation.at(m_.rhythm, grid.at(k),
                                                              load.empty() ? 0 : load[k]));
        }
        const auto day = static_cast<std::size_t>(m_.rhythm.day / grid.step);
        s.sudden.emplace(SuddenChannel{
            known.expectation,
            {known.left_out, before, m_.watch_cells / m_.lengths.fast_block, day, effect_min}});
    }

    void teach_rough(std::size_t i, const ExpectationLearner& rough) {
        const auto& l = m_.lengths;
        auto& s = m_.signals[i];
        Values deviations;
        if (l.coarse) {
            deviations = residuals_[i];
        } else {
            s.deviations.emplace(l.bin, l.half_bins);
            const auto skip = cells_ % l.bin;
            for (std::size_t k = skip; k < cells_; ++k) {
                s.deviations->add(values_[i][k], deviations);
            }
            auto rest = *s.deviations;
            rest.finish(deviations);
        }
        Values sizes;
        const auto skip = deviations.size() % l.rough_block;
        for (std::size_t k = skip; k < deviations.size(); ++k) {
            sizes.push_back(std::abs(deviations[k]));
        }
        auto blocks = block_means(sizes, l.rough_block);
        blocks.erase(
            blocks.begin(),
            blocks.begin() + static_cast<std::ptrdiff_t>(
                                 blocks.size() - std::min(blocks.size(), rough.grid().size)));
        if (blocks.size() < rough.grid().size) {
            blocks.insert(blocks.begin(), rough.grid().size - blocks.size(), missing);
        }
        const double middle = median_of(blocks);
        if (!std::isnan(middle)) {
            const double floor = std::max(0.1 * middle + 0.005, nobodys_business(s));
            for (double& v : blocks) {
                v = std::log(v + floor);
            }
            const auto learnt = rough.learn(blocks, !s.signal.is_load);
            const LevelSettings settings{.hours_min = 4,
                                         .look_hours = 1,
                                         .tolerated = 0.03,
                                         .effect_min = dispersion_effect_min,
                                         .temper_hours = dispersion_temper_hours};
            s.rough.emplace(Rough{
                floor,
                {learnt.expectation,
                 {learnt, rough.grid(), m_.watch_cells / l.rough_block, m_.rhythm, settings}}});
        }
        if (s.signal.kind == Kind::ratio) {
            return;  // shares of few events jump with their denominators: their counts are judged
        }
        for (const double q : tail_quantiles) {
            s.tails.emplace_back(deviations, m_.watch_cells, m_.rhythm.hours(m_.plan.cell), q,
                                 nobodys_business(s));
        }
    }

    /// Where somebody says in the unit what is tolerated, smaller deviations are none.
    static double nobodys_business(const SignalModel& s) {
        return s.signal.tolerated.absolute > 0 ? s.scale.step(s.signal.tolerated) : 0;
    }

    EnsembleModel& m_;
    const std::vector<Cells>& history_;
    const ForEach& for_each_;
    std::vector<Values> values_;       ///< of cells, on the signals' scales
    std::vector<Values> fast_values_;  ///< the same with the habits' steps
    std::vector<Values> residuals_;    ///< of coarse cells: their deviations
    std::size_t cells_ = 0;
};

/// What the load usually reaches: closing needs to have seen it.
void set_load_peaks(EnsembleModel& m, const std::vector<Cells>& history) {
    for (const auto i : m.load_signals) {
        const auto blocks = block_means(values_of(history[i]), m.lengths.block);
        m.load_peaks.push_back(quantile_of(blocks, 0.95));
    }
}

void set_prices(EnsembleModel& m) {
    double costs = 0;
    double loads = 0;
    for (const auto& s : m.signals) {
        if (!s.signal.judged) {
            continue;
        }
        (m.is_cost(s) ? costs : loads) += s.signal.worse == Direction::both ? 2 : 1;
    }
    const double load_share = costs > 0 ? std::min(load_share_max, loads / (costs + loads)) : 1;
    for (auto& s : m.signals) {
        s.price = !s.signal.judged ? 0
                  : m.is_cost(s)   ? std::log10(costs / (1 - load_share))
                                   : std::log10(loads / load_share);
    }
}

/// Whole weeks in blocks of five minutes: two at least, and the level is judged by cycles.
void set_cycles(EnsembleModel& m) {
    constexpr auto week = std::chrono::hours{24 * 7};
    constexpr auto five = std::chrono::minutes{5};
    m.by_cycles = m.plan.cycle == week && five % m.plan.cell == Milliseconds{0} &&
                  m.plan.upgrade - m.plan.begin >= 2 * week;
    if (!m.by_cycles) {
        return;
    }
    m.cycle_block = static_cast<std::size_t>(five / m.plan.cell);
    const auto n = static_cast<std::int64_t>(m.cycle_clock.blocks_per_cycle);
    const auto first = m.rhythm.local_ms(m.plan.upgrade) / Milliseconds{five}.count();
    for (std::int64_t p = 0; p < n; ++p) {
        m.cycle_clock.calendar.push_back(static_cast<std::size_t>(((first + p) % n + n) % n));
    }
    m.cycle_settings = {.alpha = {m.plan.levels.warn, m.plan.levels.page, m.plan.levels.rollback},
                        .close = m.plan.levels.close,
                        .settle = static_cast<std::size_t>(m.plan.warmup / five),
                        .watch_blocks = std::max<std::size_t>(1, m.watch_cells / m.cycle_block)};
}

}  // namespace

void one_by_one(std::size_t n, const std::function<void(std::size_t)>& call) {
    for (std::size_t i = 0; i < n; ++i) {
        call(i);
    }
}

std::shared_ptr<const EnsembleModel> learn_ensemble(EnsemblePlan plan,
                                                    std::vector<EnsembleSignal> signals,
                                                    const std::vector<Cells>& history,
                                                    const ForEach& for_each) {
    auto model = std::make_shared<EnsembleModel>();
    auto& m = *model;
    m.plan = std::move(plan);
    m.rhythm = Rhythm::of(m.plan.cycle, m.plan.offsets);
    m.lengths = lengths_of(m.plan, m.rhythm);
    m.watch_cells = static_cast<std::size_t>(
        std::max<std::int64_t>(1, (m.plan.planned_end - m.plan.upgrade) / m.plan.cell));
    for (auto& s : signals) {
        if (s.is_load) {
            m.load_signals.push_back(m.signals.size());
        }
        m.signals.push_back({.signal = std::move(s)});
    }
    m.thresholds = {-std::log10(m.plan.levels.warn), -std::log10(m.plan.levels.page),
                    -std::log10(m.plan.levels.rollback)};
    set_prices(m);
    set_cycles(m);
    set_load_peaks(m, history);
    return Teacher{m, history, for_each}.teach() ? model : nullptr;
}

}  // namespace holdfast::rules
