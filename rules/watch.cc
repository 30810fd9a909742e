#include "rules/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "rules/boundary.h"
#include "rules/learn.h"
#include "rules/words.h"

namespace holdfast::rules {
namespace {

constexpr double blocks_min = 3;             // no window speaks with fewer
constexpr int restarts_per_cycle = 168;      // hourly in a week
constexpr int restart_life = 24;             // a restarted window grows this many restarts long
constexpr double cycles_budgeted = 2;        // restarts that the levels are split over
constexpr double start_share = 0.5;          // of a rule's level, for the window since the start
constexpr double slot_seen_share = 0.6;      // of a slot's blocks make it covered
constexpr double tiny = 1e-150;              // keeps exact constants from dividing by zero
constexpr std::size_t blocks_kept = 40'000;  // 4.5 months of 5 min: then the older half is dropped
constexpr auto silence_min = std::chrono::seconds{15};
constexpr int silence_steps = 10;

bool beyond(const Threshold& threshold, double value) {
    return threshold.side == Threshold::Side::above ? value > threshold.value
                                                    : value < threshold.value;
}

}  // namespace

Watch::Watch(Rule rule, SignalId signal, std::optional<SignalBaseline> baseline, WatchPlan plan)
    : rule_{std::move(rule)},
      signal_{std::move(signal)},
      baseline_{std::move(baseline)},
      plan_{std::move(plan)},
      clock_{plan_.cycle, plan_.offsets},
      builder_{plan_.block},
      prefix_(1),
      thresholds_(rule_.thresholds.size()) {
    if (plan_.whole_cycles < 1) {
        baseline_.reset();  // less than a cycle says nothing of the seasons it lacks
    }
    if (baseline_) {
        double level = 0;
        double weight = 0;
        for (const auto& season : baseline_->seasons) {
            level += season.mean * season.weight;
            weight += season.weight;
            baseline_blocks_ += season.blocks;
        }
        baseline_level_ = weight > 0 ? level / weight : 0;
        tolerated_ = rule_.tolerated.at(baseline_level_);
        margin_ = rule_.margin.at(baseline_level_);
    }
    start_proof(plan_.begin + plan_.warmup);
}

void Watch::add(const Point& point) {
    if (point.at < plan_.begin) {
        return;
    }
    if (last_point_ && point.at > *last_point_) {
        step_ = std::min(step_.value_or(point.at - *last_point_), point.at - *last_point_);
    }
    const auto before = last_point_.value_or(point.at);
    last_point_ = point.at;
    last_value_ = point.value();
    judge_thresholds(point, before);
    if (const auto done = builder_.add(point); done && baseline_) {
        take(*done);
    }
}

void Watch::acknowledge(Timestamp at) {
    regression_.reset();
    start_proof(at);
}

void Watch::start_proof(Timestamp at) {
    proof_begin_ = at;
    start_ = prefix_.size() - 1;
    restarts_.clear();
    last_restart_.reset();
    if (baseline_) {
        proof_.assign(baseline_->seasons.size(), {});
    }
    slot_blocks_.assign(clock_.slots(), 0);
    required_slots_ = clock_.slots_in({at, at + plan_.cycle});
}

void Watch::take(const Block& raw) {
    const auto end = raw.begin + plan_.block;
    const auto slot = clock_.slot(raw.begin);
    if (!slot || raw.begin < plan_.begin + plan_.warmup) {
        return;
    }
    const auto season = clock_.season(baseline_->level, *slot);
    const auto& usual = baseline_->seasons[season];
    if (usual.weight <= 0) {
        return;  // the baseline never saw this season: nothing to compare with
    }
    const auto block = weighed(raw, baseline_->kind);
    const double expected = usual.mean * block.denominator;
    const double residual = sign() * (block.numerator - expected);
    auto next = prefix_.back();
    prefix_.back().at = raw.begin;
    next.at = end;
    next.residual += residual;
    next.residual_square += std::pow(residual / block.denominator, 2);
    next.denominator += block.denominator;
    next.observed += block.numerator;
    next.expected += expected;
    prefix_.push_back(next);
    if (raw.begin >= proof_begin_) {
        auto& proof = proof_[season];
        proof.blocks += 1;
        proof.residual += residual;
        proof.residual_square += std::pow(residual / block.denominator, 2);
        proof.denominator += block.denominator;
        slot_blocks_[*slot] += 1;
    }
    const auto grid = std::max(plan_.block, plan_.cycle / restarts_per_cycle);
    if (!last_restart_ || raw.begin >= *last_restart_ + grid) {
        last_restart_ = raw.begin;
        restarts_.push_back(prefix_.size() - 2);
        if (restarts_.size() > restart_life) {
            restarts_.pop_front();
        }
    }
    judge_windows(end);
    if (prefix_.size() > blocks_kept) {
        const auto drop = std::min(prefix_.size() / 2, restarts_.front());
        prefix_.erase(prefix_.begin(), prefix_.begin() + static_cast<std::ptrdiff_t>(drop));
        start_ -= std::min(start_, drop);
        for (auto& restart : restarts_) {
            restart -= drop;
        }
    }
}

/// Whether any window says that the worsening is beyond what is tolerated, and how loudly.
void Watch::judge_windows(Timestamp now) {
    const double rules = static_cast<double>(plan_.rules);
    const auto judge = [&](std::size_t first, double share) {
        const auto mean = mean_since(first);
        if (mean.blocks < blocks_min) {
            return;
        }
        const auto fires = [&](double level, double bound) {
            const double alpha = level / rules * share;
            const double excess = mean.effect - bound;
            // No boundary is narrower than this; most windows end here.
            if (excess <= std::sqrt(2 * std::log(1 / alpha) * mean.variance)) {
                return 0.0;
            }
            return excess > half_width(mean, alpha) ? alpha : 0.0;
        };
        auto severity = Severity::none;
        double alpha = 0;
        if ((alpha = fires(plan_.levels.rollback, margin_)) > 0) {
            severity = Severity::rollback;
        } else if ((alpha = fires(plan_.levels.page, tolerated_)) > 0) {
            severity = Severity::page;
        } else if ((alpha = fires(plan_.levels.warn, tolerated_)) > 0) {
            severity = Severity::warn;
        }
        if (severity != Severity::none) {
            auto evidence = evidence_of(mean, alpha);
            auto cause = sentence(evidence);
            raise(severity, now,
                  {.since = now,
                   .window_begin = mean.window.begin,
                   .cause = std::move(cause),
                   .evidence = std::move(evidence)});
        }
    };
    judge(start_, start_share);
    const double restarts = restarts_per_cycle * cycles_budgeted;
    for (const auto restart : restarts_) {
        judge(restart, (1 - start_share) / restarts);
    }
    check_recovery(now);
}

/// `before` is the time of the point before.
void Watch::judge_thresholds(const Point& point, Timestamp before) {
    const auto gap_max = std::max<Milliseconds>(silence_steps * step(), std::chrono::minutes{1});
    for (std::size_t i = 0; i < thresholds_.size(); ++i) {
        const auto& threshold = rule_.thresholds[i];
        auto& state = thresholds_[i];
        if (!beyond(threshold, point.value())) {
            state = {};
            continue;
        }
        if (!state.since || point.at - *state.last > gap_max) {
            state.since = point.at;
        }
        state.last = point.at;
        state.holds = point.at - *state.since >= threshold.duration;
        if (state.holds) {
            Regression regression{
                .since = point.at, .window_begin = *state.since, .by_threshold = true};
            regression.evidence.baseline = baseline_level_;
            regression.evidence.observed = point.value();
            regression.evidence.window = {*state.since, point.at};
            regression.cause = fmt::format(
                "{} is {} ({} {} for {}; limit {} for {})", to_string(signal_),
                in_words(signal_.name, point.value()),
                threshold.side == Threshold::Side::above ? "above" : "below",
                in_words(signal_.name, threshold.value), in_words(point.at - *state.since),
                in_words(signal_.name, threshold.value), in_words(threshold.duration));
            raise(threshold.action, point.at, std::move(regression));
        }
    }
    const bool any_beyond =
        std::any_of(rule_.thresholds.begin(), rule_.thresholds.end(),
                    [&](const Threshold& t) { return beyond(t, point.value()); });
    if (any_beyond) {
        calm_since_.reset();
    } else if (!calm_since_ || point.at - before > gap_max) {
        calm_since_ = point.at;  // no data in between is no calm
    }
    if (regression_ && regression_->by_threshold) {
        check_recovery(point.at);
    }
}

void Watch::raise(Severity severity, Timestamp now, Regression regression) {
    regression.severity = severity;
    if (!regression_) {
        regression.since = now;
        regression_ = std::move(regression);
    } else if (severity > regression_->severity) {
        regression.since = regression_->since;
        regression.window_begin = std::min(regression.window_begin, regression_->window_begin);
        regression_ = std::move(regression);
    }
}

/// A regression ends by evidence, by the same test: for as long as it took to fire, no point was
/// beyond a threshold and, where a window fired, the mean was at most tolerated.
void Watch::check_recovery(Timestamp now) {
    if (!regression_) {
        return;
    }
    const auto took = std::max(regression_->since - regression_->window_begin,
                               static_cast<int>(blocks_min) * plan_.block);
    if (now - regression_->since < took || !calm_since_ || now - *calm_since_ < took) {
        return;
    }
    if (!regression_->by_threshold) {
        std::size_t first = prefix_.size() - 1;
        while (first > 0 && prefix_[first - 1].at >= now - took) {
            --first;
        }
        const auto recent = mean_since(first);
        if (recent.blocks < blocks_min || recent.effect > tolerated_) {
            return;
        }
    }
    regression_.reset();
    recovered_at_ = now;
    start_proof(now);
}

Watch::Mean Watch::mean_since(std::size_t first) const {
    Mean mean;
    const auto& a = prefix_[first];
    const auto& b = prefix_.back();
    mean.blocks = static_cast<double>(prefix_.size() - 1 - first);
    if (mean.blocks < 1) {
        return mean;
    }
    mean.denominator = b.denominator - a.denominator;
    mean.effect = (b.residual - a.residual) / mean.denominator;
    mean.baseline = (b.expected - a.expected) / mean.denominator;
    mean.observed = (b.observed - a.observed) / mean.denominator;
    mean.window = {a.at, b.at};
    const double square = (b.residual_square - a.residual_square) / mean.blocks;
    const double spread = std::max(0.0, square - mean.effect * mean.effect);
    mean.variance = predictive_variance(mean.blocks, mean.denominator);
    if (baseline_->kind != Kind::ratio && baseline_->kind != Kind::count) {
        // One wild block does not convict: the window must be worse throughout (Welch 1947).
        mean.variance = std::max(mean.variance, spread / (mean.blocks - (mean.blocks > 1 ? 1 : 0)));
    }
    if (rule_.worse == Direction::both) {
        mean.effect = std::abs(mean.effect);
    }
    return mean;
}

/// What the mean of `blocks` blocks with `denominator` in all varies by when nothing has changed,
/// the baseline's own uncertainty included.
double Watch::predictive_variance(double blocks, double denominator) const {
    const auto& variances = baseline_->variances;
    const double per_cycle =
        static_cast<double>(plan_.cycle.count()) / static_cast<double>(plan_.block.count());
    const double repeats = std::max(1.0, baseline_blocks_ / per_cycle);
    const double behind = baseline_->level == SeasonLevel::all
                              ? baseline_blocks_
                              : std::min(baseline_blocks_, repeats * std::min(blocks, per_cycle));
    double variance = variance_of_mean(variances, blocks);
    double weight = 0;
    for (const auto& season : baseline_->seasons) {
        weight += season.weight;
    }
    // Counts cannot vary less than chance makes them: binomial and Poisson, with half an event of
    // prior, so that a baseline without events is information and not a variance of zero.
    if (baseline_->kind == Kind::ratio) {
        const double p = std::clamp((baseline_level_ * weight + 0.5) / (weight + 1), 0.0, 1.0);
        variance = std::max(variance, p * (1 - p) / denominator);
    } else if (baseline_->kind == Kind::count) {
        const double rate = (baseline_level_ * weight + 0.5) / weight;
        variance = std::max(variance, rate / denominator);
    }
    const double floor = std::max(1e-6 * std::abs(baseline_level_), tiny);
    return std::max(variance + variance_of_mean(variances, behind), floor * floor);
}

double Watch::prior_scale() const {
    return std::max({margin_, std::sqrt(baseline_->variances.front().variance), tiny});
}

double Watch::half_width(const Mean& mean, double alpha) const {
    const double error = std::sqrt(mean.variance);
    const double one_side = rule_.worse == Direction::both ? alpha / 2 : alpha;
    const double z = mixture_boundary(error, prior_scale(), one_side);
    return error * student_for_normal(z, degrees_of_freedom(baseline_->variances, mean.blocks));
}

Watch::Mean Watch::season_mean(const SeasonProof& season) const {
    Mean mean;
    mean.blocks = season.blocks;
    mean.denominator = season.denominator;
    mean.effect = season.residual / season.denominator;
    const double spread =
        std::max(0.0, season.residual_square / season.blocks - mean.effect * mean.effect);
    mean.variance = std::max(predictive_variance(season.blocks, season.denominator),
                             spread / std::max(1.0, season.blocks - 1));
    if (rule_.worse == Direction::both) {
        mean.effect = std::abs(mean.effect);
    }
    return mean;
}

double Watch::coverage() const {
    const auto per_slot = static_cast<double>(clock_.slot_length().count()) /
                          static_cast<double>(plan_.block.count());
    double required = 0;
    double seen = 0;
    for (std::size_t slot = 0; slot < required_slots_.size(); ++slot) {
        if (required_slots_[slot]) {
            ++required;
            seen += slot_blocks_[slot] >= std::max(1.0, slot_seen_share * per_slot) ? 1 : 0;
        }
    }
    return required > 0 ? seen / required : 0;
}

Evidence Watch::evidence_of(const Mean& mean, double alpha) const {
    Evidence e;
    e.baseline = mean.baseline;
    e.observed = mean.observed;
    e.effect = mean.effect;
    const double half = half_width(mean, alpha);
    e.effect_lower = mean.effect - half;
    e.effect_upper = mean.effect + half;
    e.tolerated = tolerated_;
    e.margin = margin_;
    e.level = alpha;
    e.blocks = mean.blocks;
    const double worth = predictive_variance(mean.blocks, mean.denominator);
    e.effective_blocks = std::clamp(predictive_variance(1, mean.denominator / mean.blocks) / worth,
                                    1.0, mean.blocks);
    e.coverage_ratio = coverage();
    e.window = mean.window;
    return e;
}

/// What stands between the rule and its proof, in words; empty when nothing does.
std::string Watch::missing_proof(Timestamp now) const {
    const auto end = proof_begin_ + plan_.cycle;
    if (now < end) {
        return fmt::format("{} more of the business cycle", in_words(end - now));
    }
    for (std::size_t slot = 0; slot < required_slots_.size(); ++slot) {
        const auto per_slot = static_cast<double>(clock_.slot_length().count()) /
                              static_cast<double>(plan_.block.count());
        if (required_slots_[slot] &&
            slot_blocks_[slot] < std::max(1.0, slot_seen_share * per_slot)) {
            return fmt::format("enough data in {}", clock_.describe_slot(slot));
        }
    }
    for (std::size_t season = 0; season < proof_.size(); ++season) {
        if (baseline_->seasons[season].weight <= 0) {
            return fmt::format("a baseline for {}", clock_.describe(baseline_->level, season));
        }
        if (proof_[season].blocks < 1) {
            continue;  // a season that this cycle does not have
        }
        const auto mean = season_mean(proof_[season]);
        const double upper = mean.effect + half_width(mean, plan_.levels.close);
        if (upper >= margin_) {
            return fmt::format("more evidence in {}: the effect may be as large as {}, margin {}",
                               clock_.describe(baseline_->level, season),
                               in_words(signal_.name, upper), in_words(signal_.name, margin_));
        }
    }
    return {};
}

/// The evidence in one sentence. An effect in the good direction is told as such, with its sign
/// turned: '30 % (-76 % to 136 %) below its usual 18 ms'.
std::string Watch::sentence(const Evidence& e) const {
    const auto& name = signal_.name;
    const bool share = name.ends_with("_ratio");
    const bool relative = std::abs(e.baseline) > 0 && !share;
    const auto shown = [&](double amount) {
        if (share) {
            return fmt::format("{:.3g} points", 100 * amount);
        }
        return relative ? in_words("_ratio", amount / std::abs(e.baseline))
                        : in_words(name, amount);
    };
    const bool better = e.effect < 0;
    const double turn = better ? -1 : 1;
    const auto limits = std::minmax({turn * e.effect_lower, turn * e.effect_upper});
    const bool above = (rule_.worse == Direction::down) == better;
    return fmt::format("{} is {}, {} ({} to {}) {} its usual {} over {}; tolerated {}, margin {}",
                       to_string(signal_), in_words(name, e.observed), shown(turn * e.effect),
                       shown(limits.first), shown(limits.second),
                       rule_.worse == Direction::both ? "off"
                       : above                        ? "above"
                                                      : "below",
                       in_words(name, e.baseline), in_words(e.window.length()), shown(e.tolerated),
                       shown(e.margin));
}

/// Time between points: as in the baseline, else as seen so far, else a block.
Milliseconds Watch::step() const {
    return baseline_ ? baseline_->step : step_.value_or(plan_.block);
}

bool Watch::silent(Timestamp now) const {
    const auto limit = std::max<Milliseconds>(silence_steps * step(), silence_min);
    const auto heard = last_point_.value_or(plan_.begin);
    return now - std::max(heard, resumed_at_.value_or(heard)) > limit;
}

Judged Watch::judged(Timestamp now) const {
    Judged out{.rule = rule_.name,
               .signal = signal_,
               .recovered_at = recovered_at_,
               .required = rule_.required,
               .no_data = rule_.no_data};
    const auto since_start = baseline_ ? mean_since(start_) : Mean{};
    if (since_start.blocks >= 1) {
        out.evidence = evidence_of(since_start, plan_.levels.close);
    } else {
        out.evidence.tolerated = tolerated_;
        out.evidence.margin = margin_;
        out.evidence.baseline = baseline_level_;
        out.evidence.observed = last_value_;
    }
    if (regression_) {
        out.judgement = Judgement::regressed;
        out.severity = regression_->severity;
        out.regressed_since = regression_->since;
        const double seen = out.evidence.coverage_ratio;
        if (!regression_->by_threshold) {
            out.evidence = regression_->evidence;
        } else {
            out.evidence.observed = regression_->evidence.observed;
            out.evidence.window = regression_->evidence.window;
        }
        out.evidence.coverage_ratio = seen;
        out.evidence.missing = "the end of the regression";
        out.evidence.reason = regression_->cause;
        return out;
    }
    if (silent(now)) {
        out.judgement = Judgement::no_data;
        out.evidence.missing = "data";
        out.evidence.reason = last_point_
                                  ? fmt::format("{}: no data since {}; check its source",
                                                to_string(signal_), in_words(*last_point_))
                                  : fmt::format("{}: no data since the upgrade; check its source",
                                                to_string(signal_));
        return out;
    }
    if (!baseline_) {
        out.judgement = Judgement::learning;
        out.evidence.missing = "a baseline of at least one whole business cycle";
        out.evidence.reason =
            fmt::format("{}: nothing to compare with; {}", to_string(signal_),
                        plan_.whole_cycles < 1 ? "the baseline is shorter than one business cycle"
                                               : "it was not there before the upgrade");
        return out;
    }
    out.evidence.missing = missing_proof(now);
    out.judgement = out.evidence.missing.empty() ? Judgement::proven : Judgement::watching;
    if (since_start.blocks < 1) {
        out.evidence.reason = fmt::format("{}: warming up", to_string(signal_));
    } else if (out.judgement == Judgement::proven) {
        out.evidence.reason =
            fmt::format("{}; proven to be within the margin in every season of the cycle",
                        sentence(out.evidence));
    } else {
        out.evidence.reason = fmt::format("{}; not yet proven: needs {}", sentence(out.evidence),
                                          out.evidence.missing);
    }
    return out;
}

}  // namespace holdfast::rules
