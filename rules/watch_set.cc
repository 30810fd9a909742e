#include "rules/watch_set.h"

#include <algorithm>
#include <cmath>

namespace holdfast::rules {
namespace {

constexpr double z_90 = 1.6449;  // 5 % and 95 % quantiles of the normal

bool matches(const Rule& rule, const SignalId& signal) {
    return rule.signal == signal.name &&
           std::all_of(rule.match.begin(), rule.match.end(), [&](const auto& wanted) {
               const auto found = signal.labels.find(wanted.first);
               return found != signal.labels.end() && found->second == wanted.second;
           });
}

}  // namespace

WatchSet::WatchSet(const Upgrade& upgrade, const Baseline& baseline)
    : begin_{*upgrade.window_end_at}, deriver_{upgrade.signals} {
    struct Pair {
        const Rule* rule;
        SignalId signal;
        std::optional<SignalBaseline> baseline;
    };
    std::vector<Pair> pairs;
    for (const auto& rule : upgrade.rules) {
        const auto before = pairs.size();
        for (const auto& known : baseline.signals) {
            if (matches(rule, known.signal)) {
                pairs.push_back({&rule, known.signal, known});
            }
        }
        if (pairs.size() == before && !rule.implicit) {
            pairs.push_back({&rule, {rule.signal, rule.match}, std::nullopt});
        }
    }
    const WatchPlan plan{.begin = begin_,
                         .cycle = upgrade.cycle,
                         .block = baseline.block,
                         .warmup = upgrade.warmup,
                         .offsets = baseline.offsets,
                         .whole_cycles = baseline.whole_cycles,
                         .levels = upgrade.levels,
                         .rules = std::max<std::size_t>(1, pairs.size())};
    watches_.reserve(pairs.size());
    for (auto& pair : pairs) {
        watches_.emplace_back(*pair.rule, std::move(pair.signal), std::move(pair.baseline), plan);
    }
}

void WatchSet::observe(std::string_view source, Timestamp at, const Reading& reading) {
    if (at < begin_) {
        return;  // a row on its way at the window's end: the store's replay will not see it either
    }
    for (const auto& [index, point] : deriver_.derive(source, at, reading)) {
        while (by_signal_.size() <= index) {
            bind(by_signal_.size());
        }
        for (const auto watch : by_signal_[index]) {
            watches_[watch].add(point);
        }
    }
}

void WatchSet::bind(std::size_t signal) {
    auto& bound = by_signal_.emplace_back();
    for (std::size_t i = 0; i < watches_.size(); ++i) {
        if (watches_[i].signal() == deriver_.id(signal)) {
            bound.push_back(i);
        }
    }
}

std::vector<Judged> WatchSet::judged(Timestamp now) const {
    std::vector<Judged> out;
    out.reserve(watches_.size());
    for (const auto& watch : watches_) {
        out.push_back(watch.judged(now));
    }
    return out;
}

void WatchSet::resume(Timestamp at) {
    for (auto& watch : watches_) {
        watch.resume(at);
    }
}

void WatchSet::acknowledge(std::string_view rule, Timestamp at) {
    for (auto& watch : watches_) {
        if (watch.rule().name == rule) {
            watch.acknowledge(at);
        }
    }
}

std::optional<Band> band_at(const SignalBaseline& baseline, const SeasonClock& clock,
                            Timestamp at) {
    const auto slot = clock.slot(at);
    if (!slot) {
        return std::nullopt;
    }
    const auto& season = baseline.seasons[clock.season(baseline.level, *slot)];
    if (season.weight <= 0) {
        return std::nullopt;
    }
    const double half = z_90 * std::sqrt(baseline.variances.front().variance);
    return Band{season.mean - half, season.mean, season.mean + half};
}

}  // namespace holdfast::rules
