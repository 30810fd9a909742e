#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <tuple>

#include "rules/judging/ensemble_model.h"
#include "rules/seasons.h"

namespace holdfast::rules {
namespace {

// How the levels' budget is shared; measured in docs/statistics.md, "Budget".
constexpr double level_share = 0.6;
constexpr double dispersion_share = 0.2;
constexpr double tail_share = 0.1;  // each of the two
constexpr double events_share = 0.1;
constexpr double sudden_share = 0.5;
constexpr double closing_factor = 2;  // the last look: what is still there did not return to normal
constexpr double episode_hours = 6;
constexpr double constant_evidence = 0.3;  // a constant's first step is a warning, not a page
constexpr double slot_seen_share = 0.6;    // of an hour's cells make it covered
constexpr double peak_share = 0.9;         // of the load's usual peak has to be seen
constexpr std::size_t calm_blocks_min = 3;
constexpr double calm_hours_min = 0.5;    // a regression does not end sooner
constexpr double calm_there_share = 0.7;  // of those blocks have data: no data is no calm

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

}  // namespace

struct EnsembleWatch::State {
    /// What a look found.
    struct Finding {
        std::string_view detector;
        bool up = true;
        std::size_t level = 0;
        double effect = 0;  ///< on the scale of the detector; positive is up
        double half_width = 0;
        double usual = missing;  ///< events: the rates in the window
        double observed = missing;
        Milliseconds window{0};
        double excess = 0;
    };
    struct Regression {
        Severity severity = Severity::none;
        Timestamp since{};
        Milliseconds took{0};  ///< shortest window that found it
        Finding strongest;     ///< of its severity
        Timestamp strongest_at{};
    };
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
            if (model.events) {
                events.emplace(*model.events);
            }
            skip = deviations ? deviations->waiting() : 0;
        }
        std::optional<CycleWatch> cycle;
        Cells cycle_cells;
        double value = missing;                 ///< of the last cell
        double scaled = missing;                ///< the same on the signal's scale
        Prefix usual;                           ///< what was expected of the blocks of the level
        std::vector<std::uint32_t> slots_seen;  ///< cells with data, by slot of the cycle
        std::vector<bool> slots_needed;
        Timestamp proof_begin{};
        std::optional<Regression> regression;
        std::optional<Timestamp> recovered_at;
        std::size_t cells_calm = 0;  ///< cells with data since a look last found anything
        BlockMean block, fast_block, rough_block;
        std::optional<LevelWatch> level, rough;
        std::optional<SuddenWatch> sudden;
        std::vector<TailWatch> tails;
        std::optional<EventsWatch> events;
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
        load_highest.assign(model->load_signals.size(), missing);
        load_blocks.assign(model->load_signals.size(), BlockMean{model->lengths.block});
        for (auto& s : signals) {
            start_proof(s);
        }
        if (model->by_cycles) {
            for (std::size_t i = 0; i < signals.size(); ++i) {
                const auto& s = model->signals[i];
                const bool ratio = s.signal.kind == Kind::ratio;
                if (!model->cycles.signals[i].known) {
                    continue;
                }
                signals[i].cycle.emplace(model->cycles.signals[i], model->cycle_clock,
                                         model->cycle_settings, ratio || s.has_side(true),
                                         !ratio && s.has_side(false));
            }
        }
    }
    void start_proof(Signal& s);
    bool is_covered(const Signal& s, std::size_t slot) const;
    double coverage(const Signal& s) const;
    double load_seen() const;
    void take_load(std::span<const Cell> cells);
    void take_events(std::span<const Cell> cells);
    void take_levels();
    void take_cycle_block();
    void end_regression(std::size_t i);
    bool still_off(std::size_t i, const Regression& r, Milliseconds calm) const;
    void lacking(std::size_t i, EnsembleJudged& j) const;
    void effect_of(std::size_t i, EnsembleJudged& j) const;
    void effect_in_unit(std::size_t i, double effect, double lower, double upper,
                        std::size_t blocks_back, EnsembleJudged& j) const;
    EnsembleJudged judged(std::size_t i) const;
    double margin_of(std::size_t i, const Finding& found) const;
    double as_ratio(std::size_t i, std::string_view detector, double effect) const;

    void take(std::span<const Cell> cells);
    void take_block(const std::vector<double>& values);
    void take_fast(const std::vector<double>& values);
    void take_deviation(std::size_t i, double deviation);
    void look_level(std::size_t i, const SignalModel& m, const Signal& s, double bonus);
    void add_fast(std::size_t i, const SignalModel& m, Signal& s, double value, Timestamp at,
                  double load);
    std::size_t speaker() const { return model->load_signals[model->load->speaker()]; }
    void look_rough(std::size_t i, double bonus);
    void look_tails(std::size_t i, double bonus);
    void note(std::size_t i, const SignalModel& m, std::string_view detector, bool up,
              const Evidence10& found, double share, double bonus, double usual = missing,
              double observed = missing);
    void record(std::size_t i, const Finding& found);
    void regress(std::size_t i, const Finding& found, Severity severity);
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
    SeasonClock seasons{model->plan.cycle, model->plan.offsets};
    std::vector<BlockMean> load_blocks;
    Values load_highest;  ///< block of each load signal since the upgrade
    std::vector<Signal> signals;
    std::optional<Signal> common;
    std::size_t cells_taken = 0;
    std::size_t blocks_taken = 0;
    std::size_t fast_taken = 0;
    Values load_history;  ///< of the watch, for the dispersion channel
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
    return factor->at(load);
}

