#include "collectors/logs/severity.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace holdfast::collectors {
namespace {

constexpr std::array<std::pair<std::string_view, Severity>, 15> level_words{{
    {"fatal", Severity::fatal},
    {"panic", Severity::fatal},
    {"emerg", Severity::fatal},
    {"alert", Severity::fatal},
    {"crit", Severity::fatal},
    {"critical", Severity::fatal},
    {"error", Severity::error},
    {"err", Severity::error},
    {"severe", Severity::error},
    {"warn", Severity::warning},
    {"warning", Severity::warning},
    {"notice", Severity::info},
    {"info", Severity::info},
    {"debug", Severity::debug},
    {"trace", Severity::debug},
}};
constexpr std::array<std::string_view, 3> keys{"level", "severity", "lvl"};
constexpr std::size_t word_bytes_min = 3;
constexpr std::size_t word_bytes_max = 8;
constexpr std::size_t value_bytes_max = 32;  // of ` : "critical"`, blanks included

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_word_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}
char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equals(std::string_view word, std::string_view lower_case) {
    return std::equal(word.begin(), word.end(), lower_case.begin(), lower_case.end(),
                      [](char a, char b) { return lower(a) == b; });
}

std::optional<Severity> level_of(std::string_view word) {
    for (const auto& [name, severity] : level_words) {
        if (equals(word, name)) {
            return severity;
        }
    }
    return std::nullopt;
}

bool is_key(std::string_view word) {
    return std::any_of(keys.begin(), keys.end(), [&](auto key) { return equals(word, key); });
}

/// The word at the beginning of `text`.
std::string_view word_of(std::string_view text) {
    const auto* const end = std::find_if_not(text.begin(), text.end(), is_word_char);
    return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

void skip_blanks(std::string_view& text) {
    while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) {
        text.remove_prefix(1);
    }
}

bool skip(std::string_view& text, std::string_view one_of) {
    const bool found = !text.empty() && one_of.find(text[0]) != std::string_view::npos;
    text.remove_prefix(found ? 1 : 0);
    return found;
}

/// bunyan and pino: trace 10, debug 20, info 30, warn 40, error 50, fatal 60, own ones between.
std::optional<Severity> level_of_number(std::string_view digits) {
    int number = 0;
    const auto* const end = digits.data() + digits.size();
    const auto [parsed, error] = std::from_chars(digits.data(), end, number);
    if (error != std::errc{} || parsed != end || number < 10 || number > 60) {
        return std::nullopt;
    }
    constexpr std::array by_tens{Severity::debug,   Severity::debug, Severity::info,
                                 Severity::warning, Severity::error, Severity::fatal};
    return by_tens[static_cast<std::size_t>(number / 10 - 1)];
}

/// The level that a key has as its value; `text` begins behind the key.
std::optional<Severity> value_behind_key(std::string_view text) {
    const bool is_quoted_key = skip(text, "\"'");
    skip_blanks(text);
    if (!skip(text, ":=")) {
        return std::nullopt;
    }
    skip_blanks(text);
    const bool is_quoted_value = skip(text, "\"'");
    const auto word = word_of(text);
    if (is_quoted_key && !is_quoted_value && !word.empty() && is_digit(word[0])) {
        return level_of_number(word);
    }
    return level_of(word);
}

/// Syslog: facility * 8 + severity, 0 emerg to 7 debug.
std::optional<Severity> priority_of(std::string_view line) {
    constexpr int priority_max = 191;
    if (!line.starts_with('<')) {
        return std::nullopt;
    }
    const auto digits = word_of(line.substr(1));
    int priority = 0;
    const auto* const end = digits.data() + digits.size();
    const auto [parsed, error] = std::from_chars(digits.data(), end, priority);
    if (error != std::errc{} || parsed != end || digits.size() > 3 || priority > priority_max ||
        !line.substr(1 + digits.size()).starts_with('>')) {
        return std::nullopt;
    }
    constexpr std::array by_number{Severity::fatal, Severity::fatal,   Severity::fatal,
                                   Severity::error, Severity::warning, Severity::info,
                                   Severity::info,  Severity::debug};
    return by_number[static_cast<std::size_t>(priority % 8)];
}

}  // namespace

Severity severity_of(std::string_view line) {
    auto bare = priority_of(line);
    const auto scanned = std::min(line.size(), severity_scan_bytes);
    for (std::size_t i = 0; i < scanned;) {
        const auto word = word_of(line.substr(i, word_bytes_max + 1 + severity_scan_bytes));
        if (word.empty()) {
            ++i;
            continue;
        }
        const auto end = i + word.size();
        if (end > scanned) {
            break;
        }
        if (word.size() >= word_bytes_min && word.size() <= word_bytes_max) {
            if (is_key(word)) {
                const auto level = value_behind_key(line.substr(end, value_bytes_max));
                if (level) {
                    return *level;
                }
            } else if (!bare) {
                bare = level_of(word);
            }
        }
        i = end;
    }
    return bare.value_or(Severity::unknown);
}

}  // namespace holdfast::collectors
