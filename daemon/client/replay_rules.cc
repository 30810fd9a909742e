#include "daemon/client/replay_rules.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "collectors/scrape/text_parser.h"
#include "daemon/config.h"
#include "rules/history.h"

namespace holdfast::client {
namespace {

using rules::EnsembleJudged;
using rules::EnsembleSignal;

constexpr std::string_view counter = "_total";

/// `name{a="b"}` as the configuration knows it.
SignalId id_of(const std::string& metric) {
    return {metric.substr(0, metric.find('{')), collectors::labels_of(metric)};
}

const SignalDefinition* definition_of(const daemon::Config& config, const std::string& name) {
    const auto found = std::find_if(config.signals.begin(), config.signals.end(),
                                    [&name](const auto& d) { return d.name == name; });
    return found == config.signals.end() ? nullptr : &*found;
}

/// The configuration takes the name of a counter for that of its rate.
std::string name_as_load(std::string name) {
    if (name.ends_with(counter)) {
        name.replace(name.size() - counter.size(), counter.size(), "_per_second");
    }
    return name;
}

/// Tells what the case and the configuration know of a metric.
class Known {
public:
    Known(const ReplayCase& wanted, const daemon::Config& config) : config_{config} {
        for (const auto& metric : wanted.metrics) {
            types_.emplace(metric.name, metric.type);
        }
    }
    bool is_load(const std::string& metric, const std::string& name) const {
        const auto* const definition = definition_of(config_, name);
        const auto& load = config_.upgrades.load;
        return has_type(metric, "traffic") || (definition != nullptr && definition->load) ||
               std::find(load.begin(), load.end(), name_as_load(name)) != load.end();
    }
    bool is_errors(const std::string& metric, const std::string& name) const {
        const auto* const definition = definition_of(config_, name);
        return has_type(metric, "errors") ||
               (definition != nullptr &&
                (definition->kind == Kind::ratio || definition->kind == Kind::count));
    }

private:
    bool has_type(const std::string& metric, std::string_view type) const {
        const auto found = types_.find(metric);
        return found != types_.end() && found->second == type;
    }

