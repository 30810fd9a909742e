#include "rules/excluded_time.h"

#include <algorithm>
#include <iterator>

namespace holdfast::rules {

ExcludedTime::ExcludedTime(const std::vector<Exclusion>& exclusions) {
    std::vector<Window> sorted;
    sorted.reserve(exclusions.size());
    for (const auto& exclusion : exclusions) {
        if (exclusion.window.begin < exclusion.window.end) {
            sorted.push_back(exclusion.window);
        }
    }
    std::sort(sorted.begin(), sorted.end(),
              [](const Window& a, const Window& b) { return a.begin < b.begin; });
    for (const auto& window : sorted) {
        if (!windows_.empty() && window.begin <= windows_.back().end) {
            windows_.back().end = std::max(windows_.back().end, window.end);
        } else {
            windows_.push_back(window);
        }
    }
}

bool ExcludedTime::contains(Timestamp at) const {
    const auto after = std::upper_bound(windows_.begin(), windows_.end(), at,
                                        [](Timestamp t, const Window& w) { return t < w.begin; });
    return after != windows_.begin() && std::prev(after)->contains(at);
}

Milliseconds ExcludedTime::within(const Window& window) const {
    Milliseconds out{0};
    for (const auto& excluded : windows_) {
        const auto shared =
            std::min(excluded.end, window.end) - std::max(excluded.begin, window.begin);
        out += std::max(shared, Milliseconds{0});
    }
    return out;
}

std::optional<Exclusion> exclusion_of(const Upgrade& upgrade, Timestamp now) {
    if (upgrade.phase == Phase::planned) {
        return std::nullopt;
    }
    const bool taken_back = upgrade.phase == Phase::rolled_back && upgrade.ended_at;
    const auto window_end = upgrade.window_end_at.value_or(upgrade.ended_at.value_or(now));
    const Window window{upgrade.started_at, taken_back ? *upgrade.ended_at : window_end};
    if (window.end <= window.begin) {
        return std::nullopt;  // started without a window
    }
    return Exclusion{window, "upgrade " + upgrade.id};
}

std::vector<Exclusion> exclusions_in(const Window& window,
                                     const std::vector<Exclusion>& exclusions) {
    std::vector<Exclusion> out;
    std::copy_if(exclusions.begin(), exclusions.end(), std::back_inserter(out),
                 [&](const Exclusion& e) {
                     return e.window.begin < e.window.end && e.window.begin < window.end &&
                            window.begin < e.window.end;
                 });
    std::stable_sort(out.begin(), out.end(), [](const Exclusion& a, const Exclusion& b) {
        return a.window.begin < b.window.begin;
    });
    return out;
}

}  // namespace holdfast::rules
