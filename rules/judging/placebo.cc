#include "rules/judging/placebo.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>

#include "rules/judging/numerics.h"
#include "rules/judging/rhythm.h"
#include "rules/words.h"

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;

constexpr double promised_share = 0.8;  // of watches page: a factor is promised
constexpr double hopeless_factor = 2;   // a worsening that must not go unseen
constexpr std::size_t load_groups = 8;  // so few load signals change at once that the rest rules
constexpr Milliseconds week = 24h * 7;
constexpr Milliseconds long_history = week * 4;
constexpr std::size_t pages_named_max = 5;
constexpr std::size_t hopeless_named_max = 10;
constexpr std::array<Milliseconds, 2> horizons{1h, 24h};  // and the watch
constexpr std::size_t horizon_count = horizons.size() + 1;

// ---- where the watches lie

struct Course {
    std::size_t length = 0;           ///< of a watch, in cells
    std::vector<std::size_t> starts;  ///< cells of the history before each
    std::string why_none;
};

Milliseconds history_length(const EnsemblePlan& plan, const std::vector<Cells>& history) {
    return history.empty() ? Milliseconds{0}
                           : plan.cell * static_cast<std::int64_t>(history.front().size());
}

/// Watches end with the history, so that the last has the longest baseline.
Course course_of(const EnsemblePlan& plan, const std::vector<Cells>& history,
                 const PlaceboSettings& settings) {
    Course out;
    const auto cells = history.empty() ? 0 : history.front().size();
    const auto all = history_length(plan, history);
    if (cells == 0) {
        out.why_none = "there is no history";
        return out;
    }
    out.length = static_cast<std::size_t>(std::max<std::int64_t>(0, settings.watch / plan.cell));
    if (out.length == 0) {
        out.why_none = fmt::format("a watch of {} is shorter than a cell of {}",
                                   in_words(settings.watch), in_words(plan.cell));
        return out;
    }
    const auto days = 2 * Rhythm::of(plan.cycle, plan.offsets).day;
    const auto needed = static_cast<std::size_t>((days + plan.cell - 1ms) / plan.cell);
    const auto first = std::max(needed, (cells + 1) / 2);
    const auto fit = first < cells ? (cells - first) / out.length : 0;
    if (fit == 0) {
        out.why_none = fmt::format(
            "a history of {} has no room for a watch of {} after a baseline of half of it, {} at "
            "least; take a longer baseline or a shorter watch",
            in_words(all), in_words(settings.watch), in_words(Milliseconds{days}));
        return out;
    }
    const auto n = std::min(fit, settings.watches_max);
    for (std::size_t i = 0; i < n; ++i) {
        out.starts.push_back(cells - (1 + (n - 1 - i) * fit / n) * out.length);
    }
    out.why_none = n == 0 ? "no watches were asked for" : "";
    return out;
}

// ---- copies of a watch

/// Signals that are changed in one copy.
struct Group {
    std::vector<std::size_t> members;
    bool all_load = false;
};

std::vector<Group> groups_of(const std::vector<EnsembleSignal>& signals) {
    Group costs;
    Group loads{.members = {}, .all_load = true};
    for (std::size_t i = 0; i < signals.size(); ++i) {
        if (signals[i].judged) {
            (signals[i].is_load ? loads : costs).members.push_back(i);
        }
    }
    std::vector<Group> out;
    if (!costs.members.empty()) {
        out.push_back(std::move(costs));
    }
    const auto n = std::min(load_groups, loads.members.size());
    for (std::size_t g = 0; g < n; ++g) {
        auto& group = out.emplace_back();
        for (auto k = g; k < loads.members.size(); k += n) {
            group.members.push_back(loads.members[k]);
        }
    }
    if (loads.members.size() > 1) {
        out.push_back(std::move(loads));
    }
    return out;
}

Cell worsened(Cell cell, const EnsembleSignal& signal, double factor) {
    const double size = std::abs(cell.numerator);  // below zero, too, worse is farther that way
    if (signal.worse == Direction::down) {
        cell.numerator -= size * (1 - 1 / factor);
    } else {
        cell.numerator += size * (factor - 1);
        if (signal.kind == Kind::ratio) {
            cell.numerator = std::min(cell.numerator, cell.denominator);
        }
    }
    return cell;
}

