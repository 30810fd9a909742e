#include "rules/derive.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

namespace holdfast::rules {
namespace {

constexpr std::size_t not_a_signal = static_cast<std::size_t>(-1);

bool selects(const Selector& selector, const Series& series) {
    return selector.metric == series.metric &&
           std::all_of(selector.labels.begin(), selector.labels.end(), [&](const auto& wanted) {
               const auto found = series.labels.find(wanted.first);
               return found != series.labels.end() && found->second == wanted.second;
           });
}

/// Of a histogram's bucket; nothing where the label `le` says no bound.
std::optional<double> upper_bound_of(const Series& series) {
    const auto label = series.labels.find("le");
    if (label == series.labels.end()) {
        return std::nullopt;
    }
    const auto& text = label->second;
    if (text == "+Inf" || text == "Inf") {
        return std::numeric_limits<double>::infinity();
    }
    double bound = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), bound);
    const bool whole = end.ec == std::errc{} && end.ptr == text.data() + text.size();
    return whole && std::isfinite(bound) ? std::optional{bound} : std::nullopt;
}

/// As short as it can be: 0.95.
std::string in_digits(double share) {
    std::array<char, 32> text{};
    const auto end = std::to_chars(text.begin(), text.end(), share).ptr;
    return {text.begin(), end};
}

bool needs_elapsed(const SignalDefinition& definition) {
    return definition.denominator.empty() &&
           std::any_of(definition.numerator.begin(), definition.numerator.end(),
                       [](const Term& term) { return term.use == Term::Use::increase; });
}

}  // namespace

SignalDeriver::SignalDeriver(std::vector<SignalDefinition> definitions, std::size_t signals_max)
    : definitions_{std::move(definitions)},
      configured_{definitions_.size()},
      signals_max_{signals_max} {}

const std::vector<SignalDeriver::Derived>& SignalDeriver::derive(std::string_view source,
                                                                 Timestamp at,
                                                                 const Reading& reading) {
    derived_.clear();
    touched_.clear();
    const auto [last, first_time] = sources_.try_emplace(std::string{source}, at);
    if (!first_time && at <= last->second) {
        return derived_;
    }
    last->second = at;
    for (const auto& sample : reading.samples) {
        if (std::isfinite(sample.value)) {
            add(state_of(sample.series), sample, reading.epoch);
        }
    }
    finish(at);
    return derived_;
}

SignalDeriver::SeriesState& SignalDeriver::state_of(const std::shared_ptr<const Series>& series) {
    const auto [found, created] = series_.try_emplace(series.get());
    if (created) {
        found->second.series = series;
        bind(found->second);
    }
    return found->second;
}

void SignalDeriver::bind(SeriesState& state) {
    for (std::size_t d = 0; d < configured_; ++d) {
        if (!definitions_[d].quantiles.empty()) {
            bind_bucket(state, d);
            continue;
        }
        std::size_t bit = 0;
        std::size_t signal = not_a_signal;
        const auto bind_side = [&](const std::vector<Term>& terms, bool numerator) {
            for (const auto& term : terms) {
                if (selects(term.selector, *state.series)) {
                    if (signal == not_a_signal) {
                        signal = signal_for(d, *state.series);
                    }
                    if (signal != not_a_signal) {
                        state.bindings.push_back({signal, bit, numerator, term.use, term.factor});
                    }
                }
                ++bit;
            }
        };
        bind_side(definitions_[d].numerator, true);
        bind_side(definitions_[d].denominator, false);
    }
    bind_scraped(state);
}

void SignalDeriver::bind_bucket(SeriesState& state, std::size_t definition) {
    const auto& term = definitions_[definition].numerator.front();
    const auto bound = upper_bound_of(*state.series);
    if (!bound || !selects(term.selector, *state.series)) {
        return;
    }
    const auto signal = signal_for(definition, *state.series);
    if (signal == not_a_signal) {
        return;
    }
    if (const auto bucket = signals_[signal].histogram->bucket(*bound)) {
        state.bindings.push_back({signal, *bucket, true, Term::Use::increase, term.factor});
    }
}

/// A series of somebody else's is a signal by itself: a counter as its rate, a gauge as it is.
void SignalDeriver::bind_scraped(SeriesState& state) {
    const auto& series = *state.series;
    if (series.metric.starts_with("holdfast_") || series.metric.ends_with("_bucket")) {
        return;
    }
    const bool counter = series.type == SeriesType::counter;
    auto name = series.metric;
    if (counter) {
        name = (name.ends_with("_total") ? name.substr(0, name.size() - 6) : name) + "_per_second";
    }
    const auto same_name = [&name](const SignalDefinition& d) { return d.name == name; };
    auto definition = std::find_if(definitions_.begin(), definitions_.end(), same_name);
    if (definition == definitions_.end()) {
        if (definitions_.size() >= signals_max_) {
            ++dropped_;
            return;
        }
        const auto use = counter ? Term::Use::increase : Term::Use::value;
        definitions_.push_back({.name = name,
                                .kind = counter ? Kind::rate : Kind::gauge,
                                .worse = Direction::both,
                                .help = "Scraped " + series.metric,
                                .numerator = {{{series.metric, {}}, use, 1}}});
        definition = definitions_.end() - 1;
    } else if (definition - definitions_.begin() < static_cast<std::ptrdiff_t>(configured_)) {
        return;  // the operator has a definition of that name
    }
    const auto signal = signal_for(static_cast<std::size_t>(definition - definitions_.begin()),
                                   {name, series.labels, series.type});
    if (signal != not_a_signal) {
        state.bindings.push_back({signal, 0, true, definition->numerator[0].use, 1});
    }
}

