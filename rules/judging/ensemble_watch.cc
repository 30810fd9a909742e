#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "rules/judging/ensemble_model.h"
#include "rules/words.h"

namespace holdfast::rules {
namespace {

// How the levels' budget is shared; measured in docs/judging.md, "Budget".
constexpr double level_share = 0.6;
constexpr double dispersion_share = 0.2;
constexpr double tail_share = 0.1;  // each of the two
constexpr double sudden_share = 0.5;
constexpr double closing_factor = 2;  // the last look: what is still there did not return to normal
constexpr double episode_hours = 6;
constexpr double constant_evidence = 0.3;  // a constant's first step is a warning, not a page
constexpr double slot_seen_share = 0.6;    // of an hour's blocks make it covered

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
        double value = missing;                 ///< of the last cell
        double scaled = missing;                ///< the same on the signal's scale
        std::vector<std::uint32_t> slots_seen;  ///< cells with data, by hour of the cycle
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
        for (auto& s : signals) {
            s.slots_seen.assign(slots(), 0);
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
    Milliseconds slot_length() const { return std::max(model->rhythm.hour(), model->plan.cell); }
    std::size_t slots() const {
        return static_cast<std::size_t>(
            std::max<std::int64_t>(1, model->plan.cycle / slot_length()));
    }
    double coverage(const Signal& s) const;
    void take_levels();
    void take_cycle_block();
    bool regressed(std::size_t i, Severity& severity) const;
    bool still_off(const EnsembleAlert& alert) const;

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
    const auto phase = model->rhythm.cycle_phase(now());
    const auto slot =
        std::min(slots() - 1, static_cast<std::size_t>(phase * static_cast<double>(slots())));
    ++cells_taken;
    for (std::size_t i = 0; i < signals.size(); ++i) {
        signals[i].value = value_of(cells[i]);
        signals[i].scaled = model->signals[i].scale.at(signals[i].value);
        signals[i].slots_seen[slot] += is_there(cells[i]) ? 1 : 0;
    }
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
        cycle.add(block[i], position, load);
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

/// Share of the cycle's hours in which the signal had data enough.
double EnsembleWatch::State::coverage(const Signal& s) const {
    const double needed =
        std::max(1.0, slot_seen_share * static_cast<double>(slot_length() / model->plan.cell));
    const auto covered = std::count_if(s.slots_seen.begin(), s.slots_seen.end(),
                                       [needed](std::uint32_t cells) { return cells >= needed; });
    return static_cast<double>(covered) / static_cast<double>(s.slots_seen.size());
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
                                bool up, const Evidence10& found, double share, double bonus) {
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
    const bool of_level =
        detector == "level" || detector == "fast";  // the others have logs of ratios
    record(i, detector, up, level, of_level ? m.scale.ratio(effect) : std::expm1(effect),
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
    if (excess > alert.excess + 1e-3) {  // saturated evidence differs by rounding alone
        alert.excess = excess;
        alert.detector = detector;
        alert.up = up;
        alert.effect_ratio = effect_ratio;
    }
}

/// An episode goes on while looks find it, and a shift while it is still there: its last six hours
/// are worse than tolerated.
bool EnsembleWatch::State::regressed(std::size_t i, Severity& severity) const {
    severity = Severity::none;
    for (const auto& known : open[i]) {
        if (known && (now() - alerts[*known].until <= episode_gap() || still_off(alerts[*known]))) {
            severity = alerts[*known].severity;
        }
    }
    return severity != Severity::none;
}

bool EnsembleWatch::State::still_off(const EnsembleAlert& alert) const {
    const auto& s = signals[alert.signal];
    const auto& m = model->signals[alert.signal];
    const double sign = alert.up ? 1 : -1;
    const auto blocks_in = [this](std::size_t cells) {
        return static_cast<std::size_t>(episode_gap() / model->plan.cell) / cells + 1;
    };
    if (alert.detector != "level" && alert.detector != "fast") {
        return false;
    }
    if (s.cycle) {
        return sign * s.cycle->recent(blocks_in(model->cycle_block)) >
               model->cycles.signals[alert.signal].tolerated;
    }
    return s.level && sign * s.level->recent(blocks_in(model->lengths.block)) >
                          m.level->level.settings().tolerated;
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
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto& m = st.model->signals[i];
        auto& j = out[i];
        const double coverage = st.coverage(st.signals[i]);
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
            const double alpha = st.model->plan.levels.close;
            const auto& level = *st.signals[i].level;
            const auto e = level.since_start(alpha);
            j.effect_ratio = m.scale.ratio(e.effect);
            j.effect_lower_ratio = m.scale.ratio(e.lower);
            j.effect_upper_ratio = m.scale.ratio(e.upper);
            j.margin_ratio = m.scale.ratio(m.margin);
            within = (!m.has_side(true) || level.within_margin(true, alpha)) &&
                     (!m.has_side(false) || level.within_margin(false, alpha));
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
