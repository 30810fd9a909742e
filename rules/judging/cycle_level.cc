#include "rules/judging/cycle_level.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "rules/judging/level.h"

namespace holdfast::rules {
namespace {

constexpr double start_share = 0.5;
constexpr std::size_t restart_min = 6;  // blocks: half an hour
constexpr double clip_min = 5;
constexpr double clip_max = 8;
constexpr double clip_slow = 9;  // times the sd of day means: slow noise must be able to page
constexpr double placebo_level = 0.05;
constexpr double own_past = 1.05;
constexpr double alpha_max = 0.2;  // of one side, however few signals share a level
constexpr std::array<double, 3> mixes{0.0, 0.5, 1.0};  // of the block of the week in the profile

Values expand(const Curve& log_boundary, std::size_t n) {
    Values out(n + 1, 0);
    for (std::size_t h = 1; h <= n; ++h) {
        out[h] = at_length(log_boundary, static_cast<double>(h));
    }
    return out;
}

std::size_t restarts_of(const CycleSettings& s, std::size_t per_hour) {
    return s.watch_blocks > s.settle + per_hour ? (s.watch_blocks - s.settle - 1) / per_hour : 1;
}

/// Largest window mean over its boundary in one placebo cycle.
double largest_ratio(const Values& psi, double centre, double sign, const Values& start,
                     const Values& restart, std::size_t settle, std::size_t per_hour,
                     std::size_t per_day) {
    if (settle >= psi.size()) {
        return 0;
    }
    Values p(psi.begin() + static_cast<std::ptrdiff_t>(settle), psi.end());
    for (double& v : p) {
        v = std::isnan(v) ? 0 : sign * (v - centre);
    }
    Values sum(p.size() + 1, 0);
    std::partial_sum(p.begin(), p.end(), sum.begin() + 1);
    double most = 0;
    for (std::size_t h = 1; h <= p.size(); ++h) {
        most = std::max(most, sum[h] / (start[h] * static_cast<double>(h)));
    }
    for (std::size_t first = (settle / per_hour + 1) * per_hour - settle;
         first + restart_min <= p.size(); first += per_hour) {
        for (std::size_t l = restart_min; l <= per_day && first + l <= p.size(); ++l) {
            most = std::max(most,
                            (sum[first + l] - sum[first]) / (restart[l] * static_cast<double>(l)));
        }
    }
    return most;
}

/// Everything that is learnt from some of the weeks.
struct Lesson {
    std::vector<Values> sigma;
    Values sigma_middle, centre, clip;
    Curves curves;
    Values counting;  ///< of a ratio: share of a score's variance that is chance
};

class CycleTeacher {
public:
    CycleTeacher(const std::vector<CycleSignal>& signals, const Values& load,
                 const CycleClock& clock, const CycleSettings& settings)
        : signals_{signals},
          clock_{clock},
          settings_{settings},
          per_hour_{std::max<std::size_t>(1, clock.blocks_per_day / 24)} {
        for (const auto& s : signals_) {
            weeks_ = (s.is_ratio ? s.all : s.x).size() / clock_.blocks_per_cycle;
            family_.push_back(s.is_ratio       ? Family::ratio
                              : s.may_use_load ? Family::gauge
                                               : Family::load);
        }
        taught_.signals.resize(signals_.size());
        expected_bad_.resize(signals_.size());
        if (!load.empty()) {
            teach_load(load);
        }
        for (std::size_t j = 0; j < signals_.size(); ++j) {
            left_out_.push_back(signals_[j].is_ratio ? teach_ratio(j) : teach_gauge(j));
        }
    }

