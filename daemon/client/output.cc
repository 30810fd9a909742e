#include "daemon/client/output.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

namespace holdfast::client {
namespace json = boost::json;
namespace {

std::string number_text(double value) {
    return fmt::format("{:.4g}", value);
}

/// A share for people: 0.183 is `18.3 %`.
std::string share_text(double value) {
    return fmt::format("{:.3g} %", 100 * value);
}

std::string scalar_text(const json::value& value) {
    switch (value.kind()) {
        case json::kind::string:
            return std::string(value.get_string());
        case json::kind::bool_:
            return value.get_bool() ? "yes" : "no";
        case json::kind::int64:
            return std::to_string(value.get_int64());
        case json::kind::uint64:
            return std::to_string(value.get_uint64());
        case json::kind::double_:
            return number_text(value.get_double());
        case json::kind::null:
            return {};
        case json::kind::object: {
            std::string out;
            for (const auto& item : value.get_object()) {
                out += fmt::format("{}{}={}", out.empty() ? "" : ",", std::string_view{item.key()},
                                   scalar_text(item.value()));
            }
            return out;
        }
        case json::kind::array:
            break;
    }
    std::string out;
    for (const auto& item : value.get_array()) {
        out += (out.empty() ? "" : ",") + scalar_text(item);
    }
    return out;
}

/// Characters, not bytes: columns line up with µ and → in them.
std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
    }));
}

void write_json(std::string& out, const json::value& value, std::size_t depth) {
    const auto line = [&out](std::size_t d) { out += "\n" + std::string(2 * d, ' '); };
    if (value.is_object() && !value.get_object().empty()) {
        out += '{';
        bool first = true;
        for (const auto& item : value.get_object()) {
            out += std::exchange(first, false) ? "" : ",";
            line(depth + 1);
            out += json::serialize(json::string(item.key())) + ": ";
            write_json(out, item.value(), depth + 1);
        }
        line(depth);
        out += '}';
    } else if (value.is_array() && !value.get_array().empty()) {
        out += '[';
        bool first = true;
        for (const auto& item : value.get_array()) {
            out += std::exchange(first, false) ? "" : ",";
            line(depth + 1);
            write_json(out, item, depth + 1);
        }
        line(depth);
        out += ']';
    } else {
        out += json::serialize(value);
    }
}

void write_yaml(YAML::Emitter& out, const json::value& value) {
    if (value.is_object()) {
        out << YAML::BeginMap;
        for (const auto& item : value.get_object()) {
            out << YAML::Key << std::string(item.key()) << YAML::Value;
            write_yaml(out, item.value());
        }
        out << YAML::EndMap;
    } else if (value.is_array()) {
        out << YAML::BeginSeq;
        for (const auto& item : value.get_array()) {
            write_yaml(out, item);
        }
        out << YAML::EndSeq;
    } else if (value.is_string()) {
        out << YAML::DoubleQuoted << std::string(value.get_string());
    } else if (value.is_null()) {
        out << YAML::Null;
    } else {
        out << json::serialize(value);
    }
}

}  // namespace

std::string text_at(const json::value& value, std::string_view path) {
    const bool share = path.ends_with("_ratio");
    const auto* at = &value;
    while (!path.empty()) {
        const auto dot = std::min(path.find('.'), path.size());
        const auto* object = at->if_object();
        at = object != nullptr ? object->if_contains(path.substr(0, dot)) : nullptr;
        if (at == nullptr) {
            return {};
        }
        path.remove_prefix(std::min(dot + 1, path.size()));
    }
    return share && at->is_number() ? share_text(at->to_number<double>()) : scalar_text(*at);
}

std::string as_table(const json::value& rows, const std::vector<Column>& columns) {
    std::vector<std::vector<std::string>> cells;
    std::vector<std::size_t> widths(columns.size(), 0);
    for (const auto& row : rows.get_array()) {
        auto& line = cells.emplace_back();
        for (std::size_t i = 0; i < columns.size(); ++i) {
            line.push_back(text_at(row, columns[i].path));
            widths[i] = std::max(widths[i], width(line.back()));
        }
    }
    std::string out;
    const auto write = [&](auto&& cell_of) {
        std::string line;
        for (std::size_t i = 0; i < columns.size(); ++i) {
            if (widths[i] > 0) {
                const std::string cell = cell_of(i);
                const auto column_width = std::max(widths[i], width(columns[i].title));
                line += cell + std::string(column_width + 2 - width(cell), ' ');
            }
        }
        out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    };
    if (cells.empty()) {
        return "none\n";
    }
    write([&](std::size_t i) { return std::string{columns[i].title}; });
    for (const auto& line : cells) {
        write([&](std::size_t i) { return line[i]; });
    }
    return out;
}

std::string as_json(const json::value& value) {
    std::string out;
    write_json(out, value, 0);
    return out + "\n";
}

std::string as_yaml(const json::value& value) {
    YAML::Emitter out;
    write_yaml(out, value);
    return std::string{out.c_str()} + "\n";
}

std::string as_text(Format format, const json::value& value, const std::string& table) {
    switch (format) {
        case Format::json:
            return as_json(value);
        case Format::yaml:
            return as_yaml(value);
        case Format::table:
            break;
    }
    return table;
}

std::vector<Column> judgement_columns() {
    return {{"RULE", "rule"},
            {"SIGNAL", "signal.labels"},
            {"JUDGEMENT", "judgement"},
            {"SEVERITY", "severity"},
            {"REQUIRED", "required"},
            {"EFFECT", "evidence.effect_ratio"},
            {"LOWER", "evidence.effect_lower_ratio"},
            {"UPPER", "evidence.effect_upper_ratio"},
            {"MARGIN", "evidence.margin_ratio"},
            {"COVERED", "evidence.coverage_ratio"}};
}

}  // namespace holdfast::client
