#pragma once
#include <cstddef>
#include <vector>

#include "rules/judging/numerics.h"

namespace holdfast::rules {

/// Where blocks lie in the cycle.
struct CycleClock {
    std::size_t blocks_per_day = 288;
    std::size_t blocks_per_cycle = 2016;
    std::vector<std::size_t> calendar;  ///< block of the calendar's week (Monday 0:00), by position
    bool has_day_types = true;          ///< the cycle is a week: days 5 and 6 are the weekend

    std::size_t days() const { return blocks_per_cycle / blocks_per_day; }
};

/// Mean of the squares of what is there; 0 of nothing.
double square_mean(const Values& x);

/// Values of W cycles of P positions each.
class Weeks {
public:
    Weeks(const Values& flat, std::size_t positions) : p_{positions} {
        const auto w = flat.size() / positions;
        for (std::size_t i = 0; i < w; ++i) {
            const auto begin = flat.begin() + static_cast<std::ptrdiff_t>(i * positions);
            weeks_.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(positions));
        }
    }
    Weeks(std::size_t weeks, std::size_t positions)
        : p_{positions}, weeks_(weeks, Values(positions, missing)) {}

    std::size_t size() const { return weeks_.size(); }
    std::size_t positions() const { return p_; }
    Values& operator[](std::size_t w) { return weeks_[w]; }
    const Values& operator[](std::size_t w) const { return weeks_[w]; }

    Values window_means(std::size_t h) const {
        Values out;
        for (const auto& w : weeks_) {
            const auto m = block_means(w, h);
            out.insert(out.end(), m.begin(), m.end());
        }
        return out;
    }

private:
    std::size_t p_;
    std::vector<Values> weeks_;
};

/// A number that is none of the weeks.
constexpr std::size_t nobody = static_cast<std::size_t>(-1);

/// Expected value by position, from all weeks but `left_out`: the mean by block of the week,
/// smoothed over half an hour, mixed with that of the day's block on working days or weekends
/// (`mix` 1: the week alone).
Values profile_of(const Weeks& x, std::size_t left_out, double mix, const CycleClock& clock);
/// Expected share of bad events: sums over sums, smoothed over an hour.
Values ratio_profile(const Weeks& bad, const Weeks& all, std::size_t left_out, double mix,
                     const CycleClock& clock);

/// The band around a profile near schedule edges, where a job may start early or late.
struct BandEdges {
    Values lower, upper;
};
BandEdges band_of(const Values& profile, double noise);
/// Distance to the band; within it a value says nothing, and is missing.
double off_band(double value, double lower, double upper);
/// Robust scale of a week about a profile.
double noise_about(const Values& x, const Values& profile);
/// A week less its expectation, schedule edges allowed for.
Values residuals(const Values& x, const Values& profile);

/// Once is an incident, twice is a habit: where one cycle alone stands far off the median cycle for
/// hours (a day of them at most), they are replaced by it.
void scrub(Weeks& x, std::size_t per_hour);

/// Root mean square of the residuals per half hour of the day and type of day, winsorised at eight
/// robust sigma, floored at 0.7 of its median; by position. 1 where nothing is there.
Values scale_of(const std::vector<const Values*>& residual, const CycleClock& clock);

}  // namespace holdfast::rules