    CycleTaught teach() {
        std::vector<std::size_t> all(weeks_);
        std::iota(all.begin(), all.end(), std::size_t{0});
        std::vector<std::array<double, 2>> kappa(signals_.size(), {1, 1});
        if (weeks_ >= 3) {
            calibrate(kappa);
        }
        const auto lesson = learn(all, static_cast<double>(weeks_));
        for (std::size_t j = 0; j < signals_.size(); ++j) {
            auto& m = taught_.signals[j];
            m.sigma = lesson.sigma[j];
            m.sigma_middle = lesson.sigma_middle[j];
            m.centre = lesson.centre[j];
            m.clip = lesson.clip[j];
            m.tolerated = signals_[j].tolerated;
            m.margin = signals_[j].margin;
            m.is_ratio = signals_[j].is_ratio;
            m.known = known(left_out_[j]);
            for (const std::size_t side : {0U, 1U}) {
                if (side == 0 ? signals_[j].up : signals_[j].down) {
                    m.sides[side] = tables(lesson, j, kappa[j][side]);
                }
            }
        }
        return std::move(taught_);
    }

private:
    void teach_load(const Values& load) {
        const Weeks x{load, clock_.blocks_per_cycle};
        for (std::size_t w = 0; w < weeks_; ++w) {
            const auto p = profile_of(x, w, 0, clock_);
            Values r(p.size());
            for (std::size_t i = 0; i < r.size(); ++i) {
                r[i] = x[w][i] - p[i];
            }
            load_left_out_.push_back(std::move(r));
        }
        taught_.load_profile = profile_of(x, nobody, 0, clock_);
    }

    Weeks teach_gauge(std::size_t j) {
        auto& m = taught_.signals[j];
        Weeks x{signals_[j].x, clock_.blocks_per_cycle};
        scrub(x, per_hour_);
        Weeks best{weeks_, clock_.blocks_per_cycle};
        double best_error = std::numeric_limits<double>::infinity();
        double best_mix = 0;
        for (const double mix : mixes) {
            Weeks out{weeks_, clock_.blocks_per_cycle};
            for (std::size_t w = 0; w < weeks_; ++w) {
                out[w] = residuals(x[w], profile_of(x, w, mix, clock_));
            }
            const double error = square_mean(out.window_means(6 * per_hour_));
            if (error < best_error) {
                best_error = error;
                best_mix = mix;
                best = std::move(out);
            }
        }
        m.profile = profile_of(x, nobody, best_mix, clock_);
        // The noise about the profile of all cycles decides where its edges are.
        Values noise;
        for (std::size_t w = 0; w < weeks_; ++w) {
            noise.push_back(noise_about(x[w], m.profile));
        }
        const auto band = band_of(m.profile, mean_of(noise));
        m.lower = band.lower;
        m.upper = band.upper;
        if (!load_left_out_.empty() && signals_[j].may_use_load) {
            condition(best, m);
        }
        return best;
    }

    /// Takes out what the load explains, if that makes days more alike.
    void condition(Weeks& left_out, CycleModel& m) const {
        double gl = 0;
        double ll = 0;
        const auto add = [&](const Values& g, const Values& l) {
            const auto hours_g = block_means(g, per_hour_);
            const auto hours_l = block_means(l, per_hour_);
            for (std::size_t i = 0; i < hours_g.size(); ++i) {
                if (!std::isnan(hours_g[i]) && !std::isnan(hours_l[i])) {
                    gl += hours_g[i] * hours_l[i];
                    ll += hours_l[i] * hours_l[i];
                }
            }
        };
        for (std::size_t w = 0; w < weeks_; ++w) {
            add(left_out[w], load_left_out_[w]);
        }
        const double slope = ll > 0 ? gl / ll : 0;
        auto adjusted = left_out;
        for (std::size_t w = 0; w < weeks_; ++w) {
            for (std::size_t p = 0; p < clock_.blocks_per_cycle; ++p) {
                const double l = load_left_out_[w][p];
                adjusted[w][p] -= slope * (std::isnan(l) ? 0 : l);
            }
        }
        if (square_mean(adjusted.window_means(clock_.blocks_per_day)) <
            square_mean(left_out.window_means(clock_.blocks_per_day))) {
            m.load_slope = slope;
            left_out = std::move(adjusted);
        }
    }

