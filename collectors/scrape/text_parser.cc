#include "collectors/scrape/text_parser.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "collectors/support/utf8.h"

namespace holdfast::collectors {
namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_metric_char(char c) {
    return is_letter(c) || is_digit(c) || c == ':';
}

/// Reads a line from left to right.
class Cursor {
public:
    explicit Cursor(std::string_view line) : line_{line} {}

    std::size_t position() const { return position_; }
    bool at_end() const { return position_ == line_.size(); }
    bool at(char c) const { return !at_end() && line_[position_] == c; }
    std::string_view rest() const { return line_.substr(position_); }
    std::string_view from(std::size_t begin) const {
        return line_.substr(begin, position_ - begin);
    }

    void skip_blanks() {
        while (!at_end() && is_blank(line_[position_])) {
            ++position_;
        }
    }
    bool skip(char c) {
        const bool found = at(c);
        position_ += found ? 1 : 0;
        return found;
    }
    /// Characters up to the next blank.
    std::string_view word() {
        const auto begin = position_;
        while (!at_end() && !is_blank(line_[position_])) {
            ++position_;
        }
        return from(begin);
    }
    /// A name: no digit first; empty when there is none.
    std::string_view name(bool (*is_name_char)(char)) {
        const auto begin = position_;
        if (!at_end() && is_digit(line_[position_])) {
            return {};
        }
        while (!at_end() && is_name_char(line_[position_])) {
            ++position_;
        }
        return from(begin);
    }
    /// What is between the quotes, escapes as written; empty optional without a closing quote.
    std::optional<std::string_view> quoted_text() {
        if (!skip('"')) {
            return std::nullopt;
        }
        const auto begin = position_;
        while (!at_end() && !at('"')) {
            position_ += at('\\') && position_ + 1 < line_.size() ? 2 : 1;
        }
        const auto text = from(begin);
        return skip('"') ? std::optional{text} : std::nullopt;
    }

private:
    std::string_view line_;
    std::size_t position_ = 0;
};

struct RawLabel {
    std::string_view name;
    std::string_view value;  ///< as written
};

bool is_label_char(char c) {
    return is_letter(c) || is_digit(c);
}

/// The next of the labels between braces; empty optional at the closing brace, which is taken.
Result<std::optional<RawLabel>> next_label(Cursor& cursor) {
    cursor.skip_blanks();
    if (cursor.skip('}')) {
        return std::optional<RawLabel>{};
    }
    const auto name = cursor.name(is_label_char);
    if (name.empty()) {
        return failure(Errc::parse, "expected a label name");
    }
    cursor.skip_blanks();
    if (!cursor.skip('=')) {
        return failure(Errc::parse, "expected '=' after label '{}'", name);
    }
    cursor.skip_blanks();
    const auto value = cursor.quoted_text();
    if (!value) {
        return failure(Errc::parse, "expected a quoted value for label '{}'", name);
    }
    cursor.skip_blanks();
    if (!cursor.skip(',') && !cursor.at('}')) {
        return failure(Errc::parse, "expected ',' or '}}' after label '{}'", name);
    }
    return std::optional{RawLabel{name, *value}};
}

std::optional<double> number(std::string_view text) {
    const bool has_sign = !text.empty() && (text[0] == '+' || text[0] == '-');
    const auto digits = text.substr(has_sign ? 1 : 0);
    // from_chars also takes a second sign and nan(…).
    if (digits.empty() || digits[0] == '-' || digits.find('(') != std::string_view::npos) {
        return std::nullopt;
    }
    double value = 0;
    const auto* const end = digits.data() + digits.size();
    const auto [parsed, error] = std::from_chars(digits.data(), end, value);
    if (parsed != end || error == std::errc::invalid_argument) {
        return std::nullopt;
    }
    if (error == std::errc::result_out_of_range) {
        value = std::strtod(std::string{digits}.c_str(), nullptr);  // 0 or infinite
    }
    return text[0] == '-' ? -value : value;
}

FamilyType family_type(std::string_view word) {
    constexpr std::array<std::pair<std::string_view, FamilyType>, 4> types{{
        {"counter", FamilyType::counter},
        {"gauge", FamilyType::gauge},
        {"histogram", FamilyType::histogram},
        {"summary", FamilyType::summary},
    }};
    for (const auto& [name, type] : types) {
        if (name == word) {
            return type;
        }
    }
    // OpenMetrics: their values are states, not counts.
    const bool is_state = word == "info" || word == "stateset" || word == "gaugehistogram";
    return is_state ? FamilyType::gauge : FamilyType::unknown;
}

/// Reads a page line by line.
class PageReader {
public:
    PageReader(const ScrapeLimits& limits, const std::function<bool(std::string_view)>& keep)
        : limits_{limits}, keep_{keep} {}

