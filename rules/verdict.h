#pragma once
#include <string>
#include <vector>

#include "model/judgement.h"
#include "model/upgrade.h"

namespace holdfast::rules {

/// What an upgrade under watch says, from what its rules say: `rollback` if any regression is one
/// to roll back for; else `blocked` if a required rule has no data; else `proven` if there is at
/// least one required rule, all of them are proven and nothing at all is regressed; else
/// `watching`. `learning` proves nothing.
Verdict verdict_of(const std::vector<Judged>& judgements);

/// What closing still lacks, a line per rule: `p95 latency: 5 h more of the business cycle`.
/// Empty exactly when verdict_of says proven.
std::vector<std::string> missing_proofs(const std::vector<Judged>& judgements);

}  // namespace holdfast::rules