    Weeks teach_ratio(std::size_t j) {
        auto& m = taught_.signals[j];
        const Weeks bad{signals_[j].bad, clock_.blocks_per_cycle};
        const Weeks all{signals_[j].all, clock_.blocks_per_cycle};
        Weeks best{weeks_, clock_.blocks_per_cycle};
        double best_error = std::numeric_limits<double>::infinity();
        double best_mix = 0;
        for (const double mix : {0.0, 0.5}) {
            Weeks out{weeks_, clock_.blocks_per_cycle};
            for (std::size_t w = 0; w < weeks_; ++w) {
                const auto p = ratio_profile(bad, all, w, mix, clock_);
                for (std::size_t i = 0; i < p.size(); ++i) {
                    out[w][i] = all[w][i] > 0 ? bad[w][i] / (all[w][i] * p[i]) - 1 : missing;
                }
            }
            const double error = square_mean(out.window_means(6 * per_hour_));
            if (error < best_error) {
                best_error = error;
                best_mix = mix;
                best = std::move(out);
            }
        }
        m.profile = ratio_profile(bad, all, nobody, best_mix, clock_);
        m.never_bad = std::none_of(signals_[j].bad.begin(), signals_[j].bad.end(),
                                   [](double k) { return k > 0; });
        m.lower = m.upper = m.profile;
        for (std::size_t p = 0; p < clock_.blocks_per_cycle; ++p) {
            double events = 0;
            double weeks = 0;
            for (std::size_t w = 0; w < weeks_; ++w) {
                if (all[w][p] > 0) {
                    events += all[w][p];
                    ++weeks;
                }
            }
            expected_bad_[j].push_back(weeks > 0 ? events / weeks * m.profile[p] : 0);
        }
        return best;
    }

    Lesson learn(const std::vector<std::size_t>& weeks, double profile_weeks) const {
        Lesson out;
        std::vector<Weeks> psi;
        std::size_t j = 0;
        for (const auto& left_out : left_out_) {
            std::vector<const Values*> of_weeks;
            of_weeks.reserve(weeks.size());
            for (const auto w : weeks) {
                of_weeks.push_back(&left_out[w]);
            }
            out.sigma.push_back(scale_of(of_weeks, clock_));
            floor_by_counting(out, j++);
            const auto& sigma = out.sigma.back();
            out.sigma_middle.push_back(median_of(sigma));
            Weeks z{weeks.size(), clock_.blocks_per_cycle};
            const auto fill = [&](double clip) {
                for (std::size_t k = 0; k < weeks.size(); ++k) {
                    for (std::size_t p = 0; p < sigma.size(); ++p) {
                        const double v = left_out[weeks[k]][p] / sigma[p];
                        z[k][p] = std::isnan(v) ? v : std::clamp(v, -clip, clip);
                    }
                }
            };
            fill(clip_max);
            const double slow = std::sqrt(square_mean(z.window_means(clock_.blocks_per_day)));
            out.clip.push_back(std::clamp(clip_slow * slow, clip_min, clip_max));
            fill(out.clip.back());
            double sum = 0;
            double count = 0;
            for (std::size_t k = 0; k < weeks.size(); ++k) {
                for (const double v : z[k]) {
                    if (!std::isnan(v)) {
                        sum += v;
                        ++count;
                    }
                }
            }
            out.centre.push_back(count > 0 ? sum / count : 0);
            for (std::size_t k = 0; k < weeks.size(); ++k) {
                for (double& v : z[k]) {
                    v -= out.centre.back();
                }
            }
            psi.push_back(std::move(z));
        }
        out.curves = curves_of(psi, family_);
        const auto w = static_cast<double>(weeks_);
        // Placebo profiles had one cycle less than the watch's; these weeks' variance had all.
        const double finite = (1 + 1 / profile_weeks) / (1 + 1 / (w - 1));
        for (std::size_t k = 0; k < signals_.size(); ++k) {
            auto& v = out.curves.variance[k];
            for (std::size_t i = 0; i < v.size(); ++i) {
                v[i] = std::max(v[i] * finite, out.counting[k] / curve_lengths[i]);
            }
        }
        return out;
    }

