#include "daemon/exposition.h"

#include <charconv>
#include <cmath>

#include "model/names.h"

namespace holdfast::daemon {
namespace {

void append_number(std::string& out, double value) {
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value > 0 ? "+Inf" : "-Inf";
    } else {
        char text[32];
        out.append(text, std::to_chars(std::begin(text), std::end(text), value).ptr);
    }
}

std::string_view type_name(prometheus::MetricType type) {
    return type == prometheus::MetricType::Counter ? "counter" : "gauge";
}

void append_header(std::string& out, std::string_view name, std::string_view type,
                   std::string_view help) {
    ((out += "# HELP ") += name) += ' ';
    for (const char c : help) {
        if (c == '\\') {
            out += "\\\\";
        } else if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
    ((((out += "\n# TYPE ") += name) += ' ') += type) += '\n';
}

}  // namespace

void TextPage::family(std::string_view name, SeriesType type, std::string_view help) {
    append_header(text_, name, name_of(type), help);
}

void TextPage::value(std::string_view name, const Labels& labels, double value) {
    rendered(to_string(Series{std::string{name}, labels, SeriesType::gauge}), value);
}

void TextPage::rendered(std::string_view name_and_labels, double value) {
    (text_ += name_and_labels) += ' ';
    append_number(text_, value);
    text_ += '\n';
}

void TextPage::family(const prometheus::MetricFamily& family) {
    if (family.metric.empty()) {
        return;
    }
    append_header(text_, family.name, type_name(family.type), family.help);
    for (const auto& metric : family.metric) {
        Labels labels;
        for (const auto& label : metric.label) {
            labels[label.name] = label.value;
        }
        value(family.name, labels,
              family.type == prometheus::MetricType::Counter ? metric.counter.value
                                                             : metric.gauge.value);
    }
}

Labels merged(Labels base, const Labels& more) {
    for (const auto& [name, value] : more) {
        if (!base.try_emplace(name, value).second) {
            base["exported_" + name] = value;
        }
    }
    return base;
}

}  // namespace holdfast::daemon
