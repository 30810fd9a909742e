#include "rules/bound_signals.h"

#include <algorithm>

#include "rules/growth.h"

namespace holdfast::rules {
namespace {

class LoadNames {
public:
    LoadNames(const std::vector<SignalDefinition>& definitions,
              const std::vector<std::string>& others)
        : definitions_{definitions}, others_{others} {}

    bool contain(const SignalId& id) const {
        return std::any_of(definitions_.begin(), definitions_.end(),
                           [&](const auto& d) { return d.load && d.name == id.name; }) ||
               std::find(others_.begin(), others_.end(), id.name) != others_.end();
    }

private:
    const std::vector<SignalDefinition>& definitions_;
    const std::vector<std::string>& others_;
};

std::vector<BoundSignal> bind(const std::vector<Rule>& rules, const LoadNames& load,
                              const std::vector<SignalBaseline>& known) {
    std::vector<BoundSignal> out;
    std::vector<bool> ruled(known.size(), false);
    for (const auto& rule : rules) {
        const auto before = out.size();
        for (std::size_t k = 0; k < known.size(); ++k) {
            if (matches(rule.signal, rule.match, known[k].signal)) {
                out.push_back({rule, known[k].signal, k, std::nullopt});
                ruled[k] = true;
            }
        }
        if (out.size() == before && !rule.implicit) {
            out.push_back({rule, {rule.signal, rule.match}, std::nullopt, std::nullopt});
        }
    }
    for (std::size_t k = 0; k < known.size(); ++k) {
        if (!ruled[k] && load.contain(known[k].signal)) {
            out.push_back({std::nullopt, known[k].signal, k, std::nullopt});
        }
    }
    return out;
}

EnsembleSignal ensemble_signal(const BoundSignal& bound, Kind kind, bool is_load) {
    const auto rule = bound.rule.value_or(Rule{.worse = Direction::both});
    const bool shrinks = kind == Kind::trend && rule.worse == Direction::down;
    return {.name = to_string(bound.signal),
            .kind = kind,
            .worse = shrinks ? Direction::up : rule.worse,
            .is_load = is_load,
            .is_errors = kind == Kind::ratio || kind == Kind::count,
            .required = rule.required,
            .shrinks = shrinks,
            .judged = bound.rule.has_value(),
            .tolerated = rule.tolerated,
            .margin = rule.margin};
}

Cells growth_to_learn(const Cells& levels, Milliseconds cell, Milliseconds cycle, bool shrinks) {
    return without_dips(growth_of(levels, growth_steps(cycle, cell), cell,
                                  shrinks ? Direction::down : Direction::up));
}

}  // namespace

BoundSignals bind_signals(const std::vector<Rule>& rules,
                          const std::vector<SignalDefinition>& definitions,
                          const std::vector<std::string>& load, const Baseline& baseline,
                          const BaselineHistory& history) {
    const LoadNames load_names{definitions, load};
    BoundSignals out{.bound = bind(rules, load_names, baseline.signals)};
    for (auto& bound : out.bound) {
        if (!bound.in_baseline || *bound.in_baseline >= history.signals.size()) {
            continue;
        }
        bound.in_ensemble = out.signals.size();
        out.signals.push_back(ensemble_signal(bound, baseline.signals[*bound.in_baseline].kind,
                                              load_names.contain(bound.signal)));
        const auto& cells = history.signals[*bound.in_baseline];
        out.cells.push_back(
            out.signals.back().kind == Kind::trend
                ? growth_to_learn(cells, history.cell, baseline.cycle, out.signals.back().shrinks)
                : cells);
    }
    return out;
}

}  // namespace holdfast::rules