    /// Shares cannot vary less than chance makes counts: the variance of bad / expected is one over
    /// the expected (Poisson). Floors the scale, and notes what that is of a score's variance.
    void floor_by_counting(Lesson& lesson, std::size_t j) const {
        lesson.counting.push_back(0);
        if (!is_ratio(j)) {
            return;
        }
        auto& sigma = lesson.sigma[j];
        double noise = 0;
        double there = 0;
        for (std::size_t p = 0; p < sigma.size(); ++p) {
            if (expected_bad_[j][p] > 0) {
                const double counting = 1 / expected_bad_[j][p];
                sigma[p] = std::max(sigma[p], std::sqrt(counting));
                noise += counting / (sigma[p] * sigma[p]);
                ++there;
            }
        }
        lesson.counting[j] = there > 0 ? noise / there : 0;
    }
    bool is_ratio(std::size_t j) const { return family_[j] == Family::ratio; }

    /// Half a cycle of residuals at least: else there is nothing to compare with.
    static bool known(const Weeks& left_out) {
        std::size_t there = 0;
        for (std::size_t w = 0; w < left_out.size(); ++w) {
            there += static_cast<std::size_t>(std::count_if(
                left_out[w].begin(), left_out[w].end(), [](double v) { return !std::isnan(v); }));
        }
        return 2 * there >= left_out.positions();
    }

    /// What one side of a signal may spend of a severity's level.
    double alpha_of(std::size_t j, std::size_t level) const {
        return std::min(settings_.alpha[level] * signals_[j].level_alpha, alpha_max);
    }

    Curve boundary_of(const Lesson& lesson, std::size_t j, double alpha, double kappa) const {
        const auto& c = lesson.curves;
        return boundary(c.variance[j], c.freedom[j], c.skew[j], lesson.sigma_middle[j], alpha,
                        kappa);
    }

    CycleModel::Tables tables(const Lesson& lesson, std::size_t j, double kappa) const {
        CycleModel::Tables t;
        const auto restarts = static_cast<double>(restarts_of(settings_, per_hour_));
        for (std::size_t level = 0; level < 3; ++level) {
            const double alpha = alpha_of(j, level);
            t.start[level] = boundary_of(lesson, j, alpha * start_share, kappa);
            t.restart[level] = boundary_of(lesson, j, alpha * (1 - start_share) / restarts, kappa);
        }
        t.close = boundary_of(lesson, j, settings_.close, 1);
        t.interval = boundary_of(lesson, j, settings_.close / 2, kappa);
        return t;
    }

