#pragma once
#include <string>

#include "model/judgement.h"
#include "rules/judging/ensemble.h"

namespace holdfast::rules {

/// The figures of a judgement as evidence, with its reason and what a proof still lacks in words.
/// Effects are worsenings: positive is worse, whichever way that is for the signal. `now`: end of
/// what was judged.
Evidence evidence_of(const EnsembleSignal& signal, const EnsembleJudged& judged,
                     const EnsemblePlan& plan, Timestamp now);

}  // namespace holdfast::rules
