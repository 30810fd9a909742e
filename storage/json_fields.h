#pragma once
#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "model/fields.h"
#include "model/names.h"

namespace holdfast::storage {

template <class T>
concept Named = requires {
    Names<T>::table;
};

/// JSON of a record by its fields (model/fields.h). `Style` decides how the leaves look that have
/// no one form in JSON: `number(double)`, `time(Timestamp)`, `duration(Milliseconds)`. Enums are
/// the design's words, absent optionals are null. A Style may have `beside(object, name, value)`,
/// called after a field of that type is written.
template <class Style, class T>
boost::json::value to_json(const T& value);

namespace detail {

template <class Style>
struct FieldsWriter {
    boost::json::object out;
    template <class T>
    void operator()(const char* name, const T& value) {
        out[name] = to_json<Style>(value);
        if constexpr (requires { Style::beside(out, name, value); }) {
            Style::beside(out, name, value);
        }
    }
};

template <class Style, class T>
boost::json::value optional_json(const std::optional<T>& value) {
    return value ? to_json<Style>(*value) : boost::json::value{};
}

template <class Style, class T>
boost::json::value array_json(const std::vector<T>& values) {
    boost::json::array out;
    out.reserve(values.size());
    for (const auto& value : values) {
        out.push_back(to_json<Style>(value));
    }
    return out;
}

template <class T>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;
template <class T>
constexpr bool is_vector = false;
template <class T>
constexpr bool is_vector<std::vector<T>> = true;

}  // namespace detail

template <class Style, class T>
boost::json::value to_json(const T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
        return boost::json::string(value);
    } else if constexpr (std::is_same_v<T, double>) {
        return Style::number(value);
    } else if constexpr (std::is_same_v<T, bool> || std::is_integral_v<T>) {
        return value;
    } else if constexpr (std::is_same_v<T, Timestamp>) {
        return Style::time(value);
    } else if constexpr (std::is_same_v<T, Milliseconds>) {
        return Style::duration(value);
    } else if constexpr (std::is_same_v<T, std::chrono::seconds>) {
        return value.count();  // time zone offsets
    } else if constexpr (Named<T>) {
        return boost::json::string(name_of(value));
    } else if constexpr (std::is_same_v<T, Labels>) {
        boost::json::object out;
        for (const auto& [name, label] : value) {
            out[name] = label;
        }
        return out;
    } else if constexpr (detail::is_optional<T>) {
        return detail::optional_json<Style>(value);
    } else if constexpr (detail::is_vector<T>) {
        return detail::array_json<Style>(value);
    } else {
        detail::FieldsWriter<Style> writer;
        fields(writer, value);
        return std::move(writer.out);
    }
}

}  // namespace holdfast::storage
