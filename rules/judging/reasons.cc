#include "rules/judging/reasons.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
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

/// Amounts of one signal for people: shares in points, all else as a share of the usual level.
class Amounts {
public:
    Amounts(std::string_view name, double usual, double effect)
        : name_{name},
          usual_{std::abs(usual)},
          share_{name.ends_with("_ratio")},
          relative_{usual_ > 0 && !share_},
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

std::string of_scatter(const EnsembleSignal& signal, const EnsembleJudged& j) {
    const auto share = [](double ratio) { return in_words("_ratio", ratio); };
    return fmt::format("{} {} than usual, {} ({} to {}) over {}", signal.name,
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
    switch (j.judgement) {
        case Judgement::regressed:
            e.missing = "the end of the regression";
            e.reason = j.detector == "dispersion" || j.detector == "tail" ? of_scatter(signal, j)
                                                                          : of_level(signal, e);
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
            e.reason = fmt::format("{}; proven to be within the margin over the whole cycle",
                                   of_level(signal, e));
            return e;
        case Judgement::watching:
            break;
    }
    e.missing = lacking(j, plan, now);
    e.reason = fmt::format("{}; not yet proven: needs {}", of_level(signal, e), e.missing);
    return e;
}

}  // namespace holdfast::rules