std::size_t SignalDeriver::signal_for(std::size_t definition, const Series& series) {
    SignalId id{definitions_[definition].name, {}};
    if (series.metric == id.name) {
        id.labels = series.labels;  // a scraped series: all of its labels
    }
    for (const auto& label : definitions_[definition].by) {
        if (const auto found = series.labels.find(label); found != series.labels.end()) {
            id.labels.insert(*found);
        }
    }
    const auto& quantiles = definitions_[definition].quantiles;
    if (!quantiles.empty()) {
        id.labels["quantile"] = in_digits(quantiles.front());
    }
    auto key = to_string(id);
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
        return signals_[found->second].definition == definition ? found->second : not_a_signal;
    }
    const auto wanted = std::max<std::size_t>(1, quantiles.size());
    if (signals_.size() + wanted > signals_max_) {
        ++dropped_;
        return not_a_signal;
    }
    const auto terms =
        definitions_[definition].numerator.size() + definitions_[definition].denominator.size();
    by_key_.emplace(std::move(key), signals_.size());
    const auto all_terms = terms >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << terms) - 1;
    const auto first = signals_.size();
    signals_.push_back({.id = id, .definition = definition, .all_terms = all_terms});
    if (!quantiles.empty()) {
        signals_[first].histogram =
            std::make_unique<HistogramWindow>(definitions_[definition].window);
    }
    for (std::size_t k = 1; k < quantiles.size(); ++k) {
        id.labels["quantile"] = in_digits(quantiles[k]);
        signals_.push_back({.id = id, .definition = definition, .all_terms = all_terms});
    }
    return first;
}

void SignalDeriver::add(SeriesState& state, const Sample& sample, std::uint64_t epoch) {
    const double increase = sample.value - state.previous;  // NaN on first sight
    const auto elapsed = sample.at - state.previous_at;
    const bool comparable = increase >= 0 && state.epoch == epoch && elapsed <= max_gap;
    for (const auto& binding : state.bindings) {
        auto& signal = signals_[binding.signal];
        if (signal.seen == 0 && !signal.broken) {
            touched_.push_back(binding.signal);
        }
        if (binding.use == Term::Use::increase && !comparable) {
            signal.broken = true;
            continue;
        }
        const double amount =
            binding.factor * (binding.use == Term::Use::increase ? increase : sample.value);
        if (signal.histogram) {
            signal.histogram->add(binding.term, amount);
            signal.seen = signal.all_terms;
            continue;
        }
        (binding.numerator ? signal.numerator : signal.denominator) += amount;
        signal.seen |= std::uint64_t{1} << std::min<std::size_t>(binding.term, 63);
        if (binding.use == Term::Use::increase) {
            signal.elapsed_seconds = std::chrono::duration<double>(elapsed).count();
        }
    }
    state.previous = sample.value;
    state.previous_at = sample.at;
    state.epoch = epoch;
}

void SignalDeriver::finish(Timestamp at) {
    std::sort(touched_.begin(), touched_.end());
    for (const auto index : touched_) {
        auto& signal = signals_[index];
        const auto& definition = definitions_[signal.definition];
        if (signal.histogram) {
            finish_histogram(index, at);
            continue;
        }
        double denominator = signal.denominator;
        if (definition.denominator.empty()) {
            denominator = needs_elapsed(definition) ? signal.elapsed_seconds : 1;
        }
        if (!signal.broken && signal.seen == signal.all_terms && denominator > 0) {
            derived_.push_back({index, {at, signal.numerator, denominator}});
        }
        signal.seen = 0;
        signal.broken = false;
        signal.numerator = signal.denominator = signal.elapsed_seconds = 0;
    }
}

void SignalDeriver::finish_histogram(std::size_t index, Timestamp at) {
    auto& signal = signals_[index];
    const double observations = signal.histogram->end_reading(at, !signal.broken);
    signal.seen = 0;
    signal.broken = false;
    const auto& quantiles = definitions_[signal.definition].quantiles;
    for (std::size_t k = 0; observations > 0 && k < quantiles.size(); ++k) {
        if (const auto value = signal.histogram->quantile(quantiles[k])) {
            derived_.push_back({index + k, {at, *value * observations, observations}});
        }
    }
}

}  // namespace holdfast::rules
