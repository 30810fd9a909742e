#include "rules/seasons.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace holdfast::rules {
namespace {

using std::chrono::duration_cast;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t short_cycle_slots = 6;
constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::int64_t day_ms = 24 * hour_ms;
constexpr std::int64_t since_monday = 3;  // the epoch began on a Thursday
constexpr std::array day_names{"Monday", "Tuesday",  "Wednesday", "Thursday",
                               "Friday", "Saturday", "Sunday"};

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
    const auto q = a / b;
    return q - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}

std::int64_t floor_mod(std::int64_t a, std::int64_t b) {
    return a - floor_div(a, b) * b;
}

}  // namespace

SeasonClock::SeasonClock(Milliseconds cycle, UtcOffsets offsets)
    : cycle_{cycle}, offsets_{std::move(offsets)}, slot_length_{cycle} {
    if (cycle >= hours{24}) {
        days_ = cycle % hours{24} == Milliseconds{0} ? cycle / hours{24} : 0;
        slot_length_ = hours{1};
        slots_ = static_cast<std::size_t>((cycle + hours{1} - Milliseconds{1}) / hours{1});
    } else {
        slots_ = short_cycle_slots;
        slot_length_ = std::max(cycle / static_cast<int>(slots_), Milliseconds{1});
    }
}

std::int64_t SeasonClock::local_ms(Timestamp at) const {
    const auto utc = at.time_since_epoch().count();
    return whole_days()
               ? utc + Milliseconds{offset_at(offsets_, at)}.count() + since_monday * day_ms
               : utc;
}

std::optional<std::size_t> SeasonClock::slot(Timestamp at) const {
    if (whole_days()) {
        for (std::size_t i = 1; i < offsets_.size(); ++i) {
            const auto back = offsets_[i - 1].offset - offsets_[i].offset;
            if (back > seconds{0} && at >= offsets_[i].from - back &&
                at < offsets_[i].from + back) {
                return std::nullopt;
            }
        }
    }
    const auto in_cycle = floor_mod(local_ms(at), cycle_.count());
    return std::min(static_cast<std::size_t>(in_cycle / slot_length_.count()), slots_ - 1);
}

std::vector<bool> SeasonClock::slots_in(const Window& window) const {
    std::vector<bool> seen(slots_, false);
    const auto step = std::max(slot_length_ / 4, Milliseconds{1});
    for (auto at = window.begin; at < window.end; at += step) {
        if (const auto s = slot(at)) {
            seen[*s] = true;
        }
    }
    return seen;
}

std::string SeasonClock::describe_slot(std::size_t slot) const {
    const auto hour = slot % 24;
    if (days_ == 1) {
        return fmt::format("{:02}:00", hour);
    }
    if (days_ == 7) {
        return fmt::format("{} {:02}:00", day_names.at(slot / 24), hour);
    }
    if (whole_days()) {
        return fmt::format("day {} {:02}:00", slot / 24 + 1, hour);
    }
    const auto begin = slot_length_ * static_cast<std::int64_t>(slot);
    if (cycle_ >= hours{2}) {
        return fmt::format("minute {} of the cycle", duration_cast<minutes>(begin).count());
    }
    return fmt::format("second {} of the cycle", duration_cast<seconds>(begin).count());
}

seconds offset_at(const UtcOffsets& offsets, Timestamp at) {
    const auto after =
        std::upper_bound(offsets.begin(), offsets.end(), at,
                         [](Timestamp t, const UtcOffset& change) { return t < change.from; });
    if (offsets.empty()) {
        return seconds{0};
    }
    return after == offsets.begin() ? offsets.front().offset : (after - 1)->offset;
}

Milliseconds cell_length(Milliseconds cycle, Milliseconds step) {
    const auto wanted =
        std::clamp<Milliseconds>(cycle / 60, std::chrono::seconds{1}, std::chrono::minutes{5});
    return std::max(wanted, step);
}

}  // namespace holdfast::rules
