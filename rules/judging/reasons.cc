#include "rules/judging/reasons.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "rules/seasons.h"
#include "rules/words.h"

namespace holdfast::rules {
namespace {

constexpr int cycles_of_patience = 4;

/// The name whose end is the unit: without labels.
std::string_view unit_name(const EnsembleSignal& signal) {
    return std::string_view{signal.name}.substr(0, signal.name.find('{'));
}

/// Amounts of one signal for people: shares in points, all else as a share of the usual level or,
/// of growth, as an amount.
class Amounts {
public:
    enum class Told { as_share, as_amount };
    Amounts(std::string_view name, double usual, double effect, Told told = Told::as_share)
        : name_{name},
          usual_{std::abs(usual)},
          share_{name.ends_with("_ratio")},
          relative_{usual_ > 0 && !share_ && told == Told::as_share},
          most_{std::max(share_ ? 1 : 10 * usual_, 2 * std::abs(effect))} {}

    std::string operator()(double amount) const {
        if (share_) {
            return difference_in_words(name_, amount);
        }
        return relative_ ? in_words("_ratio", amount / usual_) : in_words(name_, amount);
    }

    /// A limit of an interval: far beyond the usual level and the effect it says no more than that.
    std::string limit(double amount) const {
        if (!(std::abs(amount) <= most_) && (most_ > 0 || !std::isfinite(amount))) {
            return fmt::format("{} or {}", (*this)(std::copysign(most_, amount)),
                               amount > 0 ? "more" : "less");
        }
        return (*this)(amount);
    }
    /// What a rule allows: to two digits, since on the scale it is near what is configured.
    std::string allowed(double amount) const {
        const double whole = relative_ ? usual_ : 1;
        const double size = std::abs(amount / whole);
        const double unit = size > 0 ? std::pow(10, std::floor(std::log10(size)) - 1) : 1;
        return (*this)(std::round(size / unit) * unit * whole);
    }

private:
    std::string_view name_;
    double usual_;
    bool share_;
    bool relative_;
    double most_;  ///< that a limit is told as
};

/// `p95_latency_seconds is 31 ms, 31 % (22 % to 41 %) above its usual 24 ms over 25 min; …`. An
/// effect in the good direction is told as such, with its sign turned.
std::string of_level(const EnsembleSignal& signal, const Evidence& e) {
    const auto name = unit_name(signal);
    const Amounts shown{name, e.baseline, e.effect};
    const double turn = e.effect < 0 ? -1 : 1;
    const auto limits = std::minmax({turn * e.effect_lower, turn * e.effect_upper});
    return fmt::format("{} is {}, {} ({} to {}) {} its usual {} over {}; tolerated {}, margin {}",
                       signal.name, in_words(name, e.observed), shown(turn * e.effect),
                       shown.limit(limits.first), shown.limit(limits.second),
                       e.observed < e.baseline ? "below" : "above", in_words(name, e.baseline),
                       in_words(e.window.length()), shown.allowed(e.tolerated),
                       shown.allowed(e.margin));
}

/// `disk_used_bytes grows by 1.5 GiB a day (1.2 GiB to 1.8 GiB) over 7 d, usually by 1 GiB; …`.
std::string of_growth(const EnsembleSignal& signal, const EnsembleJudged& j) {
    const auto name = unit_name(signal);
    const Amounts shown{name, j.usual, j.observed, Amounts::Told::as_amount};
    const double turn = j.observed < 0 ? -1 : 1;
    const auto verb = [&](double value) {
        return (value < 0) == signal.shrinks ? "grows" : "shrinks";
    };
    const double off = j.observed - j.effect;  // what the interval is about
    const auto limits = std::minmax({turn * (off + j.effect_lower), turn * (off + j.effect_upper)});
    // Far within the interval it is the rounding of a scale.
    const bool stands = std::abs(j.observed) < 1e-3 * (limits.second - limits.first);
    const bool turned = j.usual * j.observed < 0;
    return fmt::format(
        "{} {} by {} a day ({} to {}) over {}, usually {}by {}; tolerated {}, "
        "margin {} a day",
        signal.name, verb(j.observed), shown(stands ? 0 : std::abs(j.observed)),
        shown.limit(limits.first), shown.limit(limits.second), in_words(j.window.length()),
        turned ? fmt::format("it {} ", verb(j.usual)) : std::string{}, shown(std::abs(j.usual)),
        shown(j.tolerated), shown(j.margin));
}

std::string of_scatter(const EnsembleSignal& signal, const EnsembleJudged& j) {
    const auto share = [](double ratio) { return in_words("_ratio", ratio); };
    return fmt::format("{}{} {} than usual, {} ({} to {}) over {}",
                       signal.kind == Kind::trend ? "the growth of " : "", signal.name,
                       j.detector == "tail" ? "has more peaks" : "scatters more",
                       share(j.spoken_ratio), share(j.spoken_lower_ratio),
                       share(j.spoken_upper_ratio), in_words(j.window.length()));
}

std::string lacking(const EnsembleJudged& j, const EnsemblePlan& plan, Timestamp now) {
    std::vector<std::string> parts;
    if (!j.data_needed) {
        parts.emplace_back("more evidence: the effect may be as large as the margin");
    } else if (*j.data_needed > cycles_of_patience * plan.cycle) {
        parts.push_back(fmt::format("about {} more data: the noise is large beside the margin",
                                    roughly_in_words(*j.data_needed)));
    } else if (j.data_needed > Milliseconds{0}) {
        parts.push_back(fmt::format("about {} more data", roughly_in_words(*j.data_needed)));
    }
    if (j.covered_at) {
        auto more = fmt::format("{} more of the business cycle", in_words(*j.covered_at - now));
        if (j.slot_missing) {
            more += ", at the least " +
                    SeasonClock{plan.cycle, plan.offsets}.describe_slot(*j.slot_missing);
        }
        parts.push_back(std::move(more));
    }
    if (j.load_seen_ratio < 1) {
        parts.push_back(fmt::format("the usual load: {} of its peak was seen, {} are needed",
                                    in_words("_ratio", 0.9 * j.load_seen_ratio),
                                    in_words("_ratio", 0.9)));
    }
    return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

Evidence evidence_of(const EnsembleSignal& signal, const EnsembleJudged& j,
                     const EnsemblePlan& plan, Timestamp now) {
    const bool regressed = j.judgement == Judgement::regressed;
    const bool worse_below = regressed                         ? !j.up
                             : signal.worse == Direction::both ? j.effect < 0
                                                               : signal.worse == Direction::down;
    Evidence e{.baseline = j.usual,
               .observed = j.observed,
               .effect = worse_below ? -j.effect : j.effect,
               .effect_lower = worse_below ? -j.effect_upper : j.effect_lower,
               .effect_upper = worse_below ? -j.effect_lower : j.effect_upper,
               .tolerated = j.tolerated,
               .margin = j.margin,
               .level = j.level,
               .blocks = j.blocks,
               .effective_blocks = j.effective_blocks,
               .coverage_ratio = j.coverage_ratio,
               .window = j.window};
    if (signal.shrinks) {  // people think of growth, whichever way is judged
        e.baseline = -e.baseline;
        e.observed = -e.observed;
    }
    const auto level = [&] {
        return signal.kind == Kind::trend ? of_growth(signal, j) : of_level(signal, e);
    };
    switch (j.judgement) {
        case Judgement::regressed:
            e.missing = "the end of the regression";
            e.reason = j.detector == "dispersion" || j.detector == "tail" ? of_scatter(signal, j)
                                                                          : level();
            return e;
        case Judgement::learning:
            e.missing = "a baseline that knows it";
            e.reason = fmt::format(
                "{}: nothing to compare with: it was not there before the "
                "upgrade",
                signal.name);
            return e;
        case Judgement::no_data:
            e.missing = "data";
            e.reason = fmt::format("{}: no data since the upgrade", signal.name);
            return e;
        case Judgement::proven:
            e.reason =
                fmt::format("{}; proven to be within the margin over the whole cycle", level());
            return e;
        case Judgement::watching:
            break;
    }
    e.missing = lacking(j, plan, now);
    e.reason = fmt::format("{}; not yet proven: needs {}", level(), e.missing);
    return e;
}

std::string next_limit(const std::vector<Threshold>& thresholds, std::string_view name,
                       double level, double per_day) {
    constexpr double days_max = 3660;
    const Threshold* next = nullptr;
    double days = days_max;
    for (const auto& threshold : thresholds) {
        const bool is_level =
            threshold.sort == Threshold::Sort::hard || threshold.sort == Threshold::Sort::projected;
        const bool above = threshold.side == Threshold::Side::above;
        const bool there = above ? level > threshold.value : level < threshold.value;
        const bool towards = above ? per_day > 0 : per_day < 0;
        const double left = (threshold.value - level) / per_day;
        if (is_level && !there && towards && left < days) {
            next = &threshold;
            days = left;
        }
    }
    if (next == nullptr) {
        return {};
    }
    const Milliseconds left{static_cast<std::int64_t>(days * 86'400'000)};
    return fmt::format("at this pace {} is reached in {}", in_words(name, next->value),
                       roughly_in_words(left));
}

}  // namespace holdfast::rules
