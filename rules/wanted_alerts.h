#pragma once
#include <string>
#include <vector>

#include "model/alert.h"
#include "model/upgrade.h"

namespace holdfast::rules {

/// What alerts need to know beside the upgrade.
struct AlertContext {
    std::string external_url;  ///< of the daemon, without a slash at the end
    Labels external_labels;
};

/// The alerts that the state of `upgrade` calls for, starting at `now`; none once it has ended.
/// Labels: alertname, severity, upgrade, target, rule and the signal's own; never a value, so that
/// an alert keeps its identity for life. Ref: docs/operators-guide.md, "Alerts".
std::vector<Alert> wanted_alerts(const Upgrade& upgrade, const AlertContext& context,
                                 Timestamp now);

/// Whether a firing alert that is no longer wanted may be resolved: its upgrade has ended, its
/// verdict has changed, or its regression ended by evidence after it began. Without any of these it
/// keeps firing: a resolve is only sent by evidence or by a person.
bool may_resolve(const Alert& alert, const Upgrade& upgrade);

}  // namespace holdfast::rules
