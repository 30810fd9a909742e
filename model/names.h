#pragma once
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "model/judgement.h"
#include "model/signal.h"
#include "model/upgrade.h"

namespace holdfast {

/// The words of the design for each value of an enum: in the API, on disk, in configuration.
/// `names<E>` is the table; both directions are looked up in it.
template <class E>
struct Names;

template <>
struct Names<Kind> {
    static constexpr std::array table{
        std::pair{Kind::gauge, "gauge"},     std::pair{Kind::rate, "rate"},
        std::pair{Kind::ratio, "ratio"},     std::pair{Kind::count, "count"},
        std::pair{Kind::latency, "latency"}, std::pair{Kind::trend, "trend"}};
};
template <>
struct Names<Direction> {
    static constexpr std::array table{std::pair{Direction::up, "up"},
                                      std::pair{Direction::down, "down"},
                                      std::pair{Direction::both, "both"}};
};
template <>
struct Names<Severity> {
    static constexpr std::array table{
        std::pair{Severity::none, "none"}, std::pair{Severity::warn, "warn"},
        std::pair{Severity::page, "page"}, std::pair{Severity::rollback, "rollback"}};
};
template <>
struct Names<Threshold::Side> {
    static constexpr std::array table{std::pair{Threshold::Side::above, "above"},
                                      std::pair{Threshold::Side::below, "below"}};
};
template <>
struct Names<Threshold::Sort> {
    static constexpr std::array table{std::pair{Threshold::Sort::hard, "hard"},
                                      std::pair{Threshold::Sort::relative, "relative"},
                                      std::pair{Threshold::Sort::burn_rate, "burn_rate"},
                                      std::pair{Threshold::Sort::projected, "projected"}};
};
template <>
struct Names<Term::Use> {
    static constexpr std::array table{std::pair{Term::Use::value, "value"},
                                      std::pair{Term::Use::increase, "increase"}};
};
template <>
struct Names<NoData> {
    static constexpr std::array table{std::pair{NoData::blocked, "blocked"},
                                      std::pair{NoData::ignore, "ignore"}};
};
template <>
struct Names<Judgement> {
    static constexpr std::array table{
        std::pair{Judgement::learning, "learning"}, std::pair{Judgement::watching, "watching"},
        std::pair{Judgement::proven, "proven"}, std::pair{Judgement::regressed, "regressed"},
        std::pair{Judgement::no_data, "no_data"}};
};
template <>
struct Names<Verdict> {
    static constexpr std::array table{
        std::pair{Verdict::watching, "watching"}, std::pair{Verdict::proven, "proven"},
        std::pair{Verdict::rollback, "rollback"}, std::pair{Verdict::blocked, "blocked"}};
};
template <>
struct Names<Phase> {
    static constexpr std::array table{
        std::pair{Phase::planned, "planned"},     std::pair{Phase::window, "window"},
        std::pair{Phase::watching, "watching"},   std::pair{Phase::closed, "closed"},
        std::pair{Phase::cancelled, "cancelled"}, std::pair{Phase::rolled_back, "rolled_back"}};
};
template <>
struct Names<SeriesType> {
    static constexpr std::array table{std::pair{SeriesType::gauge, "gauge"},
                                      std::pair{SeriesType::counter, "counter"}};
};

template <class E>
constexpr std::string_view name_of(E value) {
    for (const auto& [candidate, name] : Names<E>::table) {
        if (candidate == value) {
            return name;
        }
    }
    return "unknown";
}

template <class E>
constexpr std::optional<E> from_name(std::string_view text) {
    for (const auto& [value, name] : Names<E>::table) {
        if (name == text) {
            return value;
        }
    }
    return std::nullopt;
}

}  // namespace holdfast
