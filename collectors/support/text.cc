#include "collectors/support/text.h"

#include <re2/re2.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace holdfast::collectors {
namespace {

constexpr std::string_view blanks = " \t";
constexpr std::string_view white_space = " \t\r\n";

std::unique_ptr<re2::RE2> compile(const std::string& pattern) {
    return std::make_unique<re2::RE2>(pattern, re2::RE2::Quiet);
}

std::unique_ptr<re2::RE2> compile_checked(const std::string& pattern) {
    if (pattern.empty()) {
        return nullptr;
    }
    auto compiled = compile(pattern);
    if (!compiled->ok()) {
        throw std::invalid_argument("pattern '" + pattern + "': " + compiled->error());
    }
    return compiled;
}

bool matches(const re2::RE2& pattern, std::string_view name) {
    return re2::RE2::PartialMatch(re2::StringPiece(name.data(), name.size()), pattern);
}

}  // namespace

std::string_view next_line(std::string_view& rest) {
    return next_cell(rest, '\n');
}

std::string_view next_field(std::string_view& rest) {
    const auto begin = std::min(rest.find_first_not_of(blanks), rest.size());
    const auto end = std::min(rest.find_first_of(blanks, begin), rest.size());
    const auto field = rest.substr(begin, end - begin);
    rest.remove_prefix(end);
    return field;
}

std::string_view next_cell(std::string_view& rest, char separator) {
    const auto end = rest.find(separator);
    const auto cell = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return cell;
}

std::optional<std::uint64_t> to_unsigned(std::string_view digits) {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    if (digits.empty()) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (value > most / 10 || value * 10 > most - digit) {
            return std::nullopt;
        }
        value = value * 10 + digit;
    }
    return value;
}

std::optional<std::uint64_t> next_unsigned(std::string_view& rest) {
    return to_unsigned(next_field(rest));
}

std::string_view trim(std::string_view text) {
    const auto begin = text.find_first_not_of(white_space);
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(white_space) - begin + 1);
}

bool is_alphanumeric(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

std::string lower_case(std::string_view text) {
    std::string out{text};
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

NameFilter::NameFilter(const std::string& include, const std::string& exclude)
    : include_{compile_checked(include)}, exclude_{compile_checked(exclude)} {}

NameFilter::~NameFilter() = default;
NameFilter::NameFilter(NameFilter&&) noexcept = default;
NameFilter& NameFilter::operator=(NameFilter&&) noexcept = default;

bool NameFilter::keeps(std::string_view name) const {
    return (!include_ || matches(*include_, name)) && !(exclude_ && matches(*exclude_, name));
}

Result<void> check_pattern(const std::string& pattern) {
    const auto compiled = compile(pattern);
    if (!compiled->ok()) {
        return failure(Errc::config, "pattern '{}': {}", pattern, compiled->error());
    }
    return {};
}

}  // namespace holdfast::collectors
