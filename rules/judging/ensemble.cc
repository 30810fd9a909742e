#include "rules/judging/ensemble.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "rules/judging/cycle_level.h"
#include "rules/judging/deviations.h"
#include "rules/judging/expectation.h"
#include "rules/judging/level.h"
#include "rules/judging/load_factor.h"
#include "rules/judging/sudden.h"
#include "rules/judging/tails.h"
#include "rules/words.h"

namespace holdfast::rules {
namespace {

// How the levels' budget is shared; measured in docs/statistics.md, "Budget".
constexpr double load_share_max = 0.3;  // of all, for load signals; the rest is for costs
constexpr double level_share = 0.6;
constexpr double cycle_level_share = 2.0;  // of the level channel where it is judged by cycles
constexpr double dispersion_share = 0.2;
constexpr double tail_share = 0.1;  // each of the two
constexpr double sudden_share = 0.5;
constexpr double closing_factor = 2;  // the last look: what is still there did not return to normal
constexpr double episode_hours = 6;

constexpr double floor_share = 0.1;  // of the median: below it values are "about zero"
constexpr double floor_mean_share = 0.02;
constexpr double floor_needed_below = 0.1;
constexpr double outage_share = 1e-3;      // of the median: as little as nothing
constexpr double constant_share = 0.8;     // of blocks at the median make a constant
constexpr double habit_step = 1;           // leaving a habitual value is as far as a factor of e
constexpr double constant_evidence = 0.3;  // its first step is a warning, not a page
constexpr double dispersion_effect_min = 0.26;  // x1.3
constexpr double dispersion_temper_hours = 12;
constexpr double sudden_effect_min = 0.05;
constexpr std::array<double, 2> tail_quantiles{0.98, 0.998};
constexpr double median_hours = 6;
constexpr double slot_seen_share = 0.6;  // of an hour's blocks make it covered
constexpr std::size_t quantised_values_max = 32;
constexpr std::size_t peers_min = 4;  // load signals that can be judged beside each other

/// log(x - low + floor): effects are ratios, and zeros and near-zero nights do not dominate.
struct Scale {
    double low = 0;
    double floor = 0;
    double bottom = 0;      ///< what less is taken for, where there is no floor
    double middle = 1;      ///< median of the history, for effects in words
    double resolution = 0;  ///< smallest step of a signal that takes few values; else 0

    static Scale of(const Values& history, bool may_be_pure) {
        Scale s;
        Values positive;
        double lowest = 0;
        for (const double v : history) {
            if (v > 0) {
                positive.push_back(v);
            }
            lowest = std::isnan(v) ? lowest : std::min(lowest, v);
        }
        const double usual = positive.empty() ? 1.0 : median_of(positive);
        const double mean = mean_of(history);
        s.low = lowest;
        s.floor = floor_share * usual + floor_mean_share * std::abs(std::isnan(mean) ? 0 : mean);
        if (may_be_pure && lowest >= 0 && quantile_of(history, 0.01) > floor_needed_below * usual) {
            s.floor = 0;  // it never comes near zero: pure ratios
            s.bottom = outage_share * usual;
        }
        s.middle = median_of(history);
        s.resolution = resolution_of(history);
        return s;
    }
    /// The smallest difference of two values, when there are few: less than it cannot be told from
    /// rounding, which does not average out.
    static double resolution_of(const Values& history) {
        std::set<double> seen;
        for (const double v : history) {
            if (!std::isnan(v) && seen.insert(v).second && seen.size() > quantised_values_max) {
                return 0;
            }
        }
        double least = 0;
        for (auto it = seen.begin(); it != seen.end() && std::next(it) != seen.end(); ++it) {
            const double gap = *std::next(it) - *it;
            least = least > 0 ? std::min(least, gap) : gap;
        }
        return least;
    }
    double resolution_step() const {
        return resolution > 0 ? step(resolution / std::abs(middle > 0 ? middle : 1)) : 0;
    }
    double at(double value) const {
        return std::isnan(value) ? value : std::log(std::max(value - low, bottom) + floor);
    }
    /// A step `effect` of the scale as a share of the usual level: 0.1 is 10 % more.
    double ratio(double effect) const {
        const double base = middle - low + floor;
        return std::abs(middle) > 0 ? std::expm1(effect) * base / std::abs(middle)
                                    : std::expm1(effect);
    }
    /// A share of the usual level as a step of the scale.
    double step(double ratio_up) const {
        const double base = middle - low + floor;
        return base > 0 ? std::log1p(ratio_up * std::abs(middle) / base) : std::log1p(ratio_up);
    }
};

Values values_of(const Cells& cells) {
    Values out;
    out.reserve(cells.size());
    for (const auto& c : cells) {
        out.push_back(c.denominator > 0 ? c.numerator / c.denominator : missing);
    }
    return out;
}

/// The value that a signal nearly always has, if there is one: leaving it is news of its own, how
/// small the step may be ("was always 0, now never 0").
struct Habit {
    std::optional<double> value;

