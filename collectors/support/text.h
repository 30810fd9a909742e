#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "model/result.h"

namespace re2 {
class RE2;
}  // namespace re2

namespace holdfast::collectors {

/// Scanners of kernel tables. They eat from the front of `rest` and allocate nothing.

/// The text up to the next '\n', which is eaten too; what is left when there is none.
std::string_view next_line(std::string_view& rest);

/// The next run of characters that are neither space nor tab; empty at the end.
std::string_view next_field(std::string_view& rest);

/// The text up to the next `separator`, which is eaten too: two in a row enclose an empty field.
std::string_view next_cell(std::string_view& rest, char separator);

/// Decimal digits and nothing else; none when empty, when a character is no digit, or when the
/// number does not fit into 64 bits.
std::optional<std::uint64_t> to_unsigned(std::string_view digits);

/// to_unsigned() of the next field.
std::optional<std::uint64_t> next_unsigned(std::string_view& rest);

/// Without spaces, tabs and newlines at both ends.
std::string_view trim(std::string_view text);

/// An ASCII letter or digit.
bool is_alphanumeric(char c);

/// ASCII letters in lower case, all other bytes as they are.
std::string lower_case(std::string_view text);

/// Which names of devices are kept: those that `include` matches, unless `exclude` matches too. An
/// empty pattern is no condition. RE2 syntax, matched anywhere in the name: anchor with ^ and $.
class NameFilter {
public:
    /// Patterns come checked from the configuration: throws std::invalid_argument for a wrong one.
    NameFilter(const std::string& include, const std::string& exclude);
    ~NameFilter();
    NameFilter(NameFilter&&) noexcept;
    NameFilter& operator=(NameFilter&&) noexcept;
    NameFilter(const NameFilter&) = delete;
    NameFilter& operator=(const NameFilter&) = delete;

    bool keeps(std::string_view name) const;

private:
    std::unique_ptr<re2::RE2> include_;  ///< null: all
    std::unique_ptr<re2::RE2> exclude_;  ///< null: none
};

/// Errc::config with RE2's reason when `pattern` is no regular expression that NameFilter takes.
Result<void> check_pattern(const std::string& pattern);

}  // namespace holdfast::collectors
