#include "rules/judging/events.h"

#include <algorithm>
#include <cmath>

namespace holdfast::rules {
namespace {

constexpr std::array ratios{1.1, 1.35, 1.65, 2.0,  2.5,  3.0,  3.7,   4.5,   5.5,
                            6.7, 8.2,  10.0, 13.0, 20.0, 50.0, 200.0, 1000.0};
constexpr double hour_prior = 30;       // events: an hour of fewer is drawn to the day's rate
constexpr double prior_events = 0.5;    // of the whole history
constexpr double prior_dispersion = 3;  // errors come in bursts until the history says otherwise
constexpr double prior_dispersion_weight = 5;  // expected events
constexpr double window_hours = 6;             // of the dispersion
constexpr double prior_spread = 0.01;          // squared, of the rate between weeks (10 %)
constexpr double prior_spread_weight = 8;
constexpr double start_share = 0.5;
constexpr double events_min = 3;
constexpr double cells_min = 2;  // with an event: one burst is one event, however many lines it has
constexpr double still_share = 0.5;
constexpr std::size_t hours = 24;
constexpr std::size_t restarts_kept = 24;
constexpr double trust_prior_days = 4;
constexpr double few_an_hour = 20;
constexpr double z_95 = 1.96;

std::size_t hour_of(const Rhythm& rhythm, Timestamp at) {
    return std::min(hours - 1, static_cast<std::size_t>(rhythm.day_phase(at) * hours));
}

bool counts(const Cell& cell) {
    return cell.denominator > 0 && std::isfinite(cell.denominator) &&
           std::isfinite(cell.numerator) && cell.numerator >= 0;
}

}  // namespace

EventsModel::EventsModel(const Cells& history, const Grid& grid, const Rhythm& rhythm,
                         std::size_t watch_cells, const Allowance& tolerated,
                         const Allowance& margin)
    : rhythm_{rhythm}, rates_(hours), tolerated_{tolerated} {
    std::array<double, hours> bad{};
    std::array<double, hours> all{};
    double total = 0;
    double exposure = 0;
    std::size_t there = 0;
    for (std::size_t i = 0; i < history.size(); ++i) {
        if (counts(history[i])) {
            const auto h = hour_of(rhythm_, grid.at(i));
            bad[h] += history[i].numerator;
            all[h] += history[i].denominator;
            total += history[i].numerator;
            exposure += history[i].denominator;
            ++there;
        }
    }
    few_ = total < few_an_hour * rhythm_.hours(grid.step) * static_cast<double>(there);
    const double mean = exposure > 0 ? std::max(total, prior_events) / exposure : 0;
    for (std::size_t h = 0; h < hours; ++h) {
        rates_[h] = mean > 0 ? (bad[h] + hour_prior) / (all[h] + hour_prior / mean) : 0;
    }
    effect_min_ = std::max(std::log1p(tolerated.relative), 0.5 * std::log1p(margin.relative));
    amount_min_ = std::max(tolerated.absolute, 0.5 * margin.absolute);

    // Dispersion of windows of six hours, and how much the rate differs between weeks (days, where
    // there are fewer than two weeks).
    const auto cells_in = [&](double length) {
        return std::max<std::size_t>(
            1, static_cast<std::size_t>(std::llround(length / rhythm_.hours(grid.step))));
    };
    const auto by_windows = [&](std::size_t cells, auto&& visit) {
        for (std::size_t i = 0; i + cells <= history.size(); i += cells) {
            double seen = 0;
            double wanted = 0;
            for (auto k = i; k < i + cells; ++k) {
                if (counts(history[k])) {
                    seen += history[k].numerator;
                    wanted += usual(grid.at(k)) * history[k].denominator;
                }
            }
            visit(seen, wanted);
        }
    };
    double squares = 0;
    double expected_events = 0;
    by_windows(cells_in(window_hours), [&](double seen, double wanted) {
        squares += (seen - wanted) * (seen - wanted);
        expected_events += wanted;
    });
    dispersion_ = std::max(1.0, (squares + prior_dispersion * prior_dispersion_weight) /
                                    (expected_events + prior_dispersion_weight));
    // Its upper limit: two standard errors of a dispersion that so many events tell.
    restart_dispersion_ =
        dispersion_ *
        (1 + 2 * std::sqrt(2 * dispersion_ / (expected_events + prior_dispersion_weight)));
    const bool weeks = rhythm_.hours(grid.step) * static_cast<double>(grid.size) >= 2 * 7 * 24;
    double spread = 0;
    double units = 0;
    by_windows(cells_in(weeks ? 7 * 24 : 24), [&](double seen, double wanted) {
        if (wanted > 0) {
            const double off = seen / std::max(wanted, prior_events) - 1;
            spread += std::max(0.0, off * off - dispersion_ / std::max(wanted, 1.0));
            units += 1;
        }
    });
    spread = (spread + prior_spread_weight * prior_spread) / (units + prior_spread_weight) +
             prior_spread;
    shape_ = 1 / (spread + dispersion_ / std::max(total, 1.0));
    restart_cells_ = cells_in(1);
    days_ = std::max(1.0, static_cast<double>(watch_cells) / static_cast<double>(restart_cells_)) /
            static_cast<double>(restarts_kept);
    trust_ = few_ ? trust_of(history, grid) : 0;
}

/// Of an e-process, the highest evidence of a day exceeds what its windows cost by x with a
/// probability that falls like 10^-x. How it falls in the history, as maximum likelihood tells of
/// what exceeds it, with some days that were as they should be.
double EventsModel::trust_of(const Cells& history, const Grid& grid) const {
    const double cost = std::log10(restarts_kept);
    const auto day = restarts_kept * restart_cells_;
    EventsWatch past{*this};
    double exceeded = 0;
    double excess = 0;
    double highest = 0;
    for (std::size_t i = 0; i < history.size(); ++i) {
        past.add(history[i], grid.at(i));
        highest = std::max(highest, past.unpriced((i + 1) % restart_cells_ != 0));
        if ((i + 1) % day == 0 || i + 1 == history.size()) {
            exceeded += highest > cost ? 1 : 0;
            excess += std::max(0.0, highest - cost);
            highest = 0;
        }
    }
    return std::min(1.0,
                    (exceeded + trust_prior_days) / (std::log(10) * excess + trust_prior_days));
}

double EventsModel::usual(Timestamp at) const {
    return rates_[hour_of(rhythm_, at)];
}

double EventsModel::expected(Timestamp at, double all) const {
    const double rate = usual(at);
    return (rate + tolerated_.at(rate)) * all;
}

void EventsWatch::add(const Cell& bad, Timestamp at) {
    auto next = before_.back();
    if (counts(bad)) {
        next.bad += bad.numerator;
        next.all += bad.denominator;
        next.expected += model_->expected(at, bad.denominator);
        next.usual += model_->usual(at) * bad.denominator;
        next.cells += bad.numerator > 0 ? 1 : 0;
    }
    before_.push_back(next);
}

EventsWatch::Sums EventsWatch::between(std::size_t first, std::size_t last) const {
    const auto& a = before_[first];
    const auto& b = before_[last];
    return {b.bad - a.bad, b.all - a.all, b.expected - a.expected, b.usual - a.usual,
            b.cells - a.cells};
}

EventsWatch::Found EventsWatch::weigh(std::size_t first, double dispersion) const {
    const auto last = before_.size() - 1;
    const auto w = between(first, last);
    if (w.bad < events_min || w.cells < cells_min || w.all <= 0 || w.bad <= w.expected ||
        w.expected <= 0 || w.bad - w.usual <= model_->amount_min_ * w.all) {
        return {};
    }
    const auto quarter = between(last - std::max<std::size_t>(1, (last - first) / 4), last);
    const double effect = std::log(w.bad / w.usual);
    if (effect <= model_->effect_min_ ||
        !(quarter.bad - quarter.usual > still_share * (w.bad / w.usual - 1) * quarter.usual)) {
        return {};
    }
    const double s = model_->shape_;
    const double k = w.bad / dispersion;
    const double m = w.expected / dispersion;
    std::array<double, ratios.size()> logs{};
    for (std::size_t j = 0; j < ratios.size(); ++j) {
        logs[j] = k * std::log(ratios[j]) - (k + s) * std::log((s + m * ratios[j]) / (s + m));
    }
    const double top = *std::max_element(logs.begin(), logs.end());
    double sum = 0;
    for (const double l : logs) {
        sum += std::exp(l - top);
    }
    const double evidence =
        (top + std::log(sum / static_cast<double>(ratios.size()))) / std::log(10);
    const double length =
        static_cast<double>(last - first) / static_cast<double>(model_->restart_cells());
    const double error = z_95 * std::sqrt(1 / k + 1 / (s + m));
    return {{evidence, effect, length, error}, w.usual / w.all, w.bad / w.all};
}

/// Visits the windows that began with one of the last full hours, the youngest first.
template <class Visit>
void EventsWatch::restarted(const Visit& visit) const {
    const auto cells = before_.size() - 1;
    const auto step = model_->restart_cells();
    for (std::size_t n = 0, first = (cells - (cells > 0 ? 1 : 0)) / step * step;
         n < restarts_kept && first > 0; ++n, first -= step) {
        if (!visit(weigh(first, model_->restart_dispersion_))) {
            return;
        }
    }
}

double EventsWatch::unpriced(bool youngest) const {
    double best = 0;
    restarted([&](const Found& found) {
        best = std::max(best, found.evidence.evidence);
        return !youngest;
    });
    return best;
}

EventsWatch::Found EventsWatch::look() const {
    Found best;
    const double trust = model_->trust_;
    const auto take = [&best](Found found, double evidence) {
        if (evidence > best.evidence.evidence) {
            best = found;
            best.evidence.evidence = evidence;
        }
    };
    const auto whole = weigh(0, model_->dispersion_);
    take(whole, trust * whole.evidence.evidence + std::log10(start_share));
    const double cost = std::log10(restarts_kept);
    const double price = std::log10(model_->days_ / (1 - start_share));
    restarted([&](const Found& found) {
        take(found, trust * (found.evidence.evidence - cost) - price);
        return true;
    });
    return best;
}

}  // namespace holdfast::rules