/// One watch: what was learnt before it, and what comes.
struct Trial {
    const std::vector<EnsembleSignal>& signals;
    const std::vector<Cells>& history;
    std::shared_ptr<const EnsembleModel> model;  ///< null: for_each gave up
    std::size_t first = 0;
    std::size_t length = 0;

    EnsembleWatch watch(const std::vector<std::size_t>& changed, double factor) const {
        EnsembleWatch out{model};
        std::vector<Cell> row(signals.size());
        for (auto k = first; k < first + length; ++k) {
            for (std::size_t i = 0; i < row.size(); ++i) {
                row[i] = history[i][k];
            }
            for (const auto i : changed) {
                row[i] = worsened(row[i], signals[i], factor);
            }
            out.take(row);
        }
        out.finish();
        return out;
    }
};

Trial trial_of(const EnsemblePlan& plan, const std::vector<EnsembleSignal>& signals,
               const std::vector<Cells>& history, std::size_t first, std::size_t length,
               const ForEach& for_each) {
    auto own = plan;
    own.upgrade = plan.begin + plan.cell * static_cast<std::int64_t>(first);
    own.planned_end = own.upgrade + plan.cell * static_cast<std::int64_t>(length);
    std::vector<Cells> before;
    before.reserve(history.size());
    for (const auto& cells : history) {
        before.emplace_back(cells.begin(), cells.begin() + static_cast<std::ptrdiff_t>(first));
    }
    return {signals, history, learn_ensemble(own, signals, before, for_each), first, length};
}

/// When each signal first paged.
using FirstPages = std::vector<std::optional<Timestamp>>;

FirstPages first_pages(const std::vector<EnsembleAlert>& alerts, std::size_t signals) {
    FirstPages out(signals);
    for (const auto& alert : alerts) {
        auto& first = out[alert.signal];
        if (alert.severity >= Severity::page) {
            first = std::min(first.value_or(alert.at), alert.at);
        }
    }
    return out;
}

std::optional<Timestamp> earliest(const FirstPages& pages,
                                  const std::vector<std::size_t>& members) {
    std::optional<Timestamp> out;
    for (const auto i : members) {
        if (pages[i]) {
            out = std::min(out.value_or(*pages[i]), *pages[i]);
        }
    }
    return out;
}

bool has_data(const EnsembleJudged& judged) {
    return judged.judgement != Judgement::learning && judged.judgement != Judgement::no_data;
}

// ---- what is counted

/// In how many watches each factor paged within each horizon.
class PromiseCount {
public:
    explicit PromiseCount(std::size_t factors) : paged_(factors) {}
    void can_tell() { ++watches_; }
    void note(std::size_t factor, std::optional<Timestamp> page, Timestamp upgrade) {
        for (std::size_t h = 0; page && h < horizon_count; ++h) {
            paged_[factor][h] += h == horizons.size() || *page - upgrade <= horizons[h] ? 1 : 0;
        }
    }
    PlaceboPromise over(const std::vector<double>& factors) const {
        return {smallest(factors, 0), smallest(factors, 1), smallest(factors, 2), watches_};
    }

private:
    double smallest(const std::vector<double>& factors, std::size_t horizon) const {
        double out = missing;
        for (auto f = factors.size(); f-- > 0 && watches_ > 0;) {
            if (paged_[f][horizon] + 1e-9 < promised_share * static_cast<double>(watches_)) {
                break;
            }
            out = factors[f];
        }
        return out;
    }
    std::size_t watches_ = 0;
    std::vector<std::array<double, horizon_count>> paged_;
};

class Counting {
public:
    Counting(const std::vector<EnsembleSignal>& signals, const PlaceboSettings& settings,
             std::size_t watches, PlaceboReport& report)
        : signals_{signals},
          groups_{groups_of(signals)},
          progress_{settings.progress},
          report_{report} {
        std::copy_if(settings.factors.begin(), settings.factors.end(), std::back_inserter(factors_),
                     [](double f) { return f > 1; });
        std::sort(factors_.begin(), factors_.end());
        counts_.assign(signals.size(), PromiseCount{factors_.size()});
        all_load_.emplace(factors_.size());
        report_.signals.resize(signals.size());
        copies_ = groups_.size() * factors_.size();
        all_ = watches * (1 + copies_);
    }