    const daemon::Config& config_;
    std::map<std::string, std::string> types_;
};

RuledMetric ruled(const std::string& metric, const SignalId& id, const Known& known,
                  const std::optional<Rule>& rule) {
    RuledMetric out{.metric = metric, .rule = rule};
    out.signal = {.name = metric,
                  .kind = Kind::gauge,  // a recorded share does not say of how many events
                  .worse = rule ? rule->worse : Direction::both,
                  .is_load = known.is_load(metric, id.name),
                  .is_errors = known.is_errors(metric, id.name),
                  .required = rule && rule->required,
                  .judged = rule.has_value()};
    if (rule) {
        out.signal.tolerated = rule->tolerated;
        out.signal.margin = rule->margin;
    }
    return out;
}

double share_of(double observed, std::optional<double> usual) {
    return usual && *usual != 0 ? (observed - *usual) / std::abs(*usual)
                                : std::numeric_limits<double>::quiet_NaN();
}

bool is_beyond(const Job& job, double value) {
    return job.side == Threshold::Side::above ? value > job.value : value < job.value;
}

}  // namespace

Result<std::vector<RuledMetric>> ruled_metrics(const Recording& baseline, const ReplayCase& wanted,
                                               const daemon::Config& config) {
    const Known known{wanted, config};
    std::vector<SignalId> ids;
    for (const auto& series : baseline.series) {
        ids.push_back(id_of(series.metric));
    }
    std::vector<RuledMetric> out;
    std::vector<bool> named(ids.size(), false);
    for (const auto& rule : config.rules) {
        const auto before = out.size();
        for (std::size_t k = 0; k < ids.size(); ++k) {
            if (matches(rule.signal, rule.match, ids[k])) {
                out.push_back(ruled(baseline.series[k].metric, ids[k], known, rule));
                named[k] = true;
            }
        }
        if (out.size() == before && !rule.implicit) {
            const SignalId absent{rule.signal, rule.match};
            out.push_back(ruled(to_string(absent), absent, known, rule));
        }
    }
    if (std::find(named.begin(), named.end(), true) == named.end()) {
        return failure(Errc::invalid,
                       "no rule names a metric of the baseline; a rule's 'signal' is the metric's "
                       "name, its 'match' some of the labels");
    }
    for (std::size_t k = 0; k < ids.size(); ++k) {
        if (!named[k] && known.is_load(baseline.series[k].metric, ids[k].name)) {
            out.push_back(ruled(baseline.series[k].metric, ids[k], known, std::nullopt));
        }
    }
    return out;
}

std::vector<std::string> unseen_jobs(const Recording& after, Timestamp upgrade,
                                     const std::vector<Job>& jobs) {
    std::vector<std::string> out;
    for (const auto& job : jobs) {
        const bool seen =
            std::any_of(after.series.begin(), after.series.end(), [&](const auto& series) {
                return matches(job.signal, job.match, id_of(series.metric)) &&
                       std::any_of(series.samples.begin(), series.samples.end(),
                                   [&](const RecordedSample& sample) {
                                       return sample.at >= upgrade && is_beyond(job, sample.value);
                                   });
            });
        if (!seen) {
            out.push_back(job.name);
        }
    }
    return out;
}

RuleWatch::RuleWatch(const ReplayData& data)
    : data_{data}, clock_{data.plan.cycle, data.plan.offsets}, now_{data.plan.upgrade} {
    for (std::size_t i = 0; i < data.rules.size(); ++i) {
        const auto& rule = data.rules[i];
        if (!rule || rule->thresholds.empty()) {
            continue;
        }
        const auto id = id_of(data.signals[i].name);
        auto summary = rules::summarise(id, Kind::gauge, data.history[i], data.plan.begin,
                                        data.plan.cell, clock_);
        watched_.push_back({i,
                            summary ? std::move(*summary) : SignalBaseline{},
                            {rule->thresholds, id.name, data.signals[i].name},
                            {}});
    }
}

std::vector<std::size_t> RuleWatch::take(std::span<const Cell> cells) {
    now_ += data_.plan.cell;
    std::vector<std::size_t> ended;
    for (auto& watched : watched_) {
        if (take(watched, cells[watched.signal])) {
            ended.push_back(watched.signal);
        }
    }
    return ended;
}

/// True when a breach has ended with this cell.
bool RuleWatch::take(Watched& watched, const Cell& cell) {
    if (cell.denominator <= 0) {
        return false;
    }
    const auto* const season = rules::season_at(watched.baseline, clock_, now_ - data_.plan.cell);
    const auto usual = season != nullptr ? std::optional{season->middle} : std::nullopt;
    auto& thresholds = watched.thresholds;
    const auto ended = thresholds.ended_at();
    thresholds.usual(now_, usual);
    thresholds.add({now_, cell.numerator, cell.denominator});
    if (thresholds.breach()) {
        alert(watched, *thresholds.breach(), usual);
    } else {
        watched.open.clear();
    }
    return thresholds.ended_at() != ended;
}

void RuleWatch::alert(Watched& watched, const rules::Breach& breach, std::optional<double> usual) {
    if (watched.open.empty() || alerts_[watched.open.back()].severity < breach.severity) {
        watched.open.push_back(alerts_.size());
        alerts_.push_back({.signal = watched.signal,
                           .severity = breach.severity,
                           .level = static_cast<std::size_t>(breach.severity) - 1,
                           .at = now_,
                           .until = now_,
                           .detector = "threshold",
                           .up = breach.observed > breach.limit,
                           .effect_ratio = share_of(breach.observed, usual)});
    }
    const double effect = share_of(breach.observed, usual);
    for (const auto index : watched.open) {
        auto& open = alerts_[index];
        open.until = now_;
        if (!(std::abs(effect) <= std::abs(open.effect_ratio)) && !std::isnan(effect)) {
            open.effect_ratio = effect;
        }
    }
}

void RuleWatch::judge(std::vector<EnsembleJudged>& judged,
                      std::vector<std::string>& reasons) const {
    const bool whole_cycle = data_.plan.upgrade - data_.plan.begin >= data_.plan.cycle;
    for (const auto& watched : watched_) {
        auto& j = judged[watched.signal];
        const auto& breach = watched.thresholds.breach();
        if (breach && breach->severity >= j.severity) {
            j.judgement = Judgement::regressed;
            j.severity = breach->severity;
            j.regressed_since = std::min(j.regressed_since.value_or(breach->since), breach->since);
            reasons[watched.signal] = breach->cause;
        }
    }
    for (std::size_t i = 0; i < data_.rules.size(); ++i) {
        auto& j = judged[i];
        if (j.judgement != Judgement::proven && j.judgement != Judgement::watching) {
            continue;
        }
        if (!whole_cycle) {
            j.judgement = Judgement::learning;
            reasons[i] = fmt::format(
                "{}: nothing can be proven; the baseline is shorter than one business cycle",
                data_.signals[i].name);
        } else if (data_.signals[i].required && !data_.unseen_jobs.empty()) {
            j.judgement = Judgement::watching;
            reasons[i] +=
                fmt::format("; not yet seen: a run of {}", fmt::join(data_.unseen_jobs, ", "));
        }
    }
}

std::vector<EnsembleSignal> RuleWatch::demanded(const std::vector<EnsembleJudged>& judged) const {
    auto out = data_.signals;
    for (std::size_t i = 0; i < data_.rules.size(); ++i) {
        const auto& rule = data_.rules[i];
        if (rule && rule->no_data == NoData::ignore && judged[i].judgement == Judgement::no_data) {
            out[i].required = false;
        }
    }
    return out;
}

}  // namespace holdfast::client
