#pragma once
#include <string>
#include <string_view>

#include "model/result.h"
#include "model/upgrade.h"

namespace holdfast::rules {

/// What is asked of an upgrade's phase.
enum class Transition : std::uint8_t { window_end, close, override_close, cancel, roll_back };

/// The phase after `transition`. Asking again for what has already happened gives the present phase
/// (idempotent). Errc::conflict, with the missing proofs, when closing is asked for before the
/// verdict is proven, or when the phase does not allow it.
Result<Phase> next_phase(const Upgrade& upgrade, Transition transition);

}  // namespace holdfast::rules