    static Habit of(const Values& history) {
        const double middle = median_of(history);
        double same = 0;
        double there = 0;
        for (const double v : history) {
            same += v == middle ? 1 : 0;
            there += std::isnan(v) ? 0 : 1;
        }
        return {there > 0 && same > constant_share * there ? std::optional{middle} : std::nullopt};
    }
    /// What leaving it adds to a cell, on the logarithmic scale.
    double step(double cell) const {
        if (!value || std::isnan(cell) || cell == *value) {
            return 0;
        }
        return cell > *value ? habit_step : -habit_step;
    }
};

/// Lengths in cells.
struct Lengths {
    std::size_t block;        ///< of the level channel
    std::size_t fast_block;   ///< of the sudden channel; 0: there is none
    std::size_t rough_block;  ///< of the dispersion channel
    std::size_t bin;          ///< of the running median
    std::size_t half_bins;
    bool coarse;  ///< cells of an hour and more: deviations are the residuals themselves
};

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

/// Gathers cells into means of blocks.
class BlockMean {
public:
    explicit BlockMean(std::size_t length) : length_{length} {}
    std::optional<double> add(double cell) {
        cells_.push_back(cell);
        if (cells_.size() < length_) {
            return std::nullopt;
        }
        const auto means = block_means(cells_, length_);
        cells_.clear();
        return means.front();
    }

private:
    std::size_t length_;
    Values cells_;
};

/// A regular channel: what is expected of it and how far it may be off.
struct Channel {
    Expectation expectation;
    LevelModel level;
};

struct SuddenChannel {
    Expectation expectation;
    SuddenModel model;
};

struct Rough {
    double floor;
    Channel channel;
};

struct SignalModel {
    EnsembleSignal signal;
    Scale scale;
    Habit habit;
    double price = 0;  ///< log10 of what one look of this signal costs out of the budget
    bool constant = false;
    double margin = 0;  ///< as a step of the scale
    std::optional<Channel> level;
    std::optional<SuddenChannel> sudden;
    std::optional<Rough> rough;
    std::vector<TailModel> tails;
    std::optional<Deviations> deviations;  ///< as the history left it

    bool has_side(bool up) const {
        return signal.worse == Direction::both || (signal.worse == Direction::up) == up;
    }
};

}  // namespace

class EnsembleModel {
public:
    EnsemblePlan plan;
    Rhythm rhythm;
    Lengths lengths{};
    std::vector<std::size_t> load_signals;
    std::optional<LoadFactor> load;       ///< on level blocks
    std::optional<LoadFactor> fast_load;  ///< on blocks of the sudden channel
    std::vector<SignalModel> signals;
    std::optional<SignalModel> common;   ///< what all load signals do together
    std::array<double, 3> thresholds{};  ///< of log10 evidence: warn, page, rollback
    std::size_t watch_cells = 0;

    // Where the history holds two whole cycles and more: the level is judged by them.
    bool by_cycles = false;
    std::size_t cycle_block = 1;  ///< in cells
    CycleClock cycle_clock;
    CycleSettings cycle_settings;
    CycleTaught cycles;