void EnsembleWatch::State::take(std::span<const Cell> cells) {
    std::vector<std::size_t> slots;  // that the cell lies in: more than one where it is long
    for (auto at = now(); at < now() + model->plan.cell; at += seasons.slot_length()) {
        if (const auto slot = seasons.slot(at)) {
            slots.push_back(*slot);
        }
    }
    ++cells_taken;
    for (std::size_t i = 0; i < signals.size(); ++i) {
        auto& s = signals[i];
        s.value = value_of(cells[i]);
        s.scaled = model->signals[i].scale.at(s.value);
        if (is_there(cells[i])) {
            ++s.cells_calm;
            for (const auto slot : slots) {
                ++s.slots_seen[slot];
            }
        }
    }
    take_load(cells);
    take_events(cells);
    if (model->by_cycles) {
        for (std::size_t i = 0; i < signals.size(); ++i) {
            signals[i].cycle_cells.push_back(cells[i]);
        }
        if (cells_taken % model->cycle_block == 0) {
            take_cycle_block();
        }
    } else {
        take_levels();
    }
    for (std::size_t i = 0; i < signals.size(); ++i) {
        if (signals[i].deviations) {
            Values known;
            signals[i].deviations->add(signals[i].scaled, known);
            for (const double d : known) {
                take_deviation(i, d);
            }
        }
    }
    for (std::size_t i = 0; i < signals.size(); ++i) {
        if (signals[i].regression) {
            end_regression(i);
        }
    }
}

void EnsembleWatch::State::take_load(std::span<const Cell> cells) {
    for (std::size_t k = 0; k < load_blocks.size(); ++k) {
        const auto block = load_blocks[k].add(value_of(cells[model->load_signals[k]]));
        if (block && !(*block <= load_highest[k])) {
            load_highest[k] = std::isnan(*block) ? load_highest[k] : *block;
        }
    }
}

void EnsembleWatch::State::take_events(std::span<const Cell> cells) {
    const auto at = now() - model->plan.cell;
    for (std::size_t i = 0; i < signals.size(); ++i) {
        if (!signals[i].events) {
            continue;
        }
        const auto& m = model->signals[i];
        const auto all = is_there(cells[i]) ? cells[i].denominator : 0;
        signals[i].events->add({bad_events(cells[i], m.signal.worse), all}, at);
        const auto found = signals[i].events->look();
        if (found.evidence.evidence > 0) {
            note(i, m, "events", true, found.evidence, events_share, 0, found.usual,
                 found.observed);
        }
    }
}

