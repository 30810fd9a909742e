#pragma once
#include <optional>
#include <vector>

#include "model/baseline.h"
#include "model/time.h"
#include "model/upgrade.h"

namespace holdfast::rules {

/// The time that exclusions cover together, whatever their order and overlap.
class ExcludedTime {
public:
    explicit ExcludedTime(const std::vector<Exclusion>& exclusions);

    bool contains(Timestamp at) const;
    /// How much of `window` is excluded.
    Milliseconds within(const Window& window) const;

private:
    std::vector<Window> windows_;  ///< by time, apart from each other
};

/// The time of another upgrade that is no usual behaviour: its window, and its watch too where it
/// was rolled back. `now` ends a window that is still open. Nothing where there is no such time.
std::optional<Exclusion> exclusion_of(const Upgrade& upgrade, Timestamp now);

/// Those of `exclusions` that share time with `window`, by their begin; those that begin together
/// stay in their order.
std::vector<Exclusion> exclusions_in(const Window& window,
                                     const std::vector<Exclusion>& exclusions);

}  // namespace holdfast::rules
