#pragma once
#include <string>
#include <vector>

#include "daemon/client/rule_cases.h"
#include "model/result.h"
#include "model/time.h"
#include "rules/judging/ensemble.h"

namespace holdfast::client {

/// An expectation that was not met.
struct Unmet {
    int line = 0;
    std::string expected;  ///< `by 1h: verdict rollback`
    Milliseconds time{};   ///< when it was clear
    Timestamp at{};        ///< the same as an instant
    std::string said;      ///< then, with the reasons
};

/// Runs one test of `cases` through the daemon's own code: learns a baseline, starts an upgrade,
/// ends its window, and lets the rules judge at every evaluation interval and at the times of the
/// expectations. What is unmet, in the order of the file. Deterministic: `for_each` learns.
/// Errors: those of learn_baseline().
Result<std::vector<Unmet>> run_rule_case(const RuleCases& cases, const RuleCase& test,
                                         const rules::ForEach& for_each = rules::one_by_one);

}  // namespace holdfast::client