    /// Whether all copies were judged; when for_each gave up, nothing is added.
    bool add(const Trial& trial, const Window& window, const ForEach& for_each) {
        if (!trial.model) {
            return false;
        }
        std::vector<std::optional<FirstPages>> judged(copies_);
        std::optional<EnsembleWatch> unchanged;
        for_each(1 + copies_, [&](std::size_t c) {
            if (c == 0) {
                unchanged.emplace(trial.watch({}, 1));
            } else {
                const auto& group = groups_[(c - 1) / factors_.size()];
                const auto factor = factors_[(c - 1) % factors_.size()];
                const auto watched = trial.watch(group.members, factor);
                judged[c - 1] = first_pages(watched.alerts(), signals_.size());
            }
            tell_progress();
        });
        std::vector<FirstPages> pages;
        for (auto& of_copy : judged) {
            if (of_copy) {
                pages.push_back(std::move(*of_copy));
            }
        }
        if (!unchanged || pages.size() < copies_) {
            return false;
        }
        add_unchanged(*unchanged, window);
        add_changed(pages, first_pages(unchanged->alerts(), signals_.size()), unchanged->judged(),
                    window.begin);
        return true;
    }

    void finish() {
        for (std::size_t i = 0; i < signals_.size(); ++i) {
            report_.signals[i].promise = counts_[i].over(factors_);
        }
        report_.all_load = all_load_->over(factors_);
        report_.paged_share = share_interval(report_.paged, report_.watches.size());
    }

private:
    void tell_progress() {
        const auto done = ++done_;
        if (progress_) {
            progress_(done, all_);
        }
    }

    void add_unchanged(const EnsembleWatch& watched, const Window& window) {
        auto& own = report_.watches.emplace_back();
        own.window = window;
        own.alerts = watched.alerts();
        const auto judged = watched.judged();
        bool demanded = false;
        bool all = true;
        for (std::size_t i = 0; i < judged.size(); ++i) {
            if (!signals_[i].judged) {
                continue;
            }
            const bool known = has_data(judged[i]);
            const bool proven = judged[i].judgement == Judgement::proven;
            own.judged += known ? 1 : 0;
            own.proven += proven ? 1 : 0;
            demanded = demanded || signals_[i].required;
            all = all && (proven || !signals_[i].required);
            report_.signals[i].watches += known ? 1 : 0;
            report_.signals[i].proven += proven ? 1 : 0;
        }
        const auto worst = count_alerts(own.alerts);
        own.passed = demanded && all && worst < Severity::page;
        report_.paged += worst >= Severity::page ? 1 : 0;
        report_.warned += worst == Severity::warn ? 1 : 0;
        report_.passed += own.passed ? 1 : 0;
    }

    /// Per signal; returns the worst of all.
    Severity count_alerts(const std::vector<EnsembleAlert>& alerts) {
        std::vector<Severity> worst(signals_.size(), Severity::none);
        std::vector<std::vector<std::string_view>> paged_by(signals_.size());
        for (const auto& alert : alerts) {
            worst[alert.signal] = std::max(worst[alert.signal], alert.severity);
            auto& by = paged_by[alert.signal];
            if (alert.severity >= Severity::page &&
                std::find(by.begin(), by.end(), alert.detector) == by.end()) {
                by.push_back(alert.detector);
            }
        }
        for (std::size_t i = 0; i < signals_.size(); ++i) {
            report_.signals[i].paged += worst[i] >= Severity::page ? 1 : 0;
            report_.signals[i].warned += worst[i] == Severity::warn ? 1 : 0;
            for (const auto name : paged_by[i]) {
                count_detector(report_.signals[i].detectors, name);
            }
        }
        return worst.empty() ? Severity::none : *std::max_element(worst.begin(), worst.end());
    }

    static void count_detector(std::vector<PlaceboDetector>& detectors, std::string_view name) {
        const auto known = std::find_if(detectors.begin(), detectors.end(),
                                        [&](const auto& d) { return d.name == name; });
        if (known == detectors.end()) {
            detectors.push_back({name, 1});
        } else {
            ++known->watches;
        }
        std::stable_sort(detectors.begin(), detectors.end(),
                         [](const auto& a, const auto& b) { return a.watches > b.watches; });
    }