    /// Every past cycle watched with tables learnt without it.
    void calibrate(std::vector<std::array<double, 2>>& kappa) const {
        const auto n = signals_.size();
        const auto restarts = static_cast<double>(restarts_of(settings_, per_hour_));
        std::array<Values, 3> visible;  // by family
        for (std::size_t w = 0; w < weeks_; ++w) {
            std::vector<std::size_t> others;
            for (std::size_t u = 0; u < weeks_; ++u) {
                if (u != w) {
                    others.push_back(u);
                }
            }
            const auto lesson = learn(others, static_cast<double>(weeks_ - 1));
            for (std::size_t j = 0; j < n; ++j) {
                Values psi = left_out_[j][w];
                for (std::size_t p = 0; p < psi.size(); ++p) {
                    const double v = psi[p] / lesson.sigma[j][p];
                    psi[p] = std::isnan(v) ? v : std::clamp(v, -lesson.clip[j], lesson.clip[j]);
                }
                const double roll = alpha_of(j, 2);
                const auto level_tables = [&](double alpha) {
                    return std::pair{
                        expand(boundary_of(lesson, j, alpha * start_share, 1), psi.size()),
                        expand(boundary_of(lesson, j, alpha * (1 - start_share) / restarts, 1),
                               clock_.blocks_per_day)};
                };
                const auto seen = level_tables(placebo_level);
                const auto paged = level_tables(roll);
                for (const std::size_t side : {0U, 1U}) {
                    if (!(side == 0 ? signals_[j].up : signals_[j].down)) {
                        continue;
                    }
                    const double sign = side == 0 ? 1 : -1;
                    const auto most = [&](const auto& t) {
                        return largest_ratio(psi, lesson.centre[j], sign, t.first, t.second,
                                             settings_.settle, per_hour_, clock_.blocks_per_day);
                    };
                    visible[static_cast<std::size_t>(family_[j])].push_back(most(seen));
                    kappa[j][side] = std::max(kappa[j][side], own_past * most(paged));
                }
            }
        }
        for (std::size_t j = 0; j < n; ++j) {
            const auto& v = visible[static_cast<std::size_t>(family_[j])];
            const double common = v.empty() ? 1 : std::max(1.0, quantile_of(v, 1 - placebo_level));
            for (double& k : kappa[j]) {
                k = std::max(k, common);
            }
        }
    }

