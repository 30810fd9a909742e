#pragma once
#include <array>
#include <vector>

#include "model/cells.h"
#include "model/signal.h"
#include "rules/judging/level.h"
#include "rules/judging/rhythm.h"

namespace holdfast::rules {

/// Bad events against what they are counted out of (requests, seconds): a mixture of likelihood
/// ratios of negative binomials, an e-process, so that a look at any moment costs nothing. What is
/// expected is the history's rate by hour of the day; counts are divided by their dispersion
/// (bursts are not independent events), and the shape holds the variance of the rate between weeks
/// and the error of a finite history. A history without one event is information: half an event in
/// all. Ref: docs/statistics.md, "Events".
class EventsModel {
public:
    /// `history`: bad events and all, on `grid`. `tolerated`, `margin`: of the rate.
    EventsModel(const Cells& history, const Grid& grid, const Rhythm& rhythm,
                std::size_t watch_cells, const Allowance& tolerated, const Allowance& margin);

    /// Whether they are few: less than 20 an hour. More are a level, whose noise is
    /// known from windows of every length.
    bool are_few() const { return few_; }
    /// Expected bad events of a cell with so many events in all, `tolerated` included.
    double expected(Timestamp at, double all) const;
    double usual(Timestamp at) const;  ///< rate
    std::size_t restart_cells() const { return restart_cells_; }
    /// What evidence is multiplied by, at most 1: as if the history's own days had shown no more of
    /// it than chance does.
    double trust() const { return trust_; }

private:
    friend class EventsWatch;
    double trust_of(const Cells& history, const Grid& grid) const;

    Rhythm rhythm_;
    std::vector<double> rates_;  ///< by hour of the day
    Allowance tolerated_;
    double effect_min_ = 0;  ///< log of the smallest rise that is spoken of
    double amount_min_ = 0;  ///< the same in the rate's unit
    double dispersion_ = 1;
    /// Of restarted windows: their expectation is small, and so an error of the dispersion is dear.
    double restart_dispersion_ = 1;
    double shape_ = 1;
    std::size_t restart_cells_ = 1;
    double days_ = 1;  ///< of the planned watch
    double trust_ = 1;
    bool few_ = true;
};

class EventsWatch {
public:
    explicit EventsWatch(const EventsModel& model) : model_{&model} {}

    /// The next cell; `bad.denominator` 0: it is missing.
    void add(const Cell& bad, Timestamp at);

    struct Found {
        Evidence10 evidence;  ///< effect: log of observed over usual
        double usual = 0;     ///< rate in the window
        double observed = 0;
    };
    /// Over the window since the start and those restarted each hour, the youngest day of them. A
    /// window speaks only while its last quarter is still half as bad.
    Found look() const;
    /// The same of restarted windows alone, unpriced: the history's own days are measured by it.
    /// `youngest`: of the one that began with this hour.
    double unpriced(bool youngest) const;

private:
    struct Sums {
        double bad = 0, all = 0, expected = 0, usual = 0;
        double cells = 0;  ///< with a bad event
    };
    Sums between(std::size_t first, std::size_t last) const;
    /// Evidence of the window from `first` on, unpriced; 0 where it does not speak.
    Found weigh(std::size_t first, double dispersion) const;
    template <class Visit>
    void restarted(const Visit& visit) const;

    const EventsModel* model_;
    std::vector<Sums> before_{{}};  ///< of all cells before a cell
};

}  // namespace holdfast::rules