    void add_changed(const std::vector<FirstPages>& pages, const FirstPages& by_itself,
                     const std::vector<EnsembleJudged>& judged, Timestamp upgrade) {
        for (std::size_t g = 0; g < groups_.size(); ++g) {
            const auto& group = groups_[g];
            const auto of_factor = [&](std::size_t f) -> const FirstPages& {
                return pages[g * factors_.size() + f];
            };
            if (group.all_load) {
                if (earliest(by_itself, group.members)) {
                    continue;
                }
                all_load_->can_tell();
                for (std::size_t f = 0; f < factors_.size(); ++f) {
                    all_load_->note(f, earliest(of_factor(f), group.members), upgrade);
                }
                continue;
            }
            for (const auto i : group.members) {
                if (by_itself[i] || !has_data(judged[i])) {
                    continue;
                }
                counts_[i].can_tell();
                for (std::size_t f = 0; f < factors_.size(); ++f) {
                    counts_[i].note(f, of_factor(f)[i], upgrade);
                }
            }
        }
    }

    const std::vector<EnsembleSignal>& signals_;
    std::vector<Group> groups_;
    std::vector<double> factors_;
    std::vector<PromiseCount> counts_;
    std::optional<PromiseCount> all_load_;
    std::size_t copies_ = 0;  ///< of a watch, beside the unchanged one
    std::size_t all_ = 0;     ///< that are judged in the end
    std::atomic<std::size_t> done_ = 0;
    const std::function<void(std::size_t, std::size_t)>& progress_;
    PlaceboReport& report_;
};

// ---- advice

bool is_seen(const PlaceboPromise& promise) {
    return promise.within_watch <= hopeless_factor;  // not for NaN
}

/// The strongest page of a signal.
const EnsembleAlert* worst_page(const PlaceboReport& report, std::size_t signal) {
    const EnsembleAlert* out = nullptr;
    for (const auto& watch : report.watches) {
        for (const auto& alert : watch.alerts) {
            if (alert.signal == signal && alert.severity >= Severity::page &&
                (out == nullptr || std::abs(alert.effect_ratio) > std::abs(out->effect_ratio))) {
                out = &alert;
            }
        }
    }
    return out;
}

std::string about_pages(const PlaceboReport& report, std::size_t i, double level) {
    const auto& s = report.signals[i];
    const auto* page = worst_page(report, i);
    if (page == nullptr ||
        static_cast<double>(s.paged) <= level * static_cast<double>(report.watches.size())) {
        return {};
    }
    const auto what = fmt::format("{} paged in {} of {} watches, strongest at {} ({:+.0f} %)",
                                  s.detectors.front().name, s.paged, report.watches.size(),
                                  in_words(page->at), 100 * page->effect_ratio);
    if (s.paged == 1) {
        return what + ": leave that incident out of the baseline, or take a longer one";
    }
    return what + (report.history < long_history ? ": take a longer baseline"
                                                 : ": it changes by itself; tolerate more");
}

/// What its usual value is, where no factor changes it.
bool is_mostly_zero(const Cells& cells) {
    std::size_t there = 0;
    std::size_t zero = 0;
    for (const auto& cell : cells) {
        there += cell.denominator > 0 ? 1 : 0;
        zero += cell.denominator > 0 && std::abs(cell.numerator) <= 0 ? 1 : 0;
    }
    return 2 * zero > there;
}

bool is_mostly(std::size_t count, std::size_t all) {
    return 2 * count > all;
}

/// Closing would wait for a proof that an unchanged system seldom gives.
bool is_hardly_proven(const PlaceboReport& report, std::size_t i, const EnsembleSignal& signal) {
    const auto& s = report.signals[i];
    return signal.required && report.proof_missing.empty() && 2 * s.proven < s.watches;
}

bool is_hopeless(const PlaceboReport& report, std::size_t i, const EnsembleSignal& signal) {
    const auto& s = report.signals[i];
    return s.watches == 0 || is_mostly(s.paged, s.watches) ||
           (!is_seen(s.promise) && !is_mostly(s.proven, s.watches)) ||
           is_hardly_proven(report, i, signal);
}

/// For what is too noisy for its history and margin.
std::string help_for(const PlaceboReport& report, const EnsembleSignal& signal,
                     bool hardly_proven) {
    if (report.history < report.cycle) {
        return fmt::format("the baseline is shorter than a cycle of {}; take a longer one",
                           in_words(report.cycle));
    }
    if (report.history < week) {
        return fmt::format("a baseline of {} is short; take 7 d or more", in_words(report.history));
    }
    return fmt::format("give it a wider margin{}{}",
                       signal.is_load ? "" : ", or a load signal that explains it",
                       hardly_proven ? ", or do not require it" : "");
}