    const std::vector<CycleSignal>& signals_;
    const CycleClock& clock_;
    const CycleSettings& settings_;
    std::size_t per_hour_;
    std::size_t weeks_ = 0;
    std::vector<Family> family_;
    std::vector<Values> expected_bad_;  ///< of ratios: events in a block, by position
    std::vector<Values> load_left_out_;
    std::vector<Weeks> left_out_;
    CycleTaught taught_;
};

double score(double x, double sigma, double shift, double clip, bool ratio) {
    return std::isnan(x) ? x
                         : std::clamp((x - shift) / (sigma * (ratio ? 1 + shift : 1)), -clip, clip);
}

}  // namespace

double CycleModel::residual(double value, std::size_t position, double load_residual) const {
    const double expected = profile[position];
    if (std::isnan(value) || std::isnan(expected)) {
        return missing;
    }
    if (is_ratio) {
        return value / expected - 1;
    }
    return off_band(value, lower[position], upper[position]) -
           (load_slope != 0 ? load_slope * load_residual : 0);
}

CycleTaught teach_cycles(const std::vector<CycleSignal>& signals, const Values& load,
                         const CycleClock& clock, const CycleSettings& settings) {
    return CycleTeacher{signals, load, clock, settings}.teach();
}

CycleWatch::CycleWatch(const CycleModel& model, const CycleClock& clock,
                       const CycleSettings& settings, bool up, bool down)
    : model_{&model},
      settings_{settings},
      per_hour_{std::max<std::size_t>(1, clock.blocks_per_day / 24)},
      per_day_{clock.blocks_per_day} {
    sides_[0].judged = up;
    sides_[1].judged = down;
}

double CycleWatch::add(double value, std::size_t position, double load_residual) {
    ++seen_;
    if (seen_ <= settings_.settle) {
        return missing;
    }
    const double x = model_->residual(value, position, load_residual);
    const double sigma = model_->sigma[position];
    for (const std::size_t side : {0U, 1U}) {
        if (sides_[side].judged) {
            const double sign = side == 0 ? 1 : -1;
            const double centre = sign * model_->centre;
            sides_[side].tolerated.add(
                score(sign * x, sigma, model_->tolerated, model_->clip, model_->is_ratio) - centre);
            const double clip = proof_clip(model_->clip, model_->margin / sigma);
            sides_[side].margin.add(score(sign * x, sigma, model_->margin, clip, model_->is_ratio) -
                                    centre);
        }
    }
    effect_.add(x);
    return x;
}

void CycleWatch::check(Crossing& worst, bool up, std::size_t first, bool restart) const {
    const std::size_t side = up ? 0 : 1;
    const auto& p = sides_[side].tolerated;
    const auto end = p.size();
    const double n = p.count(first, end);
    if (n < 1 || (restart && n < restart_min)) {
        return;
    }
    const double mean = p.mean(first, end);
    const auto& tables = model_->sides[side];
    const auto& by_level = restart ? tables.restart : tables.start;
    if (mean <= 0) {
        return;
    }
    for (int level = 2; level >= 0; --level) {
        const double b = at_length(by_level[static_cast<std::size_t>(level)], n);
        if (mean > b) {
            if (level > worst.severity || (level == worst.severity && mean / b > worst.ratio)) {
                worst = {level, up, effect_.mean(first, end), n, mean / b};
            }
            return;
        }
    }
}

CycleWatch::Crossing CycleWatch::crossing() const {
    Crossing worst;
    const auto end = effect_.size();
    for (const bool up : {true, false}) {
        if (!sides_[up ? 0 : 1].judged || end == 0) {
            continue;
        }
        check(worst, up, 0, false);
        // Restarts lie on the hours since the upgrade; each grows to a day.
        const auto settle = settings_.settle;
        for (auto hour = (end + settle) / per_hour_; hour > 0; --hour) {
            const auto first = hour * per_hour_ - std::min(settle, hour * per_hour_);
            if (end - std::min(end, first) > per_day_) {
                break;
            }
            if (first + restart_min <= end) {
                check(worst, up, first, true);
            }
        }
    }
    return worst;
}

bool CycleWatch::proven() const {
    const auto end = effect_.size();
    if (model_->never_bad) {  // no share to exceed: proven while there is still no bad event
        const double n = effect_.count(proof_, end);
        return n > 0 && effect_.sum(proof_, end) <= -n;
    }
    for (const std::size_t side : {0U, 1U}) {
        if (!sides_[side].judged) {
            continue;
        }
        const double n = sides_[side].margin.count(proof_, end);
        if (n < 1 ||
            !(sides_[side].margin.mean(proof_, end) < -at_length(model_->sides[side].close, n))) {
            return false;
        }
    }
    return true;
}

std::optional<double> CycleWatch::blocks_for_proof() const {
    const auto end = effect_.size();
    double needed = 0;
    for (const std::size_t side : {0U, 1U}) {
        if (!sides_[side].judged) {
            continue;
        }
        const double there = sides_[side].margin.count(proof_, end);
        const double room = there >= 1 ? -sides_[side].margin.mean(proof_, end) : 0;
        double n = std::max(there, 1.0);
        while (n <= 64 * there && !(at_length(model_->sides[side].close, n) < room)) {
            n *= 1.1;
        }
        if (room <= 0 || n > 64 * there) {
            return std::nullopt;
        }
        needed = std::max(needed, n);
    }
    return needed;
}

double CycleWatch::effective_blocks() const {
    const double n = effect_.count(proof_, effect_.size());
    if (n < 1) {
        return 0;
    }
    const auto& interval = model_->sides[sides_[0].judged ? 0 : 1].interval;
    return std::clamp(std::pow(at_length(interval, 1) / at_length(interval, n), 2), 1.0, n);
}

double CycleWatch::half_width(bool up, double blocks) const {
    return at_length(model_->sides[up ? 0 : 1].interval, blocks) * model_->sigma_middle;
}

double CycleWatch::recent(std::size_t blocks) const {
    const auto end = effect_.size();
    return effect_.mean(end - std::min(end, blocks), end);
}

CycleWatch::Interval CycleWatch::since_start() const {
    Interval out;
    const auto end = effect_.size();
    out.blocks = effect_.count(proof_, end);
    if (out.blocks < 1) {
        return out;
    }
    const double half = half_width(sides_[0].judged, out.blocks);
    out.effect = effect_.mean(proof_, end);
    out.lower = out.effect - half;
    out.upper = out.effect + half;
    return out;
}

}  // namespace holdfast::rules