    /// Position in the cycle of a block, counted from the upgrade in local time.
    std::size_t position(Timestamp at) const {
        const auto n = static_cast<std::int64_t>(cycle_clock.blocks_per_cycle);
        const auto k = blocks_since_upgrade(at) % n;
        return static_cast<std::size_t>(k < 0 ? k + n : k);
    }
    std::int64_t blocks_since_upgrade(Timestamp at) const {
        const auto block = (plan.cell * static_cast<std::int64_t>(cycle_block)).count();
        const auto ms = rhythm.local_ms(at) - rhythm.local_ms(plan.upgrade);
        return ms >= 0 ? ms / block : -((-ms + block - 1) / block);
    }
};

namespace {

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
          cells_{history.empty() ? 0 : history.front().size()} {
        for_each_(history.size(), [this](std::size_t i) { scale(i); });
    }

    void teach() {
        const auto& l = m_.lengths;
        Values load;
        if (m_.by_cycles) {
            teach_by_cycles();
        } else {
            load = teach_levels();
        }
        const auto rough_cut = cut(m_.plan, cells_, l.rough_block);
        Values rough_load;
        if (!load.empty() && l.rough_block % l.block == 0) {
            const auto factor = l.rough_block / l.block;
            rough_load = block_means(std::span{load}.subspan(load.size() % factor), factor);
        }
        const ExpectationLearner rough{rough_cut.grid, m_.rhythm, rough_load};
        for_each_(m_.signals.size(), [&](std::size_t i) {
            if (!m_.signals[i].signal.is_load || m_.signals.size() == 1) {
                teach_rough(i, rough);
            }
        });
    }

private:
    /// Puts a signal's cells onto its scale.
    void scale(std::size_t i) {
        auto& s = m_.signals[i];
        const auto raw = values_of(history_[i]);
        s.scale = Scale::of(raw, m_.by_cycles);
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
                c.tolerated = s.scale.step(relative(s.signal.tolerated, s.scale));
                c.margin = s.scale.step(relative(s.signal.margin, s.scale));
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
        const bool good = m_.signals[i].signal.worse == Direction::down;
        const auto sum = [&](auto part) {
            return by_position(cycles, [&, part](std::size_t cell) {
                double total = 0;
                for (auto k = cell; k < cell + m_.cycle_block; ++k) {
                    total += part(cells[k]);
                }
                return total;
            });
        };
        c.all = sum([](const Cell& x) { return x.denominator; });
        c.bad =
            sum([good](const Cell& x) { return good ? x.denominator - x.numerator : x.numerator; });
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
    Values teach_levels() {
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
        for_each_(m_.signals.size(),
                  [&](std::size_t i) { teach_one(i, level, fast ? *fast : level); });
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
                                     .effect_min = std::max(tolerated, 0.5 * margin)};
        s.level.emplace(
            Channel{learnt.expectation,
                    {learnt, level.grid(), m_.watch_cells / l.block, m_.rhythm, settings}});
        if (l.fast_block > 0 && !fast_load.empty()) {
            emplace_sudden(s, fast, fast.learn(scaled(fast_load, m_.fast_load->unit()), false),
                           scaled(fast_load, m_.fast_load->unit()), {}, sudden_effect_min);
        }
    }

    void teach_one(std::size_t i, const ExpectationLearner& level, const ExpectationLearner& fast) {
        const auto& l = m_.lengths;
        auto& s = m_.signals[i];
        const auto watch_blocks = m_.watch_cells / l.block;
        const auto blocks = blocks_of(values_[i], cut(m_.plan, cells_, l.block).first, l.block);
        if (std::isnan(median_of(blocks))) {
            return;  // never seen: nothing to compare with
        }
        const double tolerated = s.scale.step(relative(s.signal.tolerated, s.scale));
        s.margin = s.scale.step(relative(s.signal.margin, s.scale));
        s.constant = share_at_median(blocks) > constant_share;
        const auto learnt = level.learn(blocks, may_use_load(i));
        const LevelSettings settings{
            .tolerated = tolerated,
            .effect_min = std::max({tolerated, 0.5 * s.margin, s.scale.resolution_step()})};
        s.level.emplace(
            Channel{learnt.expectation, {learnt, level.grid(), watch_blocks, m_.rhythm, settings}});
        if (l.fast_block > 0) {
            teach_sudden(i, fast, &fast == &level ? &learnt : nullptr);
        }
        if (l.coarse) {
            residuals_[i] = learnt.left_out;
        }
    }

    static double relative(const Allowance& allowance, const Scale& scale) {
        const double level = std::abs(scale.middle);
        return level > 0 ? allowance.at(level) / level : allowance.relative;
    }

