#include "rules/judging/rhythm.h"

#include <algorithm>

#include "rules/seasons.h"

namespace holdfast::rules {
namespace {

constexpr std::int64_t monday_ms = std::int64_t{4} * 86'400'000;  // 1970-01-05
constexpr Milliseconds calendar_day = std::chrono::hours{24};

double phase(std::int64_t ms, Milliseconds period) {
    auto rest = ms % period.count();
    rest += rest < 0 ? period.count() : 0;
    return static_cast<double>(rest) / static_cast<double>(period.count());
}

}  // namespace

Rhythm Rhythm::of(Milliseconds cycle, UtcOffsets offsets) {
    return {std::min(cycle, calendar_day), cycle, std::move(offsets)};
}

std::int64_t Rhythm::local_ms(Timestamp at) const {
    if (day != calendar_day) {
        return at.time_since_epoch().count();
    }
    return (at + offset_at(offsets, at)).time_since_epoch().count() - monday_ms;
}

double Rhythm::day_phase(Timestamp at) const {
    return phase(local_ms(at), day);
}
double Rhythm::cycle_phase(Timestamp at) const {
    return phase(local_ms(at), cycle);
}

}  // namespace holdfast::rules
