#pragma once
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "model/signal.h"
#include "model/time.h"
#include "rules/trend_line.h"
#include "rules/window_sums.h"

namespace holdfast::rules {

/// What a rule's thresholds say of one signal now.
struct Breach {
    Severity severity = Severity::none;  ///< the worst since it began
    Timestamp since{};                   ///< when it was first said
    Timestamp window_begin{};            ///< of the data that decided
    /// In the signal's unit. Burn rate: over the long window. Projected: the present level.
    double observed = 0;
    double limit = 0;   ///< what that was compared with, in the same unit
    std::string cause;  ///< one sentence for people, with the figures that decided
};

/// Watches one signal for the thresholds of one rule. No clock and no baseline: the same points and
/// usual levels give the same breaches, live, replayed or after a restart.
///
/// - *It begins* when a value was beyond a threshold for its duration without interruption. A value
///   within, or a gap of more than ten steps and more than a minute, interrupts; a step is the
///   smallest time between two points so far.
/// - *While it holds* the severity only rises. The figures are those of the newest point at which a
///   threshold of its severity held, the first such of the list.
/// - *It ends* when no threshold was beyond in at least 3 points without a gap, for as long as it
///   took to fire and at least for the threshold's duration (a burn rate's short window).
///   Missing data ends nothing.
///
/// Relative: beyond the usual level by more than the share of its size. Of a usual level of 0 any
/// share is 0. Where the level is unknown the points are missing data for that threshold: it is not
/// beyond, a run goes on only if the level is back before a gap is over, and if it was beyond
/// during the breach there is no calm either.
///
/// Burn rate (Google, The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate
/// Alerts"): the shares of bad events (sums over sums) of the long and of the short window are both
/// above value * (1 - objective). Before the long window has passed it is what there is since the
/// start. Known when data covers at least the short window's length of the long window, and half of
/// the short one; where it is not, points are missing data as above. The windows are sums in
/// buckets (WindowSums): under 5 KiB per burn rate.
///
/// Projected: a point beyond the limit is beyond, as of a hard threshold. Else, where the line
/// through the last `over` (TrendLine; it covers half of that) will be beyond after `within`. Where
/// there is no line points are missing data as above.
class ThresholdWatch {
public:
    /// Usual levels kept that lie ahead of the points; with more it is unknown from the last one
    /// on.
    static constexpr std::size_t levels_ahead_max = 4096;

    /// `signal_name` ends in the unit; `subject` is what sentences begin with: to_string(SignalId).
    /// A threshold whose action is none is not watched.
    ThresholdWatch(const std::vector<Threshold>& thresholds, std::string signal_name,
                   std::string subject);

    /// The next point, in time order: one that is earlier than the last, or no finite number, is
    /// ignored.
    void add(const Point& point);
    /// The level that the baseline expects from `from` on; nothing: it is unknown. Replaces what
    /// was said of later times.
    void usual(Timestamp from, std::optional<double> level);

    /// The worst that holds; stays until it has ended.
    const std::optional<Breach>& breach() const { return breach_; }
    /// When the last breach ended by evidence.
    std::optional<Timestamp> ended_at() const { return ended_at_; }

private:
    enum class Seen { unknown, within, beyond };
    struct Watched {
        Threshold threshold;
        std::optional<WindowSums> window, short_window;  ///< of a burn rate
        std::optional<TrendLine> trend;                  ///< of a projected one
        std::optional<Timestamp> since;                  ///< beyond without interruption since
        std::optional<Timestamp> last;                   ///< newest point beyond
        bool involved = false;                           ///< beyond since the breach began
    };
    struct Level {
        Timestamp from;
        std::optional<double> level;
    };

    bool is_usable(const Point& point) const;
    Milliseconds gap_max() const;
    void reach(Timestamp at);
    Seen look(Watched& watched, const Point& point, Milliseconds covered) const;
    Seen look_at_level(const Threshold& threshold, double value) const;
    Seen look_at_burn(Watched& watched, const Point& point, Milliseconds covered) const;
    Seen look_ahead(Watched& watched, const Point& point, Milliseconds covered) const;
    void tell(const Watched& watched, const Point& point);
    Breach described(const Watched& watched, const Point& point) const;
    Breach described_level(const Watched& watched, const Point& point, double level) const;
    Breach described_burn(const Watched& watched, const Point& point) const;
    Breach described_ahead(const Watched& watched, const Point& point) const;
    void count_calm(Timestamp at);

    std::vector<Watched> watched_;
    std::string signal_name_;
    std::string subject_;

    std::deque<Level> ahead_;  ///< by time
    std::optional<double> usual_;

    std::optional<Breach> breach_;
    Milliseconds took_{0};  ///< to fire: so long must it be calm
    std::optional<Timestamp> ended_at_;

    std::optional<Timestamp> first_, last_;
    std::optional<Milliseconds> step_;     ///< smallest time between two points
    std::optional<Timestamp> calm_since_;  ///< beyond no threshold, without a gap, since
    Timestamp calm_last_{};
    int calm_points_ = 0;
};

}  // namespace holdfast::rules
