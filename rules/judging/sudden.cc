#include "rules/judging/sudden.h"

#include <algorithm>
#include <cmath>

namespace holdfast::rules {
namespace {

constexpr double clip = 10;  // sigmas: two blocks of an outage are still far out
constexpr double level_clip = 5;
constexpr double tail_quantile = 0.9;  // 40 watches of 2 h (3.4 days) leave four beyond it
constexpr double tail_prior = 0.25;    // median of real machines: 0.16 to 0.24
constexpr double tail_prior_weight = 30;
constexpr double noise_prior_days = 3;  // weight of "the noise is the same all day"
constexpr std::size_t noise_slots = 12;
constexpr double noise_min = 0.3;
constexpr double sigma_min = 0.002;
constexpr double high_score = 0.5;
constexpr double high_share = 0.7;
constexpr double rounding = 1e-9;
constexpr double least = 0.1;  // of a scale: constants must not divide by zero
constexpr std::size_t starts_max = 500;
constexpr std::size_t history_stages = 8;  // the history must hold a stage so many times

double limited(double v, double limit) {
    return std::isnan(v) ? 0 : std::clamp(v, -limit, limit);
}

/// Noise of blocks relative to all, by time of day counted from the upgrade; for `history` blocks
/// before it and `watch` after.
std::vector<double> noise_by_time(const Values& scores, std::size_t watch, std::size_t day) {
    const auto history = scores.size();
    std::array<double, noise_slots> sum{};
    std::array<double, noise_slots> count{};
    double all = 0;
    double n = 0;
    const auto slot_of = [&](std::size_t i) {
        const auto from_end = (day - (history - i) % day) % day;  // i < history
        return from_end * noise_slots / day;
    };
    for (std::size_t i = 0; i < history; ++i) {
        if (!std::isnan(scores[i])) {
            const double size = std::min(std::abs(scores[i]), level_clip);
            sum[slot_of(i)] += size;
            count[slot_of(i)] += 1;
            all += size;
            n += 1;
        }
    }
    all = all / std::max(n, 1.0) + 1e-9;
    const double prior = noise_prior_days * static_cast<double>(day) / noise_slots;
    std::array<double, noise_slots> own{};
    for (std::size_t s = 0; s < noise_slots; ++s) {
        own[s] = (sum[s] + prior * all) / (count[s] + prior) / all;
    }
    std::vector<double> out;
    out.reserve(history + watch);
    for (std::size_t i = 0; i < history + watch; ++i) {
        const auto s = i < history ? slot_of(i) : (i - history) % day * noise_slots / day;
        const double smooth = 0.5 * own[s] + 0.25 * (own[(s + 1) % noise_slots] +
                                                     own[(s + noise_slots - 1) % noise_slots]);
        out.push_back(std::max(smooth, noise_min));
    }
    return out;
}

}  // namespace

SuddenModel::SuddenModel(const Values& placebo, const Values& before, std::size_t watch_blocks,
                         std::size_t blocks_a_day, double effect_min)
    : effect_min_{effect_min} {
    const auto n = placebo.size();
    if (n < blocks_a_day) {
        return;
    }
    std::vector<std::size_t> ends;
    for (const auto end : stage_ends) {
        if (end <= watch_blocks) {
            ends.push_back(end);
        }
    }
    if (watch_blocks < stage_ends.back() && (ends.empty() || ends.back() != watch_blocks)) {
        ends.push_back(watch_blocks);
    }
    std::erase_if(ends, [n](std::size_t e) { return e < windows[0] || e > n / history_stages; });
    if (ends.empty()) {
        return;
    }
    const auto last = ends.back();
    sigma_ = std::max({robust_scale(placebo), 0.25 * deviation_of(placebo), sigma_min});
    Values z = placebo;
    for (double& v : z) {
        v /= sigma_;
    }
    const auto noise = noise_by_time(z, last, blocks_a_day);
    noise_.assign(noise.end() - static_cast<std::ptrdiff_t>(last), noise.end());
    for (std::size_t i = 0; i < n; ++i) {
        z[i] = limited(z[i] / noise[i], clip);
    }
    double now = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
        now += limited(before[i] / sigma_ / noise[n - before.size() + i], clip);
    }
    level_before_ = std::clamp(now / static_cast<double>(std::max<std::size_t>(1, before.size())),
                               -level_clip, level_clip);
    // Placebo watches, each with the level of its own half hour before.
    const Prefix sums{z};
    std::vector<Values> placebos;
    std::vector<double> levels;
    const auto stride = std::max<std::size_t>(2, n / starts_max);
    for (std::size_t i = local; i + last <= n; i += stride) {
        placebos.emplace_back(z.begin() + static_cast<std::ptrdiff_t>(i),
                              z.begin() + static_cast<std::ptrdiff_t>(i + last));
        levels.push_back(std::clamp(sums.mean(i - local, i), -level_clip, level_clip));
    }
    if (placebos.empty()) {
        return;
    }
    double power = 1e-9;
    for (const double l : levels) {
        power += l * l * (1 + 2 * static_cast<double>(last) / static_cast<double>(n));
    }
    std::size_t begin = 0;
    for (const auto end : ends) {
        double product = 0;
        for (std::size_t k = 0; k < placebos.size(); ++k) {
            double mean = 0;
            for (auto i = begin; i < end; ++i) {
                mean += limited(placebos[k][i], level_clip);
            }
            product += levels[k] * mean / static_cast<double>(end - begin);
        }
        const double share = std::clamp(product / power, 0.0, 1.0);
        for (std::size_t k = 0; k < placebos.size(); ++k) {
            for (auto i = begin; i < end; ++i) {
                placebos[k][i] -= share * levels[k];
            }
        }
        stages_.push_back({.end = end, .local_share = share, .start = {}, .tail = {}});
        begin = end;
    }
    for (const auto w : windows) {
        if (w <= last) {
            lengths_.push_back(w);
        }
    }
    for (std::size_t side = 0; side < 2; ++side) {
        learn_side(placebos, side, n);
    }
}

