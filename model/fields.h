#pragma once
#include <concepts>
#include <type_traits>

#include "model/alert.h"
#include "model/baseline.h"
#include "model/judgement.h"
#include "model/signal.h"
#include "model/upgrade.h"

/// The fields of the records, each named once: `fields(visit, record)` calls `visit(name, member)`
/// for every member. The store's codec and the API's JSON are both visitors of these lists; a name
/// is never reused, and a reader takes a field that is absent as its default.
namespace holdfast {

template <class T, class Record>
concept Like = std::same_as<std::remove_const_t<T>, Record>;

template <class V>
void fields(V& visit, Like<Window> auto& r) {
    visit("begin", r.begin);
    visit("end", r.end);
}
template <class V>
void fields(V& visit, Like<Selector> auto& r) {
    visit("metric", r.metric);
    visit("labels", r.labels);
}
template <class V>
void fields(V& visit, Like<Term> auto& r) {
    visit("selector", r.selector);
    visit("use", r.use);
    visit("factor", r.factor);
}
template <class V>
void fields(V& visit, Like<SignalDefinition> auto& r) {
    visit("name", r.name);
    visit("kind", r.kind);
    visit("worse", r.worse);
    visit("help", r.help);
    visit("numerator", r.numerator);
    visit("denominator", r.denominator);
    visit("by", r.by);
    visit("load", r.load);
    visit("quantiles", r.quantiles);
    visit("window", r.window);
}
template <class V>
void fields(V& visit, Like<SignalId> auto& r) {
    visit("name", r.name);
    visit("labels", r.labels);
}
template <class V>
void fields(V& visit, Like<Allowance> auto& r) {
    visit("relative", r.relative);
    visit("absolute", r.absolute);
}
template <class V>
void fields(V& visit, Like<Threshold> auto& r) {
    visit("side", r.side);
    visit("value", r.value);
    visit("duration", r.duration);
    visit("action", r.action);
    visit("sort", r.sort);
    visit("objective", r.objective);
    visit("window", r.window);
    visit("short_window", r.short_window);
    visit("within", r.within);
    visit("over", r.over);
}
template <class V>
void fields(V& visit, Like<Rule> auto& r) {
    visit("name", r.name);
    visit("signal", r.signal);
    visit("match", r.match);
    visit("worse", r.worse);
    visit("tolerated", r.tolerated);
    visit("margin", r.margin);
    visit("thresholds", r.thresholds);
    visit("required", r.required);
    visit("no_data", r.no_data);
    visit("implicit", r.implicit);
}
template <class V>
void fields(V& visit, Like<Evidence> auto& r) {
    visit("baseline", r.baseline);
    visit("observed", r.observed);
    visit("effect", r.effect);
    visit("effect_lower", r.effect_lower);
    visit("effect_upper", r.effect_upper);
    visit("tolerated", r.tolerated);
    visit("margin", r.margin);
    visit("level", r.level);
    visit("blocks", r.blocks);
    visit("effective_blocks", r.effective_blocks);
    visit("coverage_ratio", r.coverage_ratio);
    visit("window", r.window);
    visit("missing", r.missing);
    visit("reason", r.reason);
}
template <class V>
void fields(V& visit, Like<Judged> auto& r) {
    visit("rule", r.rule);
    visit("signal", r.signal);
    visit("judgement", r.judgement);
    visit("severity", r.severity);
    visit("regressed_since", r.regressed_since);
    visit("recovered_at", r.recovered_at);
    visit("required", r.required);
    visit("no_data", r.no_data);
    visit("evidence", r.evidence);
}
template <class V>
void fields(V& visit, Like<Levels> auto& r) {
    visit("warn", r.warn);
    visit("page", r.page);
    visit("rollback", r.rollback);
    visit("close", r.close);
}
template <class V>
void fields(V& visit, Like<Job> auto& r) {
    visit("name", r.name);
    visit("signal", r.signal);
    visit("match", r.match);
    visit("side", r.side);
    visit("value", r.value);
}
template <class V>
void fields(V& visit, Like<Upgrade> auto& r) {
    visit("id", r.id);
    visit("phase", r.phase);
    visit("verdict", r.verdict);
    visit("target", r.target);
    visit("from", r.from);
    visit("to", r.to);
    visit("revision", r.revision);
    visit("reason", r.reason);
    visit("labels", r.labels);
    visit("started_at", r.started_at);
    visit("window_end_at", r.window_end_at);
    visit("ended_at", r.ended_at);
    visit("cycle", r.cycle);
    visit("timezone", r.timezone);
    visit("warmup", r.warmup);
    visit("lag", r.lag);
    visit("judged_at", r.judged_at);
    visit("resumed_at", r.resumed_at);
    visit("baseline_id", r.baseline_id);
    visit("overridden", r.overridden);
    visit("levels", r.levels);
    visit("rules", r.rules);
    visit("signals", r.signals);
    visit("load", r.load);
    visit("jobs", r.jobs);
    visit("judgements", r.judgements);
    visit("idempotency_key", r.idempotency_key);
    visit("request_digest", r.request_digest);
}
template <class V>
void fields(V& visit, Like<Event> auto& r) {
    visit("sequence", r.sequence);
    visit("at", r.at);
    visit("type", r.type);
    visit("by", r.by);
    visit("text", r.text);
}
template <class V>
void fields(V& visit, Like<UtcOffset> auto& r) {
    visit("from", r.from);
    visit("offset", r.offset);
}
template <class V>
void fields(V& visit, Like<SeasonSummary> auto& r) {
    visit("lower", r.lower);
    visit("middle", r.middle);
    visit("upper", r.upper);
    visit("cells", r.cells);
}
template <class V>
void fields(V& visit, Like<SignalBaseline> auto& r) {
    visit("signal", r.signal);
    visit("kind", r.kind);
    visit("seasons", r.seasons);
    visit("typical", r.typical);
    visit("minimum", r.minimum);
    visit("maximum", r.maximum);
    visit("cells", r.cells);
    visit("step", r.step);
}
template <class V>
void fields(V& visit, Like<Exclusion> auto& r) {
    visit("window", r.window);
    visit("reason", r.reason);
}
template <class V>
void fields(V& visit, Like<Baseline> auto& r) {
    visit("id", r.id);
    visit("taken_at", r.taken_at);
    visit("window", r.window);
    visit("cycle", r.cycle);
    visit("cell", r.cell);
    visit("timezone", r.timezone);
    visit("offsets", r.offsets);
    visit("whole_cycles", r.whole_cycles);
    visit("rows", r.rows);
    visit("note", r.note);
    visit("excluded", r.excluded);
    visit("signals", r.signals);
    visit("history_digest", r.history_digest);
    visit("digest", r.digest);
}
template <class V>
void fields(V& visit, Like<Alert> auto& r) {
    visit("key", r.key);
    visit("upgrade", r.upgrade);
    visit("labels", r.labels);
    visit("annotations", r.annotations);
    visit("generator_url", r.generator_url);
    visit("starts_at", r.starts_at);
    visit("ended_at", r.ended_at);
    visit("delivered", r.delivered);
}

}  // namespace holdfast