/// How much of the usual peak of the load the watch has seen: the middle one of the load signals.
double EnsembleWatch::State::load_seen() const {
    Values seen;
    for (std::size_t k = 0; k < load_highest.size(); ++k) {
        if (model->load_peaks[k] > 0) {
            const double highest = std::isnan(load_highest[k]) ? 0 : load_highest[k];
            seen.push_back(highest / (peak_share * model->load_peaks[k]));
        }
    }
    return seen.empty() ? 1 : std::clamp(median_of(seen), 0.0, 1.0);
}

/// Adds the cells to the blocks of the sudden and the level channel, and judges those that end.
void EnsembleWatch::State::take_levels() {
    std::vector<double> block(signals.size(), missing);
    std::vector<double> fast(signals.size(), missing);
    bool block_done = false;
    bool fast_done = false;
    for (std::size_t i = 0; i < signals.size(); ++i) {
        auto& s = signals[i];
        if (const auto done = s.block.add(s.scaled)) {
            block[i] = *done;
            block_done = true;
        }
        if (model->lengths.fast_block > 0) {
            if (const auto done =
                    s.fast_block.add(s.scaled + model->signals[i].habit.step(s.value))) {
                fast[i] = *done;
                fast_done = true;
            }
        }
    }
    if (fast_done) {
        take_fast(fast);
    }
    if (block_done) {
        take_block(block);
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
            values.push_back(m.scale.at(value_of(c)));
            if (is_there(c)) {
                all += c.denominator;
                bad += bad_events(c, m.signal.worse);
            }
        }
        block[i] = m.signal.kind != Kind::ratio ? median_of(values) : all > 0 ? bad / all : missing;
        signals[i].cycle_cells.clear();
    }
    const auto& profile = model->cycles.load_profile;
    const double load = profile.empty() ? 0 : load_at(block, model->load) - profile[position];
    for (std::size_t i = 0; i < signals.size(); ++i) {
        if (!signals[i].cycle) {
            continue;
        }
        auto& cycle = *signals[i].cycle;
        const auto& known = model->cycles.signals[i];
        const double residual = cycle.add(block[i], position, load);
        signals[i].usual.add(std::isnan(residual) ? missing
                             : known.is_ratio     ? known.profile[position]
                                                  : block[i] - residual);
        const auto worst = cycle.crossing();
        if (worst.severity >= 0) {
            const double beyond = std::abs(worst.effect) - known.tolerated;
            record(i, {.detector = "level",
                       .up = worst.up,
                       .level = static_cast<std::size_t>(worst.severity),
                       .effect = worst.effect,
                       .half_width = std::max(0.0, beyond) / worst.ratio,
                       .window = step * static_cast<std::int64_t>(worst.blocks),
                       .excess = std::log10(worst.ratio)});
        }
    }
}

/// A proof needs every slot that occurs in the cycle that begins now.
void EnsembleWatch::State::start_proof(Signal& s) {
    s.proof_begin = now();
    s.slots_seen.assign(seasons.slots(), 0);
    s.slots_needed = seasons.slots_in({now(), now() + model->plan.cycle});
    if (s.level) {
        s.level->restart_proof();
    }
    if (s.cycle) {
        s.cycle->restart_proof();
    }
}

bool EnsembleWatch::State::is_covered(const Signal& s, std::size_t slot) const {
    const double cells = static_cast<double>(seasons.slot_length().count()) /
                         static_cast<double>(model->plan.cell.count());
    return s.slots_seen[slot] >= std::max(1.0, slot_seen_share * cells);
}

