#pragma once
#include <boost/json.hpp>
#include <string>
#include <vector>

namespace holdfast::client {

enum class Format { table, json, yaml };

/// A column of a table: its title and the path of its value, `evidence.effect`.
struct Column {
    const char* title;
    const char* path;
};

/// Text of the value at `path` within `value`; empty when there is none.
std::string text_at(const boost::json::value& value, std::string_view path);

/// `rows` (an array of objects) as an aligned table; columns that are empty throughout are left
/// out.
std::string as_table(const boost::json::value& rows, const std::vector<Column>& columns);
/// Indented JSON, keys in the daemon's order.
std::string as_json(const boost::json::value& value);
/// The same as YAML.
std::string as_yaml(const boost::json::value& value);
/// `value` in `format`; as a table it is `table`.
std::string as_text(Format format, const boost::json::value& value, const std::string& table);

/// Of the judgements of an upgrade, as the API shows them.
std::vector<Column> judgement_columns();

}  // namespace holdfast::client