    Result<ScrapedPage> read(std::string_view page) {
        if (page.size() > limits_.max_bytes) {
            return failure(Errc::parse, "the page has {} bytes, at most {} are taken", page.size(),
                           limits_.max_bytes);
        }
        std::size_t line_number = 0;
        while (!page.empty() && !ended_) {
            const auto length = page.find('\n');
            auto line = page.substr(0, length);
            page.remove_prefix(length == std::string_view::npos ? page.size() : length + 1);
            ++line_number;
            if (line.ends_with('\r')) {
                line.remove_suffix(1);
            }
            const auto why = take(line);
            if (why) {
                return failure(Errc::parse, "line {}: {}: {}", line_number, *why, quoted(line));
            }
        }
        return std::move(page_);
    }

private:
    /// Why the line is bad; empty when it is not.
    using Complaint = std::optional<std::string>;

    Complaint take(std::string_view line) {
        Cursor cursor{line};
        cursor.skip_blanks();
        if (cursor.at_end()) {
            return {};
        }
        return cursor.skip('#') ? take_comment(cursor) : take_sample(cursor);
    }

    Complaint take_comment(Cursor& cursor) {
        cursor.skip_blanks();
        const auto keyword = cursor.word();
        if (keyword == "EOF") {
            ended_ = true;
        }
        if (keyword != "TYPE" && keyword != "HELP") {
            return {};
        }
        cursor.skip_blanks();
        const auto metric = cursor.name(is_metric_char);
        if (metric.empty() || !(cursor.at_end() || cursor.at(' ') || cursor.at('\t'))) {
            return fmt::format("expected a metric name after {}", keyword);
        }
        cursor.skip_blanks();
        if (keyword == "HELP") {
            page_.families[metric].help = cursor.rest();
            return {};
        }
        const auto type = cursor.word();
        if (type.empty()) {
            return "expected a type after the name";
        }
        page_.families[metric].type = family_type(type);
        return {};
    }

    Complaint take_sample(Cursor& cursor) {
        const auto begin = cursor.position();
        const auto metric = cursor.name(is_metric_char);
        if (metric.empty()) {
            return "expected a metric name";
        }
        auto text = metric;
        labels_.clear();
        cursor.skip_blanks();
        if (cursor.skip('{')) {
            auto why = take_labels(cursor);
            if (why) {
                return why;
            }
            text = cursor.from(begin);
        }
        const auto value = take_value(cursor);
        if (!value) {
            return value.error().message();
        }
        if (!is_kept(metric)) {
            return {};
        }
        add({text, metric, *value, series_type(metric, family_of(metric))});
        return {};
    }

    Complaint take_labels(Cursor& cursor) {
        while (true) {
            const auto label = next_label(cursor);
            if (!label) {
                return label.error().message();
            }
            if (!*label) {
                return {};
            }
            for (const auto& earlier : labels_) {
                if (earlier.name == (*label)->name) {
                    return fmt::format("label '{}' comes twice", earlier.name);
                }
            }
            labels_.push_back(**label);
        }
    }

    static Result<double> take_value(Cursor& cursor) {
        cursor.skip_blanks();
        const auto value = number(cursor.word());
        if (!value) {
            return failure(Errc::parse, "expected a number as value");
        }
        cursor.skip_blanks();
        if (!cursor.at_end() && !cursor.at('#') && !number(cursor.word())) {
            return failure(Errc::parse, "expected a time stamp after the value");
        }
        cursor.skip_blanks();
        if (!cursor.at_end() && !cursor.at('#')) {  // # begins an exemplar
            return failure(Errc::parse, "text after the time stamp");
        }
        return *value;
    }

    /// Series of one name mostly come together.
    bool is_kept(std::string_view metric) {
        if (metric != last_metric_) {
            last_metric_ = metric;
            last_is_kept_ = !keep_ || keep_(metric);
        }
        return last_is_kept_;
    }

