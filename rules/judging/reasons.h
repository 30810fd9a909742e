#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "model/judgement.h"
#include "model/signal.h"
#include "rules/judging/ensemble.h"

namespace holdfast::rules {

/// The figures of a judgement as evidence, with its reason and what a proof still lacks in words.
/// Effects are worsenings: positive is worse, whichever way that is for the signal. `now`: end of
/// what was judged.
Evidence evidence_of(const EnsembleSignal& signal, const EnsembleJudged& judged,
                     const EnsemblePlan& plan, Timestamp now);

/// `at this pace 95 % is reached in 9 d`: the first of the levels that `thresholds` name for the
/// quantity `name` that a signal at `level` which grows by `per_day` comes to, within ten years.
/// Empty where there is none, or it is beyond already.
std::string next_limit(const std::vector<Threshold>& thresholds, std::string_view name,
                       double level, double per_day);

}  // namespace holdfast::rules
