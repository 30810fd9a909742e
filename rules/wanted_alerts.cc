#include "rules/wanted_alerts.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/names.h"
#include "rules/verdict.h"
#include "rules/words.h"

namespace holdfast::rules {
namespace {

constexpr int overdue_cycles = 2;

class Builder {
public:
    Builder(const Upgrade& upgrade, const AlertContext& context, Timestamp now)
        : upgrade_{upgrade}, context_{context}, now_{now} {}

    void add(const char* alertname, const char* severity, const Labels& more, std::string summary,
             std::string description, const std::string& page = {}) {
        Alert alert{.upgrade = upgrade_.id};
        alert.labels = context_.external_labels;
        for (const auto& [name, value] : more) {
            alert.labels[name] = value;
        }
        alert.labels["alertname"] = alertname;
        alert.labels["severity"] = severity;
        alert.labels["upgrade"] = upgrade_.id;
        alert.labels["target"] = upgrade_.target;
        std::erase_if(alert.labels, [](const auto& label) { return label.second.empty(); });
        alert.key = to_string(Series{alertname, alert.labels});
        const auto url = fmt::format("{}/api/v1/upgrades/{}", context_.external_url, upgrade_.id);
        alert.annotations = {{"summary", std::move(summary)},
                             {"description", std::move(description)},
                             {"from_version", upgrade_.from},
                             {"to_version", upgrade_.to},
                             {"holdfast_url", url}};
        alert.generator_url = url + page;
        alert.starts_at = now_;
        alerts_.push_back(std::move(alert));
    }
    std::vector<Alert> take() { return std::move(alerts_); }

private:
    const Upgrade& upgrade_;
    const AlertContext& context_;
    Timestamp now_;
    std::vector<Alert> alerts_;
};

std::string what(const Upgrade& upgrade) {
    return fmt::format("{} from {} to {}", upgrade.target, upgrade.from, upgrade.to);
}

}  // namespace

std::vector<Alert> wanted_alerts(const Upgrade& upgrade, const AlertContext& context,
                                 Timestamp now) {
    Builder builder{upgrade, context, now};
    if (!upgrade.open()) {
        return builder.take();
    }
    builder.add("HoldfastWatchdog", "none", {},
                fmt::format("holdfast watches the upgrade of {}", what(upgrade)),
                "Fires as long as the upgrade is open. When it stops without the upgrade having "
                "ended, holdfast is not watching any more.");
    if (upgrade.phase != Phase::watching) {
        return builder.take();
    }
    std::string worst;
    for (const auto& j : upgrade.judgements) {
        if (j.judgement != Judgement::regressed) {
            continue;
        }
        auto labels = j.signal.labels;
        labels["rule"] = j.rule;
        builder.add("HoldfastRegression", j.severity == Severity::warn ? "warning" : "critical",
                    labels, j.evidence.reason,
                    fmt::format("Since the upgrade of {} the rule {} is broken at the level '{}'. "
                                "holdfast upgrade show {}",
                                what(upgrade), j.rule, name_of(j.severity), upgrade.id),
                    "/rules/" + j.rule);
        if (j.severity == Severity::rollback && worst.empty()) {
            worst = j.evidence.reason;
        }
    }
    if (upgrade.verdict == Verdict::rollback) {
        builder.add("HoldfastRollbackRecommended", "critical", {},
                    fmt::format("Roll back {}: {}", what(upgrade), worst),
                    fmt::format("The worsening is beyond the margin. When it is done: holdfast "
                                "upgrade rollback {}",
                                upgrade.id));
    }
    if (upgrade.verdict == Verdict::blocked) {
        const auto missing = missing_proofs(upgrade.judgements);
        builder.add("HoldfastUpgradeBlocked", "warning", {},
                    fmt::format("The upgrade of {} cannot be judged: {}", what(upgrade),
                                missing.empty() ? "" : missing.front()),
                    "A required rule has no data. Mend its source; nothing is proven meanwhile.");
    }
    const auto due = *upgrade.window_end_at + overdue_cycles * upgrade.cycle;
    if (now > due && upgrade.verdict != Verdict::proven) {
        builder.add("HoldfastUpgradeOverdue", "warning", {},
                    fmt::format("The upgrade of {} is not proven after {} business cycles",
                                what(upgrade), overdue_cycles),
                    fmt::format("holdfast upgrade show {} says what is missing.", upgrade.id));
    }
    return builder.take();
}

bool may_resolve(const Alert& alert, const Upgrade& upgrade) {
    const auto name = alert.labels.find("alertname");
    if (!upgrade.open() || name == alert.labels.end() || name->second != "HoldfastRegression") {
        return true;
    }
    return std::any_of(upgrade.judgements.begin(), upgrade.judgements.end(), [&](const Judged& j) {
        const auto rule = alert.labels.find("rule");
        const bool same = rule != alert.labels.end() && rule->second == j.rule &&
                          std::includes(alert.labels.begin(), alert.labels.end(),
                                        j.signal.labels.begin(), j.signal.labels.end());
        return same && j.judgement != Judgement::regressed && j.recovered_at &&
               *j.recovered_at >= alert.starts_at;
    });
}

}  // namespace holdfast::rules
