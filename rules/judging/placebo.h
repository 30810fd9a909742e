#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/judging/ensemble.h"

namespace holdfast::rules {

/// What is replayed of a baseline. Watches are whole cells; factors that are not above 1 are
/// dropped.
struct PlaceboSettings {
    Milliseconds watch{};
    std::vector<double> factors{1.05, 1.1, 1.2, 1.3, 1.5, 2, 3, 5};
    std::size_t watches_max = 24;  ///< where more fit, they are spread evenly
    /// Told after each judged copy of a watch, by the thread that judged it: so many of all copies
    /// of all watches. Empty: nobody asks.
    std::function<void(std::size_t judged, std::size_t all)> progress;
};

/// The smallest factors that page: they and all larger ones did, in four of five watches at least.
/// NaN where none did. A watch that is shorter than a horizon stands for it.
struct PlaceboPromise {
    double within_hour = 0;
    double within_day = 0;
    double within_watch = 0;
    std::size_t watches = 0;  ///< that could tell: with data, and not paging by themselves
};

/// One upgrade that did not happen.
struct PlaceboWatch {
    Window window{};
    std::vector<EnsembleAlert> alerts;  ///< by time; all are false
    std::size_t judged = 0;             ///< judged signals with data before and in the watch
    std::size_t proven = 0;             ///< of them
    bool passed = false;  ///< no page, and every required signal is proven: it would have closed
};

/// Watches in which one detector paged.
struct PlaceboDetector {
    std::string_view name;
    std::size_t watches = 0;
};

/// What is to be expected of one signal; empty where it only explains others.
struct PlaceboSignal {
    std::size_t watches = 0;                 ///< with data before and in them
    std::size_t paged = 0;                   ///< of them: a page or worse
    std::size_t warned = 0;                  ///< a warning and nothing worse
    std::size_t proven = 0;                  ///< 0 throughout where proof_missing says why
    std::vector<PlaceboDetector> detectors;  ///< that paged, most watches first
    PlaceboPromise promise;  ///< of a worsening of this signal; traffic is changed by itself
    bool hopeless = false;   ///< it cries wolf, or cannot see what matters, or can hardly be proven
    std::string advice;      ///< what would help; empty: nothing is wanting
};

/// 0..1.
struct ShareInterval {
    double lower = 0;
    double upper = 1;
};

struct PlaceboReport {
    Milliseconds history{};
    Milliseconds watch{};
    Milliseconds cycle{};
    std::string emptiness;      ///< why there are no watches; empty where there are
    std::string proof_missing;  ///< why proof is not measurable; empty where it is
    std::vector<std::string> notes;
    std::vector<PlaceboWatch> watches;  ///< by time
    std::vector<PlaceboSignal> signals;
    std::size_t paged = 0;      ///< watches with a page or worse, of any signal
    std::size_t warned = 0;     ///< watches with a warning and nothing worse
    std::size_t passed = 0;     ///< watches that would have closed
    ShareInterval paged_share;  ///< 95 % (Clopper and Pearson 1934)
    PlaceboPromise all_load;    ///< of all traffic together, where there are several such signals
};

/// Replays the second half of a history as upgrades that did not happen: each watch is judged by
/// the same engine, which has learnt what lies before it; that is half of the history at least, and
/// two days of the rhythm. Every page is false. Then the same watches with signals made worse by
/// the factors, as they would be from the upgrade on: up or down as is worse, up where both are.
/// All costs are changed at once; traffic, which explains them, apart from them, and at most an
/// eighth of several such signals at once, because together they explain each other.
///
/// Hopeless is a signal without data, one that pages by itself in most watches, one of which a
/// doubling is neither promised within the watch nor ruled out by proof in most, and one that is
/// required and proven in fewer than half.
///
/// `history` is as learn_ensemble() takes it; plan.upgrade and plan.planned_end are not read.
/// Baselines before the watches are shorter than the upgrade's own: what is said is cautious.
/// `for_each` learns signals and judges copies. One that stops calling before the end, because
/// nobody wants to know any more, ends it soon: the report then says so and nothing else. Pure and
/// deterministic.
PlaceboReport placebo(const EnsemblePlan& plan, const std::vector<EnsembleSignal>& signals,
                      const std::vector<Cells>& history, const PlaceboSettings& settings,
                      const ForEach& for_each = one_by_one);

/// The two-sided 95 % interval of a share (Clopper and Pearson 1934). All of 0..1 of nothing.
ShareInterval share_interval(std::size_t count, std::size_t of);

/// `2 of 17 past days would have paged (95 %: 1 to 36 %): tcp_timeouts by level at …`, what would
/// be seen, what could be proven, and which signals are hopeless; one line each.
std::string in_words(const PlaceboReport& report, const std::vector<EnsembleSignal>& signals);

}  // namespace holdfast::rules