    /// The type of the family, which has the name itself or the name without its last part.
    FamilyType family_of(std::string_view metric) const {
        if (const auto found = page_.families.find(metric); found != page_.families.end()) {
            return found->second.type;
        }
        const auto stem = metric.substr(0, metric.rfind('_'));
        const auto found = page_.families.find(stem);
        if (found == page_.families.end() || stem == metric) {
            return FamilyType::unknown;
        }
        const auto part = metric.substr(stem.size());
        const bool is_part = part == "_bucket" || part == "_count" || part == "_sum" ||
                             part == "_total" || part == "_created" || part == "_info" ||
                             part == "_gcount" || part == "_gsum";
        return is_part ? found->second.type : FamilyType::unknown;
    }

    void add(const ScrapedSample& sample) {
        for (const auto& label : labels_) {
            if (label.value.size() > limits_.max_label_bytes) {
                ++page_.over_max_label;
                return;
            }
        }
        const auto known = places_.find(sample.text);
        if (known != places_.end()) {
            page_.samples[known->second] = sample;
            ++page_.duplicates;
            return;
        }
        if (page_.samples.size() >= limits_.max_series) {
            ++page_.over_max_series;
            return;
        }
        places_.emplace(sample.text, page_.samples.size());
        page_.samples.push_back(sample);
    }

    const ScrapeLimits& limits_;
    const std::function<bool(std::string_view)>& keep_;
    ScrapedPage page_;
    bool ended_ = false;
    std::vector<RawLabel> labels_;  ///< of the line at hand
    std::unordered_map<std::string_view, std::size_t> places_;
    std::string_view last_metric_;
    bool last_is_kept_ = false;
};

bool ends_in_one_of(std::string_view metric, std::initializer_list<std::string_view> suffixes) {
    for (const auto suffix : suffixes) {
        if (metric.ends_with(suffix)) {
            return true;
        }
    }
    return false;
}

bool is_counter(std::string_view metric, FamilyType family) {
    switch (family) {
        case FamilyType::counter:
            return !metric.ends_with("_created");
        case FamilyType::gauge:
            return false;
        case FamilyType::histogram:
            return ends_in_one_of(metric, {"_bucket", "_count", "_sum"});
        case FamilyType::summary:
            return ends_in_one_of(metric, {"_count", "_sum"});
        case FamilyType::unknown:
            break;
    }
    return metric.ends_with("_total");
}

}  // namespace

Result<ScrapedPage> parse_page(std::string_view page, const ScrapeLimits& limits,
                               const std::function<bool(std::string_view)>& keep) {
    return PageReader{limits, keep}.read(page);
}

Labels labels_of(std::string_view text) {
    Labels labels;
    const auto brace = text.find('{');
    if (brace == std::string_view::npos) {
        return labels;
    }
    Cursor cursor{text.substr(brace + 1)};
    while (true) {
        const auto label = next_label(cursor);
        if (!label || !*label) {
            return labels;
        }
        if (!(*label)->value.empty()) {
            labels.insert_or_assign(std::string{(*label)->name},
                                    to_utf8(unescaped((*label)->value)));
        }
    }
}

SeriesType series_type(std::string_view metric, FamilyType family) {
    return is_counter(metric, family) ? SeriesType::counter : SeriesType::gauge;
}

std::string unescaped(std::string_view text) {
    std::string plain;
    plain.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        const bool is_escape = text[i] == '\\' && (next == '\\' || next == 'n' || next == '"');
        plain += !is_escape ? text[i] : next == 'n' ? '\n' : next;
        i += is_escape ? 1 : 0;
    }
    return plain;
}

std::optional<double> first_value(std::string_view page, std::string_view metric) {
    while (!page.empty()) {
        const auto length = page.find('\n');
        auto line = page.substr(0, length);
        page.remove_prefix(length == std::string_view::npos ? page.size() : length + 1);
        if (!line.starts_with(metric)) {
            continue;
        }
        line.remove_prefix(metric.size());
        const auto brace = line.find_last_of('}');
        if (line.starts_with('{') && brace != std::string_view::npos) {
            line.remove_prefix(brace + 1);
        } else if (line.empty() || !is_blank(line[0])) {
            continue;
        }
        Cursor cursor{line.ends_with('\r') ? line.substr(0, line.size() - 1) : line};
        cursor.skip_blanks();
        return number(cursor.word());
    }
    return std::nullopt;
}

}  // namespace holdfast::collectors