std::string about_limits(const PlaceboReport& report, std::size_t i, const EnsembleSignal& signal,
                         const Cells& cells) {
    const auto& s = report.signals[i];
    const bool blind = !is_seen(s.promise) && s.promise.watches > 0;
    if (blind && is_mostly_zero(cells)) {
        return "it is mostly 0, which no factor changes: watch it by a threshold";
    }
    std::vector<std::string> lacks;
    if (blind) {
        lacks.push_back(std::isnan(s.promise.within_watch)
                            ? "no factor is seen"
                            : fmt::format("less than x{:g} is not seen", s.promise.within_watch));
    }
    if (blind && is_mostly(s.proven, s.watches)) {  // neither data nor margin are wanting
        return fmt::format(
            "{} by a page, though {} of {} watches are proof: add a threshold, or close by proof "
            "only",
            lacks.front(), s.proven, s.watches);
    }
    const bool hardly_proven = is_hardly_proven(report, i, signal);
    if (hardly_proven) {
        lacks.push_back(fmt::format("{} of {} watches are proof", s.proven, s.watches));
    }
    return lacks.empty() ? ""
                         : fmt::format("{}: {}", fmt::join(lacks, ", "),
                                       help_for(report, signal, hardly_proven));
}

std::string advice_for(const PlaceboReport& report, std::size_t i, const EnsembleSignal& signal,
                       const Cells& cells, double level) {
    const auto& s = report.signals[i];
    if (s.watches == 0) {
        return "it has no data before or in the watches: nothing is judged";
    }
    std::vector<std::string> out;
    if (auto pages = about_pages(report, i, level); !pages.empty()) {
        out.push_back(std::move(pages));
    }
    if (s.promise.watches == 0) {
        out.emplace_back("it pages by itself in every watch: no factor to promise");
    } else if (auto limits = about_limits(report, i, signal, cells); !limits.empty()) {
        out.push_back(std::move(limits));
    }
    return fmt::format("{}", fmt::join(out, "; "));
}

/// Judged by whole weeks once there are two; until then by a method of its own.
void note_methods(PlaceboReport& report, Timestamp begin) {
    if (report.cycle != week || report.history < 2 * week) {
        return;
    }
    const auto early =
        std::count_if(report.watches.begin(), report.watches.end(),
                      [&](const PlaceboWatch& w) { return w.window.begin - begin < 2 * week; });
    if (early > 0) {
        report.notes.push_back(
            fmt::format("with less than two weeks before it, a watch is not judged by whole weeks, "
                        "as the upgrade "
                        "is: {} of {}; a baseline of 28 d measures that",
                        early, report.watches.size()));
    }
}

// ---- words

std::string watches_in_words(Milliseconds watch, std::size_t n) {
    const char* const many = n == 1 ? "" : "s";
    if (watch == 24h || watch == week) {
        return fmt::format("{} past {}{}", n, watch == week ? "week" : "day", many);
    }
    return fmt::format("{} past watch{} of {}", n, n == 1 ? "" : "es", in_words(watch));
}

std::string pages_in_words(const PlaceboReport& report,
                           const std::vector<EnsembleSignal>& signals) {
    std::string out;
    std::size_t pages = 0;
    for (const auto& watch : report.watches) {
        std::vector<bool> named(signals.size(), false);
        for (const auto& alert : watch.alerts) {
            if (alert.severity < Severity::page || named[alert.signal]) {
                continue;
            }
            named[alert.signal] = true;
            if (pages++ < pages_named_max) {
                out += fmt::format("{}{} by {} at {}", out.empty() ? "" : ", ",
                                   signals[alert.signal].name, alert.detector, in_words(alert.at));
            }
        }
    }
    return pages > pages_named_max ? out + fmt::format(" and {} more", pages - pages_named_max)
                                   : out;
}

std::string false_pages_in_words(const PlaceboReport& report,
                                 const std::vector<EnsembleSignal>& signals) {
    const auto pages = pages_in_words(report, signals);
    return fmt::format("{} of {} would have paged (95 %: {:.0f} to {:.0f} %){}{}", report.paged,
                       watches_in_words(report.watch, report.watches.size()),
                       100 * report.paged_share.lower, 100 * report.paged_share.upper,
                       pages.empty() ? "" : ": ", pages);
}

