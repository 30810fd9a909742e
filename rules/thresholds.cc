#include "rules/thresholds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "rules/words.h"

namespace holdfast::rules {
namespace {

constexpr int gap_steps = 10;
constexpr auto gap_min = std::chrono::minutes{1};
constexpr int calm_points_min = 3;

const char* word(Threshold::Side side) {
    return side == Threshold::Side::above ? "above" : "below";
}

bool is_beyond(Threshold::Side side, double value, double limit) {
    return side == Threshold::Side::above ? value > limit : value < limit;
}

/// Where the usual level is negative a share of it is a share of its size.
double relative_limit(const Threshold& threshold, double usual) {
    const double amount = threshold.value * std::abs(usual);
    return threshold.side == Threshold::Side::above ? usual + amount : usual - amount;
}

double burn_limit(const Threshold& threshold) {
    return threshold.value * (1 - threshold.objective);
}

double share_of(const WindowSums::Sums& sums) {
    return sums.numerator / sums.denominator;
}

std::string number(double value) {
    return std::abs(value) >= 100 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

std::string percent(double share) {
    return number(100 * share) + " %";
}

Milliseconds milliseconds_of_days(double days) {
    return Milliseconds{static_cast<std::int64_t>(days * 86'400'000)};
}

std::string for_words(Milliseconds duration) {
    return duration > Milliseconds{0} ? " for " + in_words(duration) : std::string{};
}

/// What must be calm again before a breach has ended.
Milliseconds length_of(const Threshold& threshold) {
    return std::max(threshold.duration, threshold.short_window);
}

}  // namespace

ThresholdWatch::ThresholdWatch(const std::vector<Threshold>& thresholds, std::string signal_name,
                               std::string subject)
    : signal_name_{std::move(signal_name)}, subject_{std::move(subject)} {
    for (const auto& threshold : thresholds) {
        if (threshold.action == Severity::none) {
            continue;
        }
        auto& watched = watched_.emplace_back();
        watched.threshold = threshold;
        if (threshold.sort == Threshold::Sort::burn_rate) {
            watched.window.emplace(std::max(threshold.window, Milliseconds{1}));
            watched.short_window.emplace(std::max(threshold.short_window, Milliseconds{1}));
        } else if (threshold.sort == Threshold::Sort::projected) {
            watched.trend.emplace(std::max(threshold.over, Milliseconds{1}));
        }
    }
}

void ThresholdWatch::usual(Timestamp from, std::optional<double> level) {
    while (!ahead_.empty() && ahead_.back().from >= from) {
        ahead_.pop_back();
    }
    if (level && !std::isfinite(*level)) {
        level.reset();
    }
    if (ahead_.size() < levels_ahead_max) {
        ahead_.push_back({from, level});
    } else {
        ahead_.back().level.reset();
    }
}

/// The usual level becomes that of `at`.
void ThresholdWatch::reach(Timestamp at) {
    while (!ahead_.empty() && ahead_.front().from <= at) {
        usual_ = ahead_.front().level;
        ahead_.pop_front();
    }
}

bool ThresholdWatch::is_usable(const Point& point) const {
    return point.denominator > 0 && std::isfinite(point.denominator) &&
           std::isfinite(point.numerator) && std::isfinite(point.value()) &&
           (!last_ || point.at >= *last_);
}

Milliseconds ThresholdWatch::gap_max() const {
    return std::max<Milliseconds>(gap_steps * step_.value_or(Milliseconds{0}), gap_min);
}

void ThresholdWatch::add(const Point& point) {
    if (!is_usable(point)) {
        return;
    }
    const auto passed = point.at - last_.value_or(point.at);
    if (passed > Milliseconds{0}) {
        step_ = std::min(step_.value_or(passed), passed);
    }
    first_ = first_.value_or(point.at);
    last_ = point.at;
    reach(point.at);
    const auto covered = passed > gap_max() ? Milliseconds{0} : passed;

    const Watched* worst = nullptr;  // of those that hold now
    bool any_beyond = false;
    bool in_doubt = false;
    for (auto& watched : watched_) {
        const auto seen = look(watched, point, covered);
        if (seen == Seen::unknown) {
            in_doubt = in_doubt || watched.involved;
            continue;
        }
        if (seen == Seen::within) {
            watched.since.reset();
            watched.involved = watched.involved && breach_;
            continue;
        }
        any_beyond = true;
        watched.involved = true;
        if (!watched.since || point.at - *watched.last > gap_max()) {
            watched.since = point.at;
        }
        watched.last = point.at;
        const bool holds = point.at - *watched.since >= watched.threshold.duration;
        if (holds && (worst == nullptr || watched.threshold.action > worst->threshold.action)) {
            worst = &watched;
        }
    }
    if (worst != nullptr) {
        tell(*worst, point);
    }
    if (any_beyond) {
        calm_since_.reset();
    } else if (!in_doubt) {
        count_calm(point.at);
    }
}

ThresholdWatch::Seen ThresholdWatch::look(Watched& watched, const Point& point,
                                          Milliseconds covered) const {
    if (watched.threshold.sort == Threshold::Sort::burn_rate) {
        return look_at_burn(watched, point, covered);
    }
    return watched.threshold.sort == Threshold::Sort::projected
               ? look_ahead(watched, point, covered)
               : look_at_level(watched.threshold, point.value());
}

ThresholdWatch::Seen ThresholdWatch::look_at_level(const Threshold& threshold, double value) const {
    double limit = threshold.value;
    if (threshold.sort == Threshold::Sort::relative) {
        if (!usual_) {
            return Seen::unknown;
        }
        limit = relative_limit(threshold, *usual_);
    }
    return is_beyond(threshold.side, value, limit) ? Seen::beyond : Seen::within;
}

ThresholdWatch::Seen ThresholdWatch::look_at_burn(Watched& watched, const Point& point,
                                                  Milliseconds covered) const {
    const auto& threshold = watched.threshold;
    watched.window->add(point, covered);
    watched.short_window->add(point, covered);
    const auto in_all = watched.window->sums();
    const auto in_short = watched.short_window->sums();
    if (in_all.covered < threshold.short_window || 2 * in_short.covered < threshold.short_window) {
        return Seen::unknown;
    }
    const double limit = burn_limit(threshold);
    return share_of(in_all) > limit && share_of(in_short) > limit ? Seen::beyond : Seen::within;
}

ThresholdWatch::Seen ThresholdWatch::look_ahead(Watched& watched, const Point& point,
                                                Milliseconds covered) const {
    const auto& threshold = watched.threshold;
    watched.trend->add(point, covered);
    if (is_beyond(threshold.side, point.value(), threshold.value)) {
        return Seen::beyond;  // known without a line
    }
    const auto line = watched.trend->line();
    if (!line) {
        return Seen::unknown;
    }
    return is_beyond(threshold.side, line->after(threshold.within), threshold.value) ? Seen::beyond
                                                                                     : Seen::within;
}

void ThresholdWatch::tell(const Watched& watched, const Point& point) {
    const auto severity = watched.threshold.action;
    if (breach_ && severity < breach_->severity) {
        return;
    }
    if (!breach_ || severity > breach_->severity) {
        const auto before = breach_ ? took_ : Milliseconds{0};
        took_ = std::max({before, point.at - *watched.since, length_of(watched.threshold)});
    }
    auto told = described(watched, point);
    told.severity = severity;
    told.since = point.at;
    if (breach_) {
        told.since = breach_->since;
        told.window_begin = std::min(told.window_begin, breach_->window_begin);
    }
    breach_ = std::move(told);
}

Breach ThresholdWatch::described(const Watched& watched, const Point& point) const {
    const auto& threshold = watched.threshold;
    if (threshold.sort == Threshold::Sort::burn_rate) {
        return described_burn(watched, point);
    }
    if (threshold.sort == Threshold::Sort::projected) {
        return described_ahead(watched, point);
    }
    if (threshold.sort == Threshold::Sort::hard) {
        return described_level(watched, point, point.value());
    }
    const auto shown = [this](double value) { return in_words(signal_name_, value); };
    const auto lasted = for_words(point.at - *watched.since);
    const auto demanded = for_words(threshold.duration);
    Breach out{.window_begin = *watched.since, .observed = point.value()};
    const double usual = usual_.value_or(0);  // known, or it would not be beyond
    out.limit = relative_limit(threshold, usual);
    const auto off = usual == 0 ? std::string{} : percent(std::abs(out.observed / usual - 1)) + " ";
    out.cause =
        fmt::format("{} is {}, {}{} its usual {}{}; limit {}{}", subject_, shown(out.observed), off,
                    word(threshold.side), shown(usual), lasted, percent(threshold.value), demanded);
    return out;
}

Breach ThresholdWatch::described_level(const Watched& watched, const Point& point,
                                       double level) const {
    const auto& threshold = watched.threshold;
    const auto limit = in_words(signal_name_, threshold.value);
    Breach out{.window_begin = *watched.since, .observed = level, .limit = threshold.value};
    out.cause =
        fmt::format("{} is {} ({} {}{}; limit {}{})", subject_, in_words(signal_name_, level),
                    word(threshold.side), limit, for_words(point.at - *watched.since), limit,
                    for_words(threshold.duration));
    return out;
}

Breach ThresholdWatch::described_ahead(const Watched& watched, const Point& point) const {
    const auto& threshold = watched.threshold;
    if (is_beyond(threshold.side, point.value(), threshold.value)) {
        return described_level(watched, point, point.value());
    }
    const auto line = watched.trend->line().value_or(TrendLine::Line{});  // it is beyond: known
    if (is_beyond(threshold.side, line.level, threshold.value)) {
        return described_level(watched, point, line.level);
    }
    const double days = (threshold.value - line.level) / line.per_day;
    const auto left = std::min(threshold.within, milliseconds_of_days(days));
    const auto limit = in_words(signal_name_, threshold.value);
    const auto known = point.at - *first_;
    Breach out{.observed = line.level, .limit = threshold.value};
    out.window_begin = std::min(*watched.since, point.at - std::min(threshold.over, known));
    out.cause =
        fmt::format("{} reaches {} in about {}: it is at {} and {} by {}; limit {} within {}{}",
                    subject_, limit, roughly_in_words(left), in_words(signal_name_, line.level),
                    line.per_day > 0 ? "grows" : "falls",
                    pace_in_words(signal_name_, std::abs(line.per_day), left), limit,
                    in_words(threshold.within), for_words(threshold.duration));
    return out;
}

Breach ThresholdWatch::described_burn(const Watched& watched, const Point& point) const {
    const auto& threshold = watched.threshold;
    const double bad = share_of(watched.window->sums());
    const auto known = point.at - *first_;
    Breach out{.observed = bad, .limit = burn_limit(threshold)};
    out.window_begin = std::min(*watched.since, point.at - std::min(threshold.window, known));
    out.cause = fmt::format(
        "{} burns its error budget {} times too fast ({} bad in {}, {} in {}; objective {:.6g} %, "
        "limit {})",
        subject_, number(bad / (1 - threshold.objective)), percent(bad),
        in_words(std::min(threshold.window, known)),
        percent(share_of(watched.short_window->sums())), in_words(threshold.short_window),
        100 * threshold.objective, number(threshold.value));
    return out;
}

/// No threshold is beyond at `at`: the breach ends when that has lasted for long enough.
void ThresholdWatch::count_calm(Timestamp at) {
    if (!calm_since_ || at - calm_last_ > gap_max()) {
        calm_since_ = at;  // no data in between is no calm
        calm_points_ = 0;
    }
    calm_last_ = at;
    ++calm_points_;
    if (breach_ && calm_points_ >= calm_points_min && at - *calm_since_ >= took_) {
        breach_.reset();
        ended_at_ = at;
        for (auto& watched : watched_) {
            watched.involved = false;
        }
    }
}

}  // namespace holdfast::rules
