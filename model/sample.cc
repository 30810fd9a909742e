#include "model/sample.h"

namespace holdfast {
namespace {

void append_escaped(std::string& out, const std::string& value) {
    for (const char c : value) {
        if (c == '\\' || c == '"') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
}

}  // namespace

std::string to_string(const Series& series) {
    std::string out = series.metric;
    char separator = '{';
    for (const auto& [name, value] : series.labels) {
        out += separator;
        out += name;
        out += "=\"";
        append_escaped(out, value);
        out += '"';
        separator = ',';
    }
    if (separator == ',') {
        out += '}';
    }
    return out;
}

}  // namespace holdfast