std::string promise_in_words(const PlaceboReport& report,
                             const std::vector<EnsembleSignal>& signals) {
    const auto seen = [&](double PlaceboPromise::*horizon) {
        return std::count_if(  // of what is not judged nothing is promised
            report.signals.begin(), report.signals.end(), [&](const PlaceboSignal& s) {
                return s.promise.watches > 0 && s.promise.*horizon <= hopeless_factor;
            });
    };
    const auto judged = std::count_if(signals.begin(), signals.end(),
                                      [](const EnsembleSignal& s) { return s.judged; });
    return fmt::format("x{:g} worse, {} of {} signals page within 1 h, {} within 1 d, {} in all",
                       hopeless_factor, seen(&PlaceboPromise::within_hour), judged,
                       seen(&PlaceboPromise::within_day), seen(&PlaceboPromise::within_watch));
}

std::string proof_in_words(const PlaceboReport& report) {
    if (!report.proof_missing.empty()) {
        return "proof is " + report.proof_missing;
    }
    std::size_t judged = 0;
    std::size_t proven = 0;
    for (const auto& watch : report.watches) {
        judged += watch.judged;
        proven += watch.proven;
    }
    return fmt::format("{} of {} watches would have closed; {} of {} judgements were proof",
                       report.passed, report.watches.size(), proven, judged);
}

std::string hopeless_in_words(const PlaceboReport& report,
                              const std::vector<EnsembleSignal>& signals) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < signals.size(); ++i) {
        if (report.signals[i].hopeless) {
            names.push_back(signals[i].name);
        }
    }
    if (names.empty()) {
        return "no signal is hopeless";
    }
    const auto all = names.size();
    const auto named = std::min(all, hopeless_named_max);
    names.resize(named);
    return fmt::format("hopeless: {}{}", fmt::join(names, ", "),
                       all > named ? fmt::format(" and {} more", all - named) : "");
}

}  // namespace

ShareInterval share_interval(std::size_t count, std::size_t of) {
    constexpr double one_side = 0.025;
    const auto k = static_cast<double>(count);
    const auto n = static_cast<double>(of);
    return {.lower = count == 0 ? 0 : boost::math::ibeta_inv(k, n - k + 1, one_side),
            .upper = count >= of ? 1 : boost::math::ibetac_inv(k + 1, n - k, one_side)};
}

PlaceboReport placebo(const EnsemblePlan& plan, const std::vector<EnsembleSignal>& signals,
                      const std::vector<Cells>& history, const PlaceboSettings& settings,
                      const ForEach& for_each) {
    const auto course = course_of(plan, history, settings);
    PlaceboReport report{.history = history_length(plan, history),
                         .watch = plan.cell * static_cast<std::int64_t>(course.length),
                         .cycle = plan.cycle,
                         .emptiness = course.why_none};
    if (course.starts.empty()) {
        return report;
    }
    if (report.watch < plan.cycle) {
        report.proof_missing = "not measurable: the watch is shorter than a cycle";
    }
    Counting counting{signals, settings, course.starts.size(), report};
    for (const auto first : course.starts) {
        const auto begin = plan.begin + plan.cell * static_cast<std::int64_t>(first);
        const auto trial = trial_of(plan, signals, history, first, course.length, for_each);
        if (!counting.add(trial, {begin, begin + report.watch}, for_each)) {
            return {.history = report.history,
                    .watch = report.watch,
                    .cycle = report.cycle,
                    .emptiness = "it was stopped before the end"};
        }
    }
    counting.finish();
    note_methods(report, plan.begin);
    for (std::size_t i = 0; i < signals.size(); ++i) {
        if (signals[i].judged) {
            auto& s = report.signals[i];
            s.hopeless = is_hopeless(report, i, signals[i]);
            s.advice = advice_for(report, i, signals[i], history[i], plan.levels.page);
        }
    }
    return report;
}

std::string in_words(const PlaceboReport& report, const std::vector<EnsembleSignal>& signals) {
    if (!report.emptiness.empty()) {
        return "nothing was replayed: " + report.emptiness;
    }
    return fmt::format("{}\n{}\n{}\n{}", false_pages_in_words(report, signals),
                       promise_in_words(report, signals), proof_in_words(report),
                       hopeless_in_words(report, signals));
}

}  // namespace holdfast::rules
