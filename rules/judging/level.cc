#include "rules/judging/level.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "rules/boundary.h"

namespace holdfast::rules {
namespace {

constexpr std::array<double, 8> window_hours{1, 2, 4, 8, 12, 24, 48, 72};
constexpr std::size_t blocks_min = 3;
constexpr double clip_min = 5;  // sigmas: one wild block must not carry a window
constexpr double clip_max = 10;
constexpr double clip_slow = 10;         // a signal ruled by slow noise must still be able to page
constexpr double slow_noise = 0.03;      // prior of the level's deviation from day to day (log)
constexpr double slow_weight = 2;        // of it, in days
constexpr double prior_windows = 4;      // weight of V(h)'s expected shape
constexpr double prior_exponent = 0.35;  // V falls like h^-0.46 on real servers; a little careful
constexpr double freedom_max = 30;       // finite baselines do not prove normal tails
constexpr double sigma_min = 0.01;
constexpr double z_95 = 1.96;  // two-sided
constexpr double high_share = 0.7;
constexpr double still_share = 0.5;
constexpr double present_share = 0.7;

double score_of(double residual, double sigma, double shift, double clip) {
    return std::isnan(residual) ? residual : std::clamp((residual - shift) / sigma, -clip, clip);
}

/// Mean of squares of the means of windows of `blocks`, a quarter apart.
double window_square(const Prefix& scores, std::size_t blocks) {
    double sum = 0;
    double count = 0;
    const auto stride = std::max<std::size_t>(1, blocks / 4);
    for (std::size_t i = 0; i + blocks <= scores.size(); i += stride) {
        if (scores.count(i, i + blocks) >= present_share * static_cast<double>(blocks)) {
            const double mean = scores.mean(i, i + blocks);
            sum += mean * mean;
            ++count;
        }
    }
    return count > 0 ? sum / count : missing;
}

}  // namespace

LevelModel::LevelModel(const ExpectationLearner::Learnt& learnt, const Grid& history,
                       std::size_t watch_blocks, const Rhythm& rhythm, LevelSettings settings)
    : settings_{settings} {
    const auto& placebo = learnt.left_out;
    sigma_ = std::max({robust_scale(placebo), 0.25 * deviation_of(placebo), sigma_min});
    load_variance_ = learnt.expectation.load_variance;
    const double block_hours = rhythm.hours(history.step);
    look_blocks_ = std::max<std::size_t>(
        1, static_cast<std::size_t>(std::llround(settings_.look_hours / block_hours)));
    const double watch_hours = block_hours * static_cast<double>(watch_blocks);
    std::set<std::size_t> blocks;
    for (const double h : window_hours) {
        if (settings_.hours_min <= h && h <= watch_hours + 0.01) {
            const auto n =
                std::max(blocks_min, static_cast<std::size_t>(std::llround(h / block_hours)));
            if (n <= watch_blocks) {
                blocks.insert(n);
            }
        }
    }
    Values z = placebo;
    for (double& v : z) {
        v = score_of(v, sigma_, 0, clip_min);
    }
    const double days = rhythm.hours(history.step) * static_cast<double>(history.size) / 24;
    const double slow = rhythm.has_days()
                            ? std::pow(slow_noise / sigma_, 2) * slow_weight / (days + slow_weight)
                            : 0;
    const Prefix scores{z};
    const double there = scores.count(0, scores.size());
    for (const auto n : blocks) {
        const auto length = static_cast<double>(n);
        const double windows = there >= 2 * length ? there / length : 0;
        const double own = windows > 0 ? window_square(scores, n) : missing;
        Length out{.blocks = n, .hours = length * block_hours};
        if (lengths_.empty()) {
            out.variance = std::isnan(own) ? std::pow(deviation_of(z), 2) + 1e-6 : own;
            out.freedom = std::max(windows - 1, 2.0);
        } else {
            const auto& before = lengths_.back();
            const double ratio = static_cast<double>(before.blocks) / length;
            if (std::isnan(own)) {  // never seen: as uncertain as the longest window that was
                out.variance = before.variance;
                out.freedom = std::min(prior_windows, before.freedom);
            } else {
                const double prior = before.variance * std::pow(ratio, prior_exponent);
                out.variance =
                    std::max((windows * own + prior_windows * prior) / (windows + prior_windows),
                             before.variance * ratio);
                out.freedom = windows + std::min(prior_windows, before.freedom);
            }
        }
        out.temper = rhythm.has_days() ? out.hours / (out.hours + settings_.temper_hours) : 1;
        lengths_.push_back(out);
    }
    for (auto& l : lengths_) {
        l.freedom = std::min(l.freedom, freedom_max);
        l.variance = l.variance * learnt.expectation.growth + slow + 1e-12;
        clip_ = std::clamp(clip_slow * std::sqrt(l.variance), clip_min, clip_max);
        l.looks = std::log10(std::max(
                      1.0, static_cast<double>(watch_blocks) / static_cast<double>(l.blocks))) +
                  std::log10(static_cast<double>(lengths_.size()));
    }
}

double LevelModel::variance_at(double blocks) const {
    if (lengths_.empty()) {
        return 1;
    }
    const auto after = std::find_if(lengths_.begin(), lengths_.end(), [blocks](const Length& l) {
        return static_cast<double>(l.blocks) >= blocks;
    });
    if (after == lengths_.begin()) {  // shorter than measured: as if blocks were independent
        return after->variance * static_cast<double>(after->blocks) / std::max(blocks, 1.0);
    }
    const auto& before = *(after - 1);
    const double ratio = blocks / static_cast<double>(before.blocks);
    if (after == lengths_.end()) {
        return before.variance * std::pow(ratio, -prior_exponent);
    }
    const double share = std::log(ratio) / std::log(static_cast<double>(after->blocks) /
                                                    static_cast<double>(before.blocks));
    return std::exp((1 - share) * std::log(before.variance) + share * std::log(after->variance));
}

double LevelModel::freedom_at(double blocks) const {
    double freedom = prior_windows;
    for (const auto& l : lengths_) {
        freedom = l.freedom;
        if (static_cast<double>(l.blocks) >= blocks) {
            break;
        }
    }
    return std::max(freedom, 1.0);
}

void LevelWatch::add(double residual, double lever) {
    const double sigma = model_->sigma();
    const double shift = model_->settings().tolerated;
    for (const bool up : {true, false}) {
        auto& side = up ? up_ : down_;
        const double z = score_of(up ? residual : -residual, sigma, shift, model_->clip());
        side.score.add(z);
        side.high.add(std::isnan(z) ? z : z > 0 ? 1 : 0);
        const double margin = model_->settings().margin;
        side.margin.add(score_of(up ? residual : -residual, sigma, margin,
                                 proof_clip(model_->clip(), margin / sigma)));
    }
    effect_.add(residual);
    lever_.add(std::isnan(residual) ? missing : lever);
}

Evidence10 LevelWatch::look(bool up) const {
    Evidence10 best;
    const auto& side = up ? up_ : down_;
    const auto end = count();
    const double sigma = model_->sigma();
    for (const auto& l : model_->lengths()) {
        if (l.blocks > end) {
            break;
        }
        const auto first = end - l.blocks;
        const auto n = static_cast<double>(l.blocks);
        if (side.score.count(first, end) < present_share * n) {
            continue;
        }
        const double effect = (up ? 1 : -1) * effect_.mean(first, end);
        const double mean = side.score.mean(first, end);
        if (!(effect > model_->settings().effect_min) || mean <= 0 ||
            side.high.mean(first, end) < high_share - 1e-9) {
            continue;
        }
        const auto quarter = std::max<std::size_t>(1, l.blocks / 4);
        const double last = side.score.mean(end - quarter, end);
        if (!(last > still_share * mean)) {
            continue;
        }
        const double lever = lever_.mean(first, end) / sigma;
        const double error = std::sqrt(l.variance + model_->load_variance() * lever * lever);
        const double surprise = student_evidence(mean / error, l.freedom) - l.looks;
        const double evidence = std::max(0.0, surprise) * l.temper;
        if (evidence > best.evidence) {
            const double half = student_for_normal(z_95, l.freedom) * error * sigma;
            best = {evidence, effect, l.hours, half};
        }
    }
    return best;
}

/// Half-width, in scores, of the any-time valid interval of the mean since the proof's start.
double LevelWatch::half_width(double blocks, double alpha) const {
    const double sigma = model_->sigma();
    const double lever = lever_.mean(proof_, count()) / sigma;
    const double error =
        std::sqrt(model_->variance_at(blocks) + model_->load_variance() * lever * lever);
    const double z =
        mixture_boundary(error, std::max(model_->settings().margin / sigma, 1e-3), alpha);
    return error * student_for_normal(z, model_->freedom_at(blocks));
}

LevelWatch::Interval LevelWatch::since_start(double alpha) const {
    Interval out;
    out.blocks = effect_.count(proof_, count());
    if (out.blocks < 1) {
        return out;
    }
    const double half = half_width(out.blocks, alpha) * model_->sigma();
    out.effect = effect_.mean(proof_, count());
    out.lower = out.effect - half;
    out.upper = out.effect + half;
    return out;
}

double LevelWatch::recent(std::size_t blocks) const {
    return effect_.mean(count() - std::min(count(), blocks), count());
}

bool LevelWatch::within_margin(bool up, double alpha) const {
    const auto& margin = (up ? up_ : down_).margin;
    const double blocks = margin.count(proof_, count());
    return blocks >= 1 && margin.mean(proof_, count()) + half_width(blocks, alpha) < 0;
}

std::optional<double> LevelWatch::blocks_for_proof(bool up, double alpha) const {
    const auto& margin = (up ? up_ : down_).margin;
    const double there = margin.count(proof_, count());
    const double room = there >= 1 ? -margin.mean(proof_, count()) : 0;
    for (double n = std::max(there, 1.0); room > 0 && n <= 64 * there; n *= 1.1) {
        if (half_width(n, alpha) < room) {
            return n;
        }
    }
    return std::nullopt;
}

double LevelWatch::effective_blocks() const {
    const double blocks = effect_.count(proof_, count());
    return blocks < 1
               ? 0
               : std::clamp(model_->variance_at(1) / model_->variance_at(blocks), 1.0, blocks);
}

}  // namespace holdfast::rules
