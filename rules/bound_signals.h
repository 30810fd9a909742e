#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "model/baseline.h"
#include "model/cells.h"
#include "model/signal.h"
#include "rules/judging/ensemble.h"

namespace holdfast::rules {

/// One rule with one signal, or a signal that only explains others.
struct BoundSignal {
    std::optional<Rule> rule;                ///< none: it only explains others
    SignalId signal;                         ///< of a rule that found none: as the rule names it
    std::optional<std::size_t> in_baseline;  ///< place there; none: it knows nothing of the signal
    std::optional<std::size_t> in_ensemble;  ///< place there; none: it has no cells
};

/// What rules and a baseline make of each other, and what an ensemble learns of that.
struct BoundSignals {
    std::vector<BoundSignal> bound;       ///< those with a rule first, in the rules' order
    std::vector<EnsembleSignal> signals;  ///< for learn_ensemble(), as are the cells
    std::vector<Cells> cells;  ///< of each of `signals`, from the history; a trend's are its growth
};

/// Every rule with each signal of the baseline that it asks for, then the load that no rule asks
/// for: signals whose definition says so, or that `load` names. A rule that finds no signal is
/// there without one, unless it is implicit: that one has no say. A signal is in the ensemble
/// where the history has its cells; of two rules of one signal each has a place of its own. A
/// trend whose rule has worse down is judged by how fast it shrinks, so that up is worse.
BoundSignals bind_signals(const std::vector<Rule>& rules,
                          const std::vector<SignalDefinition>& definitions,
                          const std::vector<std::string>& load, const Baseline& baseline,
                          const BaselineHistory& history);

}  // namespace holdfast::rules