void SuddenModel::learn_side(const std::vector<Values>& placebos, std::size_t side,
                             std::size_t history) {
    const double sign = side == 0 ? 1 : -1;
    const auto last = stages_.back().end;
    std::vector<Prefix> sums;
    sums.reserve(placebos.size());
    for (const auto& p : placebos) {
        sums.emplace_back(p);
    }
    // Every length alarms equally often: its scale is the quantile of its own placebo maxima.
    std::vector<Values> top(placebos.size(),
                            Values(last, -std::numeric_limits<double>::infinity()));
    for (const auto w : lengths_) {
        Values maxima;
        for (const auto& s : sums) {
            double most = -std::numeric_limits<double>::infinity();
            for (auto k = w; k <= last; ++k) {
                most = std::max(most, sign * s.sum(k - w, k));
            }
            maxima.push_back(most / static_cast<double>(w));
        }
        const double scale = std::max(quantile_of(maxima, tail_quantile), least);
        scales_[side].push_back(scale);
        for (std::size_t p = 0; p < sums.size(); ++p) {
            for (auto k = w; k <= last; ++k) {
                top[p][k - 1] = std::max(
                    top[p][k - 1], sign * sums[p].sum(k - w, k) / static_cast<double>(w) / scale);
            }
        }
    }
    for (auto& stage : stages_) {
        Values maxima;
        for (const auto& t : top) {
            maxima.push_back(
                *std::max_element(t.begin(), t.begin() + static_cast<std::ptrdiff_t>(stage.end)));
        }
        const double u = std::max(quantile_of(maxima, tail_quantile), least);
        double excess = 0;
        double over = 0;
        for (const double m : maxima) {
            if (m > u * (1 + rounding)) {  // overlapping watches share their maxima
                excess += std::log(m / u);
                ++over;
            }
        }
        // Overlapping watches are worth about twice the disjoint ones.
        const double have =
            2 * (1 - tail_quantile) * static_cast<double>(history) / static_cast<double>(stage.end);
        stage.start[side] = u;
        stage.tail[side] =
            ((over > 0 ? have * excess / over : 0) + tail_prior_weight * tail_prior) /
            (have + tail_prior_weight);
    }
}

void SuddenWatch::add(double residual) {
    const auto i = count();
    effect_.add(residual);
    if (i >= model_->last()) {
        return;
    }
    const auto stage = std::find_if(model_->stages_.begin(), model_->stages_.end(),
                                    [i](const auto& s) { return i < s.end; });
    const double z = std::isnan(residual)
                         ? missing
                         : limited(residual / model_->sigma_ / model_->noise_[i], clip) -
                               stage->local_share * model_->level_before_;
    score_.add(z);
    high_.add(std::isnan(z) ? z : z > high_score ? 1 : 0);
    low_.add(std::isnan(z) ? z : z < -high_score ? 1 : 0);
}

Evidence10 SuddenWatch::look(bool up) const {
    Evidence10 out;
    const auto end = count();
    if (end == 0 || end > model_->last()) {
        return out;
    }
    const std::size_t side = up ? 0 : 1;
    const double sign = up ? 1 : -1;
    double most = 0;
    for (std::size_t i = 0; i < model_->lengths_.size() && model_->lengths_[i] <= end; ++i) {
        const auto w = model_->lengths_[i];
        const auto first = end - w;
        const auto n = static_cast<double>(w);
        if (score_.count(first, end) < high_share * n) {
            continue;
        }
        const double effect = sign * effect_.mean(first, end);
        if (!(effect > model_->effect_min_) ||
            (up ? high_ : low_).sum(first, end) < high_share * n - 1e-9) {
            continue;
        }
        const double x = sign * score_.mean(first, end) / model_->scales_[side][i];
        if (x > most) {
            most = x;
            out.effect = effect;
            out.hours = n;
        }
    }
    const auto stage = std::find_if(model_->stages_.begin(), model_->stages_.end(),
                                    [end](const auto& s) { return end <= s.end; });
    const double u = stage->start[side];
    if (most > u) {
        const double surprise =
            -std::log10(1 - tail_quantile) + std::log10(most / u) / stage->tail[side];
        out.evidence =
            std::max(0.0, surprise - std::log10(static_cast<double>(model_->stages_.size())));
        // Where the tail has 2.5 %: what chance alone may add to an effect of this window.
        const double by_chance = u * std::pow((1 - tail_quantile) / 0.025, stage->tail[side]);
        out.half_width = out.effect * std::min(1.0, by_chance / most);
    }
    out.hours /= 12;
    return out;
}

}  // namespace holdfast::rules
