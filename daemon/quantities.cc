#include "daemon/quantities.h"

#include <date/date.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>

namespace holdfast::daemon {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t size;
};
constexpr std::array duration_units{Unit{"w", 604'800'000}, Unit{"d", 86'400'000},
                                    Unit{"h", 3'600'000},   Unit{"m", 60'000},
                                    Unit{"s", 1'000},       Unit{"ms", 1}};
constexpr std::array byte_units{Unit{"", 1}, Unit{"B", 1}, Unit{"KiB", 1LL << 10U},
                                Unit{"MiB", 1LL << 20U}, Unit{"GiB", 1LL << 30U}};
constexpr std::int64_t duration_max = 100LL * 366 * 86'400'000;

}  // namespace

Result<Milliseconds> parse_duration(std::string_view text) {
    const auto bad = [&] {
        return failure(Errc::invalid, "'{}' is no duration; write 30s, 5m, 1h30m or 7d", text);
    };
    std::int64_t total = 0;
    auto rest = text;
    while (!rest.empty()) {
        std::int64_t count = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
        if (error != std::errc{} || count < 0) {
            return bad();
        }
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        const auto letters = std::min(rest.find_first_of("0123456789"), rest.size());
        const auto name = rest.substr(0, letters);
        const auto* const unit = std::find_if(duration_units.begin(), duration_units.end(),
                                              [&](const Unit& u) { return u.name == name; });
        if (unit == duration_units.end() || count > duration_max / unit->size) {
            return bad();
        }
        total += count * unit->size;
        rest.remove_prefix(letters);
    }
    if (text.empty() || total > duration_max) {
        return bad();
    }
    return Milliseconds{total};
}

std::string format_duration(Milliseconds duration) {
    auto rest = duration.count();
    std::string out;
    for (const auto& unit : duration_units) {
        if (unit.name != "w" && rest >= unit.size) {
            out += std::to_string(rest / unit.size);
            out += unit.name;
            rest %= unit.size;
        }
    }
    return out.empty() ? "0s" : out;
}

Result<double> parse_share(std::string_view text) {
    const bool percent = text.ends_with('%');
    auto digits = percent ? text.substr(0, text.size() - 1) : text;
    while (digits.ends_with(' ')) {
        digits.remove_suffix(1);
    }
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size() || !std::isfinite(value)) {
        return failure(Errc::invalid, "'{}' is no number; write 0.02 or 2%", text);
    }
    return percent ? value / 100 : value;
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const std::string_view name{end, static_cast<std::size_t>(text.data() + text.size() - end)};
    const auto* const unit = std::find_if(byte_units.begin(), byte_units.end(),
                                          [&](const Unit& u) { return u.name == name; });
    if (error != std::errc{} || count < 0 || unit == byte_units.end() ||
        count > (1LL << 50U) / unit->size) {
        return failure(Errc::invalid, "'{}' is no size; write 512KiB, 4MiB or 1GiB", text);
    }
    return static_cast<std::uint64_t>(count * unit->size);
}

Result<Timestamp> parse_time(std::string_view text) {
    std::int64_t ms = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
    if (error == std::errc{} && end == text.data() + text.size()) {
        return Timestamp{Milliseconds{ms}};
    }
    for (const auto* const format : {"%FT%TZ", "%FT%T%Ez"}) {
        std::istringstream in{std::string{text}};
        Timestamp at;
        in >> date::parse(format, at);
        if (!in.fail() && in.peek() == std::istringstream::traits_type::eof()) {
            return at;
        }
    }
    return failure(Errc::invalid,
                   "'{}' is no time; write 2026-11-24T09:30:00Z or milliseconds since 1970", text);
}

std::string format_time(Timestamp at) {
    return date::format("%FT%TZ", at);
}

std::string sha256_hex(std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
    std::string out;
    for (unsigned int i = 0; i < length; ++i) {
        out += fmt::format("{:02x}", digest.at(i));
    }
    return out;
}

}  // namespace holdfast::daemon
