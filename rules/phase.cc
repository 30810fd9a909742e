#include "rules/phase.h"

#include <fmt/ranges.h>

#include "model/names.h"
#include "rules/verdict.h"

namespace holdfast::rules {
namespace {

struct Move {
    Phase to;
    const char* name;
    bool from_window;
    bool from_planned;
};

Move move_of(Transition transition) {
    switch (transition) {
        case Transition::window_end:
            return {Phase::watching, "window-end", true, false};
        case Transition::close:
            return {Phase::closed, "close", false, false};
        case Transition::override_close:
            return {Phase::closed, "override", false, false};
        case Transition::cancel:
            return {Phase::cancelled, "cancel", true, true};
        case Transition::roll_back:
            break;
    }
    return {Phase::rolled_back, "rollback", true, false};
}

}  // namespace

Result<Phase> next_phase(const Upgrade& upgrade, Transition transition) {
    const auto move = move_of(transition);
    if (upgrade.phase == move.to) {
        return move.to;
    }
    const bool allowed = upgrade.phase == Phase::watching ||
                         (upgrade.phase == Phase::window && move.from_window) ||
                         (upgrade.phase == Phase::planned && move.from_planned);
    if (!allowed) {
        return failure(Errc::conflict, "{} upgrade {}: it is {}; see 'holdfast upgrade show {}'",
                       move.name, upgrade.id, name_of(upgrade.phase), upgrade.id);
    }
    if (transition == Transition::close && upgrade.verdict != Verdict::proven) {
        return failure(Errc::conflict, "close upgrade {}: not proven; missing: {}", upgrade.id,
                       fmt::join(missing_proofs(upgrade.judgements), "; "));
    }
    return move.to;
}

}  // namespace holdfast::rules