/// Share of the cycle's slots in which the signal had data enough.
double EnsembleWatch::State::coverage(const Signal& s) const {
    double needed = 0;
    double covered = 0;
    for (std::size_t slot = 0; slot < s.slots_seen.size(); ++slot) {
        if (s.slots_needed[slot]) {
            ++needed;
            covered += is_covered(s, slot) ? 1 : 0;
        }
    }
    return needed > 0 ? covered / needed : 0;
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
        const double usual = e.at(model->rhythm, at, load);
        const double residual = values[i] - usual;
        s.usual.add(std::isnan(residual) ? missing : usual);
        s.level->add(residual, e.lever(load));
        if (s.level->is_look()) {
            look_level(i, m, s, 0);
        }
        if (model->lengths.coarse && (m.rough || !m.tails.empty())) {
            take_deviation(i, residual);
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

void EnsembleWatch::State::take_deviation(std::size_t i, double deviation) {
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
            load = mean_of(std::span{load_history}.subspan(first, last - first));
        }
        const auto step = model->plan.cell * static_cast<std::int64_t>(model->lengths.rough_block);
        const auto at = model->plan.upgrade + step * static_cast<std::int64_t>(k);
        s.rough->add(std::log(*done + m.rough->floor) - e.at(model->rhythm, at, load),
                     e.lever(load));
        if (s.rough->is_look()) {
            look_rough(i, 0);
        }
    }
    for (auto& tail : s.tails) {
        tail.add(deviation);
    }
    if (!s.tails.empty() && s.tails.front().is_look()) {
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
                                bool up, const Evidence10& found, double share, double bonus,
                                double usual, double observed) {
    const double x = found.evidence - m.price + std::log10(share) + bonus;
    const auto& limits = model->thresholds;
    if (found.evidence <= 0 || x < limits[detector == "fast" ? 1 : 0]) {
        return;  // the fast channel pages or is silent
    }
    const std::size_t level = x >= limits[2] ? 2 : x >= limits[1] ? 1 : 0;
    double effect = up ? found.effect : -found.effect;
    if (detector == "fast") {
        effect = m.habit.without_step(effect);
    }
    const auto hour = static_cast<double>(model->rhythm.hour().count());
    record(i, {.detector = detector,
               .up = up,
               .level = level,
               .effect = effect,
               .half_width = std::min(found.half_width, std::abs(effect)),
               .usual = usual,
               .observed = observed,
               .window = Milliseconds{static_cast<std::int64_t>(found.hours * hour)},
               .excess = x - limits[level]});
}

/// The margin on the scale of a detector of levels: scatter and peaks have none, so that they page
/// and advise no rollback.
double EnsembleWatch::State::margin_of(std::size_t i, const Finding& found) const {
    const auto& margin = model->signals[i].signal.margin;
    if (found.detector == "events") {
        return std::log1p(margin.at(found.usual) / found.usual);
    }
    return signals[i].cycle ? model->cycles.signals[i].margin : model->signals[i].margin;
}

/// Level and fast speak of the level, the others of logs of ratios.
double EnsembleWatch::State::as_ratio(std::size_t i, std::string_view detector,
                                      double effect) const {
    const auto& m = model->signals[i];
    if (detector != "level" && detector != "fast") {
        return std::expm1(effect);
    }
    return signals[i].cycle && m.signal.kind == Kind::ratio ? effect : m.scale.ratio(effect);
}

/// Opens an episode, or prolongs the one that is open.
void EnsembleWatch::State::record(std::size_t i, const Finding& found) {
    if (!model->signals[i].signal.judged) {
        return;
    }
    const double sure = std::abs(found.effect) - found.half_width;
    auto severity = std::array{Severity::warn, Severity::page, Severity::rollback}[found.level];
    const bool of_shape = found.detector == "dispersion" || found.detector == "tail";
    if (severity == Severity::rollback && (of_shape || !(sure > margin_of(i, found)))) {
        severity = Severity::page;
    }
    const auto at = now();
    auto& known = open[i][found.level];
    if (!known || at - alerts[*known].until > episode_gap()) {
        known = alerts.size();
        alerts.push_back({.signal = i,
                          .severity = severity,
                          .level = found.level,
                          .at = at,
                          .until = at,
                          .excess = -1e9});
    }
    auto& alert = alerts[*known];
    alert.until = at;
    alert.severity = std::max(alert.severity, severity);
    if (found.excess > alert.excess + 1e-3) {  // saturated evidence differs by rounding alone
        alert.excess = found.excess;
        alert.detector = found.detector;
        alert.up = found.up;
        alert.effect_ratio = as_ratio(i, found.detector, found.effect);
    }
    regress(i, found, severity);
}

void EnsembleWatch::State::regress(std::size_t i, const Finding& found, Severity severity) {
    auto& s = signals[i];
    s.cells_calm = 0;
    if (!s.regression) {
        s.regression = Regression{.severity = severity,
                                  .since = now(),
                                  .took = found.window,
                                  .strongest = found,
                                  .strongest_at = now()};
        return;
    }
    auto& r = *s.regression;
    r.took = std::min(r.took, found.window);
    if (severity > r.severity ||
        (severity == r.severity && found.excess > r.strongest.excess + 1e-3)) {
        r.severity = severity;
        r.strongest = found;
        r.strongest_at = now();
    }
}

/// A regression ends by evidence: for as long as it took to find, no look found anything and the
/// level was no worse than tolerated. Cells without data do not count. Its proof starts anew.
void EnsembleWatch::State::end_regression(std::size_t i) {
    auto& s = signals[i];
    const auto& plan = model->plan;
    const auto block =
        plan.cell * static_cast<std::int64_t>(s.cycle ? model->cycle_block : model->lengths.block);
    const auto least = Milliseconds{static_cast<std::int64_t>(
        calm_hours_min * static_cast<double>(model->rhythm.hour().count()))};
    const auto calm =
        std::max({s.regression->took, least, block * static_cast<std::int64_t>(calm_blocks_min)});
    if (plan.cell * static_cast<std::int64_t>(s.cells_calm) < calm ||
        still_off(i, *s.regression, calm)) {
        return;
    }
    s.regression.reset();
    s.recovered_at = now();
    start_proof(s);
}

bool EnsembleWatch::State::still_off(std::size_t i, const Regression& r, Milliseconds calm) const {
    if (r.strongest.detector != "level" && r.strongest.detector != "fast") {
        return false;
    }
    const auto& s = signals[i];
    const double sign = r.strongest.up ? 1 : -1;
    const auto blocks_in = [&](std::size_t cells) {
        return static_cast<std::size_t>(calm / model->plan.cell) / cells;
    };
    const auto off = [&](const auto& watch, std::size_t blocks, double tolerated) {
        const auto there =
            s.usual.count(s.usual.size() - std::min(blocks, s.usual.size()), s.usual.size());
        return there < calm_there_share * static_cast<double>(blocks) ||
               !(sign * watch.recent(blocks) <= tolerated);
    };
    if (s.cycle) {
        return off(*s.cycle, blocks_in(model->cycle_block), model->cycles.signals[i].tolerated);
    }
    return s.level && off(*s.level, blocks_in(model->lengths.block),
                          model->signals[i].level->level.settings().tolerated);
}

void EnsembleWatch::State::finish() {
    const double bonus = std::log10(closing_factor);
    for (std::size_t i = 0; i < signals.size(); ++i) {
        auto& s = signals[i];
        if (s.deviations) {
            Values rest;
            s.deviations->finish(rest);
            for (const double d : rest) {
                take_deviation(i, d);
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
    if (common) {
        look_level(speaker(), *model->common, *common, bonus);
    }
}

/// Puts an effect on the scale into the unit, at the level that was usual in the last blocks.
void EnsembleWatch::State::effect_in_unit(std::size_t i, double effect, double lower, double upper,
                                          std::size_t blocks_back, EnsembleJudged& j) const {
    const auto& s = signals[i];
    const auto& m = model->signals[i];
    const auto end = s.usual.size();
    const double usual = s.usual.mean(end - std::min(blocks_back, end), end);
    const bool share = s.cycle && m.signal.kind == Kind::ratio;
    const auto value = [&](double e) {  // finite: nobody reads more than that
        constexpr double most = std::numeric_limits<double>::max() / 4;
        return std::clamp(share ? usual * (1 + e) : m.scale.value(usual + e), -most, most);
    };
    const auto step = [&](double ours, double cycles) { return s.cycle ? cycles : ours; };
    if (std::isnan(usual)) {
        return;
    }
    j.usual = value(0);
    j.observed = value(effect);
    j.effect = j.observed - j.usual;
    j.effect_lower = value(lower) - j.usual;
    j.effect_upper = value(upper) - j.usual;
    const double tolerated = m.level ? m.level->level.settings().tolerated : 0;
    const auto& c = s.cycle ? model->cycles.signals[i] : CycleModel{};
    j.tolerated = value(step(tolerated, c.tolerated)) - j.usual;
    j.margin = value(step(m.margin, c.margin)) - j.usual;
}

/// The effect since the proof's start, with its any-time valid interval.
void EnsembleWatch::State::effect_of(std::size_t i, EnsembleJudged& j) const {
    const auto& s = signals[i];
    const auto& m = model->signals[i];
    const auto fill = [&](const auto& e, double margin, std::size_t blocks) {
        j.effect_ratio = as_ratio(i, "level", e.effect);
        j.effect_lower_ratio = as_ratio(i, "level", e.lower);
        j.effect_upper_ratio = as_ratio(i, "level", e.upper);
        j.margin_ratio = as_ratio(i, "level", margin);
        j.blocks = e.blocks;
        effect_in_unit(i, e.effect, e.lower, e.upper, blocks, j);
    };
    j.level = model->plan.levels.close;
    j.window = {s.proof_begin, now()};
    if (s.cycle) {
        fill(s.cycle->since_start(), model->cycles.signals[i].margin,
             s.usual.size() - std::min(s.usual.size(), s.cycle->proof_begin()));
        j.effective_blocks = s.cycle->effective_blocks();
    } else if (m.level) {
        fill(s.level->since_start(j.level), m.margin, s.level->count() - s.level->proof_begin());
        j.effective_blocks = s.level->effective_blocks();
    }
}

/// What stands between a signal and its proof.
void EnsembleWatch::State::lacking(std::size_t i, EnsembleJudged& j) const {
    const auto& s = signals[i];
    const auto& m = model->signals[i];
    const double alpha = model->plan.levels.close;
    std::optional<double> blocks = 0;
    bool within = true;
    if (s.cycle) {
        within = s.cycle->proven();
        blocks = within ? std::optional{0.0} : s.cycle->blocks_for_proof();
    } else {
        for (const bool up : {true, false}) {
            if (m.has_side(up) && !s.level->within_margin(up, alpha)) {
                within = false;
                const auto more = s.level->blocks_for_proof(up, alpha);
                blocks = blocks && more ? std::optional{std::max(*blocks, *more)} : std::nullopt;
            }
        }
    }
    const auto block = static_cast<double>((s.cycle ? model->cycle_block : model->lengths.block)) *
                       static_cast<double>(model->plan.cell.count());
    if (within) {
        j.data_needed = Milliseconds{0};
    } else if (blocks) {
        j.data_needed =
            Milliseconds{static_cast<std::int64_t>(std::max(1.0, *blocks - j.blocks) * block)};
    }
    for (auto at = now(); at < now() + model->plan.cycle; at += seasons.slot_length()) {
        const auto slot = seasons.slot(at);
        if (slot && s.slots_needed[*slot] && !is_covered(s, *slot)) {
            j.slot_missing = slot;
            j.covered_at = at + seasons.slot_length();
        }
    }
    if (!j.covered_at && now() < s.proof_begin + model->plan.cycle) {
        j.covered_at = s.proof_begin + model->plan.cycle;  // its last slot is not over yet
    }
    j.load_seen_ratio = m.signal.is_load ? 1 : load_seen();
}

EnsembleJudged EnsembleWatch::State::judged(std::size_t i) const {
    const auto& s = signals[i];
    EnsembleJudged j;
    j.coverage_ratio = coverage(s);
    j.recovered_at = s.recovered_at;
    effect_of(i, j);
    if (s.regression) {
        const auto& r = *s.regression;
        const auto& f = r.strongest;
        j.judgement = Judgement::regressed;
        j.severity = r.severity;
        j.regressed_since = r.since;
        j.detector = f.detector;
        j.up = f.up;
        j.spoken_ratio = as_ratio(i, f.detector, f.effect);
        j.spoken_lower_ratio = as_ratio(i, f.detector, f.effect - f.half_width);
        j.spoken_upper_ratio = as_ratio(i, f.detector, f.effect + f.half_width);
        if (f.detector == "level" || f.detector == "fast") {
            const auto cells = s.cycle ? model->cycle_block : model->lengths.block;
            const auto block = model->plan.cell * static_cast<std::int64_t>(cells);
            const auto back = (now() - (r.strongest_at - f.window)) / block;
            effect_in_unit(i, f.effect, f.effect - f.half_width, f.effect + f.half_width,
                           static_cast<std::size_t>(std::max<std::int64_t>(1, back)), j);
        }
        if (f.detector == "events") {
            const auto& signal = model->signals[i].signal;
            j.usual = f.usual;
            j.observed = f.observed;
            j.effect = f.observed - f.usual;
            j.effect_lower = f.usual * std::exp(f.effect - f.half_width) - f.usual;
            j.effect_upper = f.usual * std::exp(f.effect + f.half_width) - f.usual;
            j.tolerated = signal.tolerated.at(f.usual);
            j.margin = signal.margin.at(f.usual);
            if (signal.worse ==
                Direction::down) {  // told as it was asked for: the share that is good
                j.up = false;
                j.usual = 1 - j.usual;
                j.observed = 1 - j.observed;
                j.effect = -j.effect;
                std::tie(j.effect_lower, j.effect_upper) =
                    std::pair{-j.effect_upper, -j.effect_lower};
            }
        }
        j.window = {r.strongest_at - f.window, r.strongest_at};
        return j;
    }
    if (!s.cycle && !model->signals[i].level) {
        return j;  // learning
    }
    lacking(i, j);
    if (j.blocks < 1) {
        j.judgement = Judgement::no_data;
        return j;
    }
    const bool whole = !j.covered_at && j.load_seen_ratio >= 1;
    j.judgement =
        whole && j.data_needed == Milliseconds{0} ? Judgement::proven : Judgement::watching;
    return j;
}

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

const EnsembleSignal& EnsembleWatch::signal(std::size_t index) const {
    return state_->model->signals[index].signal;
}
void EnsembleWatch::restart_proof(std::size_t signal) {
    state_->start_proof(state_->signals[signal]);
}

std::vector<EnsembleAlert> EnsembleWatch::alerts() const {
    auto out = state_->alerts;
    std::stable_sort(out.begin(), out.end(),
                     [](const auto& a, const auto& b) { return a.at < b.at; });
    return out;
}

std::vector<EnsembleJudged> EnsembleWatch::judged() const {
    std::vector<EnsembleJudged> out;
    out.reserve(state_->signals.size());
    for (std::size_t i = 0; i < state_->signals.size(); ++i) {
        out.push_back(state_->judged(i));
    }
    return out;
}

}  // namespace holdfast::rules