    static double share_at_median(const Values& blocks) {
        const double middle = median_of(blocks);
        double same = 0;
        double there = 0;
        for (const double v : blocks) {
            same += v == middle ? 1 : 0;
            there += std::isnan(v) ? 0 : 1;
        }
        return same / there;
    }

    void teach_sudden(std::size_t i, const ExpectationLearner& fast,
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
            std::max(s.scale.resolution_step(),
                     s.constant && !s.signal.is_errors ? dispersion_effect_min : sudden_effect_min);
        emplace_sudden(s, fast, *known, blocks, load_over(from.first, l.fast_block), least);
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

    Values load_over(std::size_t first, std::size_t block) const {
        if (!m_.fast_load) {
            return {};
        }
        std::vector<Values> load;
        for (const auto i : m_.load_signals) {
            load.push_back(blocks_of(values_[i], first, block));
        }
        return m_.fast_load->over(load);
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
            const double floor = 0.1 * middle + 0.005;
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
            s.tails.emplace_back(deviations, m_.watch_cells, m_.rhythm.hours(m_.plan.cell), q);
        }
    }

    EnsembleModel& m_;
    const std::vector<Cells>& history_;
    const ForEach& for_each_;
    std::vector<Values> values_;       ///< of cells, on the signals' scales
    std::vector<Values> fast_values_;  ///< the same with the habits' steps
    std::vector<Values> residuals_;    ///< of coarse cells: their deviations
    std::size_t cells_ = 0;
};

void set_prices(EnsembleModel& m) {
    double costs = 0;
    double loads = 0;
    const auto is_cost = [&m](const SignalModel& s) {
        return !s.signal.is_load || m.signals.size() == 1;
    };
    for (const auto& s : m.signals) {
        (is_cost(s) ? costs : loads) += s.signal.worse == Direction::both ? 2 : 1;
    }
    const double load_share = std::min(load_share_max, loads / (costs + loads));
    for (auto& s : m.signals) {
        s.price = std::log10(is_cost(s) ? costs / (1 - load_share) : loads / load_share);
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
    Teacher{m, history, for_each}.teach();
    return model;
}

struct EnsembleWatch::State {
    struct Signal {
        explicit Signal(const SignalModel& model, const Lengths& l)
            : block{l.block},
              fast_block{std::max<std::size_t>(1, l.fast_block)},
              rough_block{l.rough_block},
              deviations{model.deviations} {
            if (model.level) {
                level.emplace(model.level->level);
            }
            if (model.sudden) {
                sudden.emplace(model.sudden->model);
            }
            if (model.rough) {
                rough.emplace(model.rough->channel.level);
            }
            for (const auto& tail : model.tails) {
                tails.emplace_back(tail);
            }
            skip = deviations ? deviations->waiting() : 0;
        }
        std::optional<CycleWatch> cycle;
        Cells cycle_cells;
        BlockMean block, fast_block, rough_block;
        std::optional<LevelWatch> level, rough;
        std::optional<SuddenWatch> sudden;
        std::vector<TailWatch> tails;
        std::optional<Deviations> deviations;
        std::size_t skip = 0;  ///< deviations to come that still belong to the history
    };

    explicit State(std::shared_ptr<const EnsembleModel> the_model) : model{std::move(the_model)} {
        signals.reserve(model->signals.size());
        for (const auto& s : model->signals) {
            signals.emplace_back(s, model->lengths);
        }
        if (model->common) {
            common.emplace(*model->common, model->lengths);
        }
        open.resize(model->signals.size());
        slots_seen.assign(slots(), 0);
        if (model->by_cycles) {
            for (std::size_t i = 0; i < signals.size(); ++i) {
                const auto& s = model->signals[i];
                const bool ratio = s.signal.kind == Kind::ratio;
                signals[i].cycle.emplace(model->cycles.signals[i], model->cycle_clock,
                                         model->cycle_settings, ratio || s.has_side(true),
                                         !ratio && s.has_side(false));
            }
        }
    }
    std::size_t slots() const {
        return static_cast<std::size_t>(
            std::max<std::int64_t>(1, model->plan.cycle / model->rhythm.hour()));
    }
    double coverage() const;
    void take_cycle_block();
    bool regressed(std::size_t i, Severity& severity) const;

    void take(std::span<const Cell> cells);
    void take_block(const std::vector<double>& values);
    void take_fast(const std::vector<double>& values);
    void take_deviation(std::size_t i, double deviation, bool look);
    void look_level(std::size_t i, const SignalModel& m, const Signal& s, double bonus);
    void add_fast(std::size_t i, const SignalModel& m, Signal& s, double value, Timestamp at,
                  double load);
    std::size_t speaker() const { return model->load_signals[model->load->speaker()]; }
    void look_rough(std::size_t i, double bonus);
    void look_tails(std::size_t i, double bonus);
    void note(std::size_t i, const SignalModel& m, std::string_view detector, bool up,
              const Evidence10& found, double share, double bonus);
    void record(std::size_t i, std::string_view detector, bool up, std::size_t level,
                double effect_ratio, double excess);
    void finish();
    double load_at(const std::vector<double>& values,
                   const std::optional<LoadFactor>& factor) const;
    Milliseconds episode_gap() const {
        return Milliseconds{static_cast<std::int64_t>(
            episode_hours * static_cast<double>(model->rhythm.hour().count()))};
    }
    Timestamp now() const {
        return model->plan.upgrade + model->plan.cell * static_cast<std::int64_t>(cells_taken);
    }

    std::shared_ptr<const EnsembleModel> model;
    std::vector<Signal> signals;
    std::optional<Signal> common;
    std::size_t cells_taken = 0;
    std::size_t blocks_taken = 0;
    std::size_t fast_taken = 0;
    Values load_history;             ///< of the watch, for the dispersion channel
    std::vector<double> slots_seen;  ///< cells, by hour of the cycle, since the upgrade
    std::vector<EnsembleAlert> alerts;
    std::vector<std::array<std::optional<std::size_t>, 3>> open;  ///< alert by signal and severity
};

double EnsembleWatch::State::load_at(const std::vector<double>& values,
                                     const std::optional<LoadFactor>& factor) const {
    if (!factor) {
        return 0;
    }
    Values load;
    for (const auto i : model->load_signals) {
        load.push_back(values[i]);
    }
    const double now = factor->at(load);
    return std::isnan(now) ? 0 : now;
}

void EnsembleWatch::State::take(std::span<const Cell> cells) {
    std::vector<double> block(signals.size(), missing);
    std::vector<double> fast(signals.size(), missing);
    bool block_done = false;
    bool fast_done = false;
    ++cells_taken;
    for (std::size_t i = 0; i < signals.size(); ++i) {
        auto& s = signals[i];
        const auto& c = cells[i];
        const double y =
            model->signals[i].scale.at(c.denominator > 0 ? c.numerator / c.denominator : missing);
        if (const auto done = s.block.add(y)) {
            block[i] = *done;
            block_done = true;
        }
        if (model->lengths.fast_block > 0) {
            const double step =
                c.denominator > 0 ? model->signals[i].habit.step(c.numerator / c.denominator) : 0;
            if (const auto done = s.fast_block.add(y + step)) {
                fast[i] = *done;
                fast_done = true;
            }
        }
    }
    const auto slot = static_cast<std::size_t>(model->rhythm.cycle_phase(now() - model->plan.cell) *
                                               static_cast<double>(slots()));
    slots_seen[std::min(slot, slots() - 1)] += 1;
    if (model->by_cycles) {
        for (std::size_t i = 0; i < signals.size(); ++i) {
            signals[i].cycle_cells.push_back(cells[i]);
        }
        if (cells_taken % model->cycle_block == 0) {
            take_cycle_block();
        }
    }
    if (fast_done) {
        take_fast(fast);
    }
    if (block_done) {
        take_block(block);
    }
    for (std::size_t i = 0; i < signals.size(); ++i) {
        auto& s = signals[i];
        if (s.deviations) {
            const auto& c = cells[i];
            Values known;
            s.deviations->add(model->signals[i].scale.at(
                                  c.denominator > 0 ? c.numerator / c.denominator : missing),
                              known);
            for (const double d : known) {
                take_deviation(i, d, true);
            }
        }
    }
}

/// Closes a block of the channel that is judged by cycles.
void EnsembleWatch::State::take_cycle_block() {
    const auto step = model->plan.cell * static_cast<std::int64_t>(model->cycle_block);
    const auto position = model->position(now() - step);
    std::vector<double> block(signals.size(), missing);
    for (std::size_t i = 0; i < signals.size(); ++i) {
        const auto& m = model->signals[i];
        Values values;
        double bad = 0;
        double all = 0;
        for (const auto& c : signals[i].cycle_cells) {
            values.push_back(m.scale.at(c.denominator > 0 ? c.numerator / c.denominator : missing));
            all += c.denominator;
            bad += m.signal.worse == Direction::down ? c.denominator - c.numerator : c.numerator;
        }
        block[i] = m.signal.kind != Kind::ratio ? median_of(values) : all > 0 ? bad / all : missing;
        signals[i].cycle_cells.clear();
    }
    const auto& profile = model->cycles.load_profile;
    const double load = profile.empty() ? 0 : load_at(block, model->load) - profile[position];
    for (std::size_t i = 0; i < signals.size(); ++i) {
        auto& cycle = *signals[i].cycle;
        cycle.add(block[i], position, std::isnan(load) ? 0 : load);
        const auto worst = cycle.crossing();
        if (worst.severity >= 0) {
            record(i, "level", worst.up, static_cast<std::size_t>(worst.severity),
                   model->signals[i].signal.kind == Kind::ratio
                       ? worst.effect
                       : model->signals[i].scale.ratio(worst.effect),
                   std::log10(worst.ratio));
        }
    }
}

double EnsembleWatch::State::coverage() const {
    const double needed =
        slot_seen_share * static_cast<double>(model->rhythm.hour() / model->plan.cell);
    double covered = 0;
    for (const double cells : slots_seen) {
        covered += cells >= std::max(1.0, needed) ? 1 : 0;
    }
    return covered / static_cast<double>(slots_seen.size());
}

void EnsembleWatch::State::take_fast(const std::vector<double>& values) {
    const double load = load_at(values, model->fast_load);
    const auto step = model->plan.cell * static_cast<std::int64_t>(model->lengths.fast_block);
    const auto at = model->plan.upgrade + step * static_cast<std::int64_t>(fast_taken++);
    for (std::size_t i = 0; i < signals.size(); ++i) {
        add_fast(i, model->signals[i], signals[i], values[i], at, load);
    }
    if (common && model->fast_load) {
        add_fast(speaker(), *model->common, *common, load * model->fast_load->unit(), at, 0);
    }
}

void EnsembleWatch::State::add_fast(std::size_t i, const SignalModel& m, Signal& s, double value,
                                    Timestamp at, double load) {
    if (!m.sudden || s.sudden->count() >= m.sudden->model.last()) {
        return;
    }
    s.sudden->add(value - m.sudden->expectation.at(model->rhythm, at, load));
    if (s.sudden->is_look()) {
        for (const bool up : {true, false}) {
            if (m.has_side(up)) {
                note(i, m, "fast", up, s.sudden->look(up), sudden_share, 0);
            }
        }
    }
}

void EnsembleWatch::State::take_block(const std::vector<double>& values) {
    const double load = load_at(values, model->load);
    load_history.push_back(load);
    const auto step = model->plan.cell * static_cast<std::int64_t>(model->lengths.block);
    const auto at = model->plan.upgrade + step * static_cast<std::int64_t>(blocks_taken++);
    for (std::size_t i = 0; i < signals.size(); ++i) {
        const auto& m = model->signals[i];
        auto& s = signals[i];
        if (!m.level) {
            continue;
        }
        const auto& e = m.level->expectation;
        const double residual = values[i] - e.at(model->rhythm, at, load);
        s.level->add(residual, e.lever(load));
        if (s.level->is_look()) {
            look_level(i, m, s, 0);
        }
        if (model->lengths.coarse && !m.tails.empty()) {
            take_deviation(i, residual, true);
        }
    }
    if (common && model->load) {
        common->level->add(
            load * model->load->unit() - model->common->level->expectation.at(model->rhythm, at, 0),
            0);
        if (common->level->is_look()) {
            look_level(speaker(), *model->common, *common, 0);
        }
    }
}

void EnsembleWatch::State::take_deviation(std::size_t i, double deviation, bool look) {
    const auto& m = model->signals[i];
    auto& s = signals[i];
    if (s.skip > 0) {
        --s.skip;
        return;
    }
    if (const auto done = s.rough_block.add(std::abs(deviation)); done && m.rough) {
        const auto& e = m.rough->channel.expectation;
        const auto factor =
            std::max<std::size_t>(1, model->lengths.rough_block / model->lengths.block);
        const auto k = s.rough->count();
        double load = 0;
        if (e.with_load) {
            const auto first = std::min(load_history.size(), k * factor);
            const auto last = std::min(load_history.size(), (k + 1) * factor);
            const double mean = mean_of(std::span{load_history}.subspan(first, last - first));
            load = std::isnan(mean) ? 0 : mean;
        }
        const auto step = model->plan.cell * static_cast<std::int64_t>(model->lengths.rough_block);
        const auto at = model->plan.upgrade + step * static_cast<std::int64_t>(k);
        s.rough->add(std::log(*done + m.rough->floor) - e.at(model->rhythm, at, load),
                     e.lever(load));
        if (look && s.rough->is_look()) {
            look_rough(i, 0);
        }
    }
    for (auto& tail : s.tails) {
        tail.add(deviation);
    }
    if (look && !s.tails.empty() && s.tails.front().is_look()) {
        look_tails(i, 0);
    }
}

void EnsembleWatch::State::look_level(std::size_t i, const SignalModel& m, const Signal& s,
                                      double bonus) {
    for (const bool up : {true, false}) {
        if (m.has_side(up)) {
            auto found = s.level->look(up);
            found.evidence *= m.constant ? constant_evidence : 1;
            note(i, m, "level", up, found, level_share, bonus);
        }
    }
}

void EnsembleWatch::State::look_rough(std::size_t i, double bonus) {
    if (model->signals[i].has_side(true)) {  // less variance is no harm
        note(i, model->signals[i], "dispersion", true, signals[i].rough->look(true),
             dispersion_share, bonus);
    }
}

void EnsembleWatch::State::look_tails(std::size_t i, double bonus) {
    if (model->signals[i].has_side(true)) {
        for (const auto& tail : signals[i].tails) {
            note(i, model->signals[i], "tail", true, tail.look(), tail_share, bonus);
        }
    }
}

/// Turns evidence into an episode of the severity that it reaches.
void EnsembleWatch::State::note(std::size_t i, const SignalModel& m, std::string_view detector,
                                bool up, const Evidence10& found, double share, double bonus) {
    const double x = found.evidence - m.price + std::log10(share) + bonus;
    const auto& limits = model->thresholds;
    if (found.evidence <= 0 || x < limits[detector == "fast" ? 1 : 0]) {
        return;  // the fast channel pages or is silent
    }
    const std::size_t level = x >= limits[2] ? 2 : x >= limits[1] ? 1 : 0;
    const double effect = up ? found.effect : -found.effect;
    record(i, detector, up, level, detector == "tail" ? std::expm1(effect) : m.scale.ratio(effect),
           x - limits[level]);
}

/// Opens an episode, or prolongs the one that is open.
void EnsembleWatch::State::record(std::size_t i, std::string_view detector, bool up,
                                  std::size_t level, double effect_ratio, double excess) {
    const auto severity = std::array{Severity::warn, Severity::page, Severity::rollback}[level];
    const auto at = now();
    auto& known = open[i][level];
    if (!known || at - alerts[*known].until > episode_gap()) {
        known = alerts.size();
        alerts.push_back(
            {.signal = i, .severity = severity, .at = at, .until = at, .excess = -1e9});
    }
    auto& alert = alerts[*known];
    alert.until = at;
    if (excess > alert.excess) {
        alert.excess = excess;
        alert.detector = detector;
        alert.up = up;
        alert.effect_ratio = effect_ratio;
    }
}

bool EnsembleWatch::State::regressed(std::size_t i, Severity& severity) const {
    severity = Severity::none;
    for (const auto& known : open[i]) {
        if (known && now() - alerts[*known].until <= episode_gap()) {
            severity = alerts[*known].severity;
        }
    }
    return severity != Severity::none;
}

void EnsembleWatch::State::finish() {
    const double bonus = std::log10(closing_factor);
    for (std::size_t i = 0; i < signals.size(); ++i) {
        auto& s = signals[i];
        if (s.deviations) {
            Values rest;
            s.deviations->finish(rest);
            for (const double d : rest) {
                take_deviation(i, d, true);
            }
        }
        if (s.level) {
            look_level(i, model->signals[i], s, bonus);
        }
        if (s.rough) {
            look_rough(i, bonus);
        }
        look_tails(i, bonus);
    }
}

namespace {

/// One sentence with the figures that decided.
std::string reason_of(const SignalModel& m, const EnsembleJudged& j) {
    if (j.judgement == Judgement::learning) {
        return fmt::format("{}: nothing to compare with: it was not there before", m.signal.name);
    }
    if (j.judgement == Judgement::no_data) {
        return fmt::format("{}: no data since the upgrade", m.signal.name);
    }
    const auto percent = [](double ratio) { return in_words("_ratio", ratio); };
    auto text = fmt::format("{} is {} ({} to {}) off its usual level; margin {}", m.signal.name,
                            percent(j.effect_ratio), percent(j.effect_lower_ratio),
                            percent(j.effect_upper_ratio), percent(j.margin_ratio));
    if (j.judgement == Judgement::watching) {
        text += j.coverage_ratio < 1 ? "; not yet proven: needs more of the business cycle"
                                     : "; not yet proven: needs more evidence";
    }
    return text;
}

}  // namespace

EnsembleWatch::EnsembleWatch(std::shared_ptr<const EnsembleModel> model)
    : state_{std::make_unique<State>(std::move(model))} {}
EnsembleWatch::~EnsembleWatch() = default;
EnsembleWatch::EnsembleWatch(EnsembleWatch&&) noexcept = default;
EnsembleWatch& EnsembleWatch::operator=(EnsembleWatch&&) noexcept = default;

void EnsembleWatch::take(std::span<const Cell> cells) {
    state_->take(cells);
}
void EnsembleWatch::finish() {
    state_->finish();
}
Timestamp EnsembleWatch::now() const {
    return state_->now();
}

std::vector<EnsembleAlert> EnsembleWatch::alerts() const {
    auto out = state_->alerts;
    std::stable_sort(out.begin(), out.end(),
                     [](const auto& a, const auto& b) { return a.at < b.at; });
    return out;
}

std::vector<EnsembleJudged> EnsembleWatch::judged() const {
    const auto& st = *state_;
    std::vector<EnsembleJudged> out(st.signals.size());
    const double coverage = st.coverage();
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto& m = st.model->signals[i];
        auto& j = out[i];
        j.coverage_ratio = coverage;
        bool within = false;
        double blocks = 0;
        if (st.signals[i].cycle) {
            const auto e = st.signals[i].cycle->since_start();
            const auto ratio = [&](double effect) {
                return m.signal.kind == Kind::ratio ? effect : m.scale.ratio(effect);
            };
            j.effect_ratio = ratio(e.effect);
            j.effect_lower_ratio = ratio(e.lower);
            j.effect_upper_ratio = ratio(e.upper);
            j.margin_ratio = ratio(st.model->cycles.signals[i].margin);
            within = st.signals[i].cycle->proven();
            blocks = e.blocks;
        } else if (m.level) {
            const auto e = st.signals[i].level->since_start(st.model->plan.levels.close, m.margin);
            j.effect_ratio = m.scale.ratio(e.effect);
            j.effect_lower_ratio = m.scale.ratio(e.lower);
            j.effect_upper_ratio = m.scale.ratio(e.upper);
            j.margin_ratio = m.scale.ratio(m.margin);
            within = e.blocks > 0 && (!m.has_side(true) || e.upper < m.margin) &&
                     (!m.has_side(false) || e.lower > -m.margin);
            blocks = e.blocks;
        }
        const bool known = st.signals[i].cycle || m.level;
        if (st.regressed(i, j.severity)) {
            j.judgement = Judgement::regressed;
        } else if (!known) {
            j.judgement = Judgement::learning;
        } else if (blocks < 1) {
            j.judgement = Judgement::no_data;
        } else {
            j.judgement = within && coverage >= 1 ? Judgement::proven : Judgement::watching;
        }
        j.reason = reason_of(m, j);
    }
    return out;
}

}  // namespace holdfast::rules
