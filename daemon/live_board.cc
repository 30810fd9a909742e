#include "daemon/live_board.h"

#include <algorithm>

namespace holdfast::daemon {

LiveBoard::LiveBoard(const std::vector<collectors::MetricInfo>& metrics) {
    for (const auto& metric : metrics) {
        families_[std::string{metric.name}] = {metric.type, std::string{metric.help}, {}};
    }
}

void LiveBoard::observe(const Reading& reading) {
    for (const auto& sample : reading.samples) {
        const auto [found, created] = places_.try_emplace(sample.series.get());
        if (created) {
            const auto family = families_.find(sample.series->metric);
            if (family == families_.end()) {
                places_.erase(found);
                continue;
            }
            found->second = {&family->second, line_for(family->second, sample.series)};
        }
        auto& line = found->second.family->lines[found->second.line];
        line.value = sample.value;
        line.at = sample.at;
    }
}

/// The line of `series`: that of another object of the same identity (a collector made anew by a
/// reload) is taken over, so that no series is shown twice.
std::size_t LiveBoard::line_for(Family& family, const std::shared_ptr<const Series>& series) {
    auto rendered = to_string(*series);
    for (std::size_t i = 0; i < family.lines.size(); ++i) {
        if (family.lines[i].rendered == rendered) {
            places_.erase(family.lines[i].series.get());
            family.lines[i].series = series;
            return i;
        }
    }
    family.lines.push_back({series, std::move(rendered), 0, {}});
    return family.lines.size() - 1;
}

void LiveBoard::write(TextPage& page, Timestamp now) {
    for (auto& [name, family] : families_) {
        const auto stale = [now](const Line& line) { return line.at + stale_after < now; };
        if (std::any_of(family.lines.begin(), family.lines.end(), stale)) {
            for (const auto& line : family.lines) {
                places_.erase(line.series.get());
            }
            std::erase_if(family.lines, stale);
            for (std::size_t i = 0; i < family.lines.size(); ++i) {
                places_[family.lines[i].series.get()] = {&family, i};
            }
        }
        if (!family.lines.empty()) {
            page.family(name, family.type, family.help);
            for (const auto& line : family.lines) {
                page.rendered(line.rendered, line.value);
            }
        }
    }
}

}  // namespace holdfast::daemon
