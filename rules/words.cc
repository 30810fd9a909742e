#include "rules/words.h"

#include <date/date.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace holdfast::rules {
namespace {

std::string number(double value) {
    const double size = std::abs(value);
    if (size >= 100) {
        return fmt::format("{:.0f}", value);
    }
    return size >= 10 ? fmt::format("{:.1f}", value) : fmt::format("{:.3g}", value);
}

std::string seconds_in_words(double value) {
    const double size = std::abs(value);
    if (size >= 1 || size == 0) {
        return number(value) + " s";
    }
    return size >= 1e-3 ? number(value * 1e3) + " ms" : number(value * 1e6) + " µs";
}

std::string bytes_in_words(double value) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    for (; std::abs(value) >= 1024 && unit + 1 < units.size(); ++unit) {
        value /= 1024;
    }
    return number(value) + " " + units.at(unit);
}

}  // namespace

std::string in_words(std::string_view name, double value) {
    if (name.ends_with("_per_second")) {
        name.remove_suffix(std::string_view{"_per_second"}.size());
        return (name.ends_with("_bytes") ? bytes_in_words(value) : number(value)) + "/s";
    }
    if (name.ends_with("_ratio")) {
        return number(value * 100) + " %";
    }
    if (name.ends_with("_seconds")) {
        return seconds_in_words(value);
    }
    return name.ends_with("_bytes") ? bytes_in_words(value) : number(value);
}

std::string in_words(Milliseconds duration) {
    struct Unit {
        std::int64_t ms;
        const char* name;
    };
    constexpr std::array units{Unit{86'400'000, "d"}, Unit{3'600'000, "h"}, Unit{60'000, "min"},
                               Unit{1'000, "s"}, Unit{1, "ms"}};
    std::string out;
    auto rest = duration.count();
    int parts = 0;
    for (const auto& unit : units) {
        const bool below_seconds = unit.ms == 1 && duration.count() >= 1'000;
        if (rest >= unit.ms && parts < 2 && !below_seconds) {
            out += fmt::format("{}{} {}", out.empty() ? "" : " ", rest / unit.ms, unit.name);
            rest %= unit.ms;
            ++parts;
        } else if (parts > 0) {
            break;  // two units side by side, or one
        }
    }
    return out.empty() ? "0 s" : out;
}

std::string roughly_in_words(Milliseconds duration) {
    using std::chrono::hours;
    using std::chrono::minutes;
    const Milliseconds unit = duration > hours{48}    ? hours{24}
                              : duration > hours{2}   ? hours{1}
                              : duration > minutes{2} ? Milliseconds{minutes{1}}
                                                      : std::chrono::seconds{1};
    return in_words(std::max<Milliseconds>(unit, (duration + unit / 2) / unit * unit));
}

std::string difference_in_words(std::string_view name, double value) {
    if (!name.ends_with("_ratio")) {
        return in_words(name, value);
    }
    const double points = 100 * value;
    return (std::abs(points) >= 100 ? fmt::format("{:.0f}", points)
                                    : fmt::format("{:.3g}", points)) +
           " points";
}

std::string pace_in_words(std::string_view name, double per_day, Milliseconds left) {
    return left < std::chrono::hours{6} ? difference_in_words(name, per_day / 24) + " an hour"
                                        : difference_in_words(name, per_day) + " a day";
}

std::string in_words(Timestamp at) {
    const auto whole = date::floor<std::chrono::seconds>(at);
    return at == whole ? date::format("%FT%TZ", whole) : date::format("%FT%TZ", at);
}

}  // namespace holdfast::rules
