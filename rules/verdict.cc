#include "rules/verdict.h"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::rules {
namespace {

bool ignored(const Judged& judged) {
    return !judged.required ||
           (judged.judgement == Judgement::no_data && judged.no_data == NoData::ignore);
}

/// The rule and its signal; once where they are called alike.
std::string subject(const Judged& judged) {
    const auto signal = to_string(judged.signal);
    return judged.rule == judged.signal.name ? signal : fmt::format("{} ({})", judged.rule, signal);
}

}  // namespace

Verdict verdict_of(const std::vector<Judged>& judgements) {
    const auto any = [&](auto&& wanted) {
        return std::any_of(judgements.begin(), judgements.end(), wanted);
    };
    if (any([](const Judged& j) { return j.severity == Severity::rollback; })) {
        return Verdict::rollback;
    }
    if (any([](const Judged& j) { return j.judgement == Judgement::no_data && !ignored(j); })) {
        return Verdict::blocked;
    }
    return missing_proofs(judgements).empty() ? Verdict::proven : Verdict::watching;
}

std::vector<std::string> missing_proofs(const std::vector<Judged>& judgements) {
    std::vector<std::string> missing;
    bool proven = false;
    for (const auto& j : judgements) {
        if (j.judgement == Judgement::regressed) {
            missing.push_back(fmt::format("{}: regressed: {}", subject(j), j.evidence.reason));
        } else if (!ignored(j) && j.judgement != Judgement::proven) {
            missing.push_back(fmt::format("{}: {}: needs {}", subject(j),
                                          j.judgement == Judgement::no_data    ? "no data"
                                          : j.judgement == Judgement::learning ? "learning"
                                                                               : "not yet proven",
                                          j.evidence.missing));
        }
        proven = proven || (j.required && j.judgement == Judgement::proven);
    }
    if (judgements.empty()) {
        missing.emplace_back("nothing has been judged yet");
    } else if (missing.empty() && !proven) {
        missing.emplace_back("no required rule has proven anything; mark a rule 'required: true'");
    }
    return missing;
}

}  // namespace holdfast::rules
