#include "rules/upgrade_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numbers>
#include <random>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Side = Threshold::Side;
using Sort = Threshold::Sort;

// --- a simulated target ------------------------------------------------------------------------

const Timestamp friday_at_ten{24h * 20'000 + 10h};
constexpr Milliseconds no_lag{0};

/// A number between -1 and 1 that belongs to an instant: the same whoever asks, in any order.
double wobble(Timestamp at, std::uint64_t seed) {
    auto x = static_cast<std::uint64_t>(at.time_since_epoch().count()) * 0x9e3779b97f4a7c15 + seed;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return 2 * static_cast<double>((x ^ (x >> 31)) >> 11) / 9007199254740992.0 - 1;
}

using Level = std::function<double(Timestamp)>;

/// `level` with 5 % of noise.
Level about(double level, std::uint64_t seed = 1) {
    return [=](Timestamp at) { return level * (1 + 0.05 * wobble(at, seed)); };
}
/// The same that is multiplied by `factor` in [from, to).
Level times(Level level, double factor, Timestamp from, Timestamp to = Timestamp::max()) {
    return [=](Timestamp at) { return level(at) * (at >= from && at < to ? factor : 1); };
}
/// Nothing is measured in [from, to).
Level silent(Level level, Timestamp from, Timestamp to = Timestamp::max()) {
    return [=](Timestamp at) { return at >= from && at < to ? NAN : level(at); };
}

/// One signal of the target: what its collector reads, and how often.
struct Simulated {
    std::string name;
    Level level = about(10);
    Kind kind = Kind::gauge;
    std::string source = "queues";
    double events = 50;  ///< per step, of a ratio or a latency
    Labels labels{};
    bool in_baseline = true;
};

bool is_level(Kind kind) {
    return kind == Kind::gauge || kind == Kind::trend;
}

SignalDefinition definition_of(const Simulated& s) {
    const auto use = is_level(s.kind) ? Term::Use::value : Term::Use::increase;
    SignalDefinition out{.name = s.name, .kind = s.kind};
    out.numerator = {{{"holdfast_" + s.name, {}}, use, 1}};
    if (s.kind == Kind::ratio || s.kind == Kind::latency) {
        out.denominator = {{{"holdfast_" + s.name + "_events", {}}, use, 1}};
    }
    for (const auto& [label, value] : s.labels) {
        out.by.push_back(label);
    }
    return out;
}

Rule rule_of(std::string name) {
    return {.name = name + "_rule", .signal = std::move(name), .required = true};
}

struct Row {
    std::string source;
    Timestamp at;
    Timestamp received;
    Reading reading;
};
using Rows = std::vector<Row>;

/// A target with its upgrade, and all that a watch is made of.
struct Target {
    Milliseconds cycle = 24h;
    Milliseconds cell = 5min;
    Milliseconds step = 5min;  ///< between two readings
    int cycles = 4;            ///< of history
    Milliseconds gap{0};       ///< between the history and the upgrade
    Timestamp begin = friday_at_ten;
    UtcOffsets offsets{};
    Milliseconds lag = no_lag;
    std::optional<std::size_t> history_cells{};
    std::vector<Simulated> signals{};
    std::vector<Rule> rules{};
    std::function<void(Upgrade&)> change = [](Upgrade&) {};

    /// A cycle of a day, and one of a minute as in a demo.
    static Target of_days() { return {}; }
    static Target of_minutes() { return {.cycle = 60s, .cell = 1s, .step = 1s, .cycles = 2}; }

    Target& add(Simulated signal) {
        rules.push_back(rule_of(signal.name));
        signals.push_back(std::move(signal));
        return *this;
    }
    Target& add_without_rule(Simulated signal) {
        signals.push_back(std::move(signal));
        return *this;
    }

    Upgrade upgrade() const {
        Upgrade out{.id = "u1", .target = "shop", .phase = Phase::watching};
        out.started_at = begin - 1h;
        out.window_end_at = begin;
        out.cycle = cycle;
        out.lag = lag;
        out.rules = rules;
        for (const auto& s : signals) {
            const auto same = [&](const auto& d) { return d.name == s.name; };
            if (std::none_of(out.signals.begin(), out.signals.end(), same)) {
                out.signals.push_back(definition_of(s));
            }
        }
        change(out);
        return out;
    }
    std::size_t cells() const {
        return history_cells.value_or(static_cast<std::size_t>(cycle * cycles / cell));
    }
    BaselineHistory history() const {
        BaselineHistory out{.cell = cell};
        out.begin = begin - gap - cell * static_cast<std::int64_t>(cells());
        for (const auto& s : signals) {
            if (s.in_baseline) {
                out.signals.push_back(cells_of(s, out.begin));
            }
        }
        return out;
    }
    Baseline baseline() const {
        const auto past = history();
        Baseline out{.id = "b1", .window = {past.begin, begin - gap}, .cycle = cycle, .cell = cell};
        out.offsets = offsets;
        out.whole_cycles =
            std::floor(static_cast<double>(cells()) *
                       (static_cast<double>(cell.count()) / static_cast<double>(cycle.count())));
        const SeasonClock clock{cycle, offsets};
        std::size_t k = 0;
        for (const auto& s : signals) {
            if (s.in_baseline) {
                auto known = summarise({s.name, s.labels}, s.kind, past.signals[k++], past.begin,
                                       cell, clock);
                known->step = step;
                out.signals.push_back(std::move(*known));
            }
        }
        return out;
    }
    UpgradeWatch watch() const { return {upgrade(), baseline(), history()}; }

    /// The readings of every source from the last one before the window's end on, by time. They
    /// arrive a tenth of a second after their time.
    Rows rows(Milliseconds length) const {
        std::map<std::string, std::vector<const Simulated*>> by_source;
        for (const auto& s : signals) {
            by_source[s.source].push_back(&s);
        }
        Rows out;
        for (const auto& [source, members] : by_source) {
            const auto more = rows_of(source, members, length);
            out.insert(out.end(), more.begin(), more.end());
        }
        std::stable_sort(out.begin(), out.end(),
                         [](const auto& a, const auto& b) { return a.at < b.at; });
        return out;
    }

private:
    Cells cells_of(const Simulated& s, Timestamp from) const {
        Cells out;
        for (std::size_t k = 0; k < cells(); ++k) {
            Cell c;
            for (auto at = from; at < from + cell; at += step) {
                const double value = s.level(at);
                if (!std::isnan(value)) {
                    const double weight = is_by_events(s) ? s.events : 1;
                    c.numerator += weight * value;
                    c.denominator += weight;
                }
            }
            if (!is_by_events(s) && c.denominator > 0) {
                c = {c.numerator / c.denominator, 1};
            }
            out.push_back(c);
            from += cell;
        }
        return out;
    }
    static bool is_by_events(const Simulated& s) {
        return s.kind == Kind::ratio || s.kind == Kind::latency;
    }
    Rows rows_of(const std::string& source, const std::vector<const Simulated*>& members,
                 Milliseconds length) const {
        const double seconds = std::chrono::duration<double>(step).count();
        std::vector<std::shared_ptr<const Series>> values;
        std::vector<std::shared_ptr<const Series>> events;
        for (const auto* s : members) {
            const auto type = is_level(s->kind) ? SeriesType::gauge : SeriesType::counter;
            values.push_back(
                std::make_shared<const Series>(Series{"holdfast_" + s->name, s->labels, type}));
            events.push_back(std::make_shared<const Series>(
                Series{"holdfast_" + s->name + "_events", s->labels, SeriesType::counter}));
        }
        std::vector<double> counted(members.size(), 0);
        std::vector<double> counted_events(members.size(), 0);
        Rows out;
        for (auto at = begin - step; at < begin + length; at += step) {
            Row row{source, at, at + 100ms, {.epoch = 7, .samples = {}}};
            for (std::size_t i = 0; i < members.size(); ++i) {
                const auto& s = *members[i];
                const double value = s.level(at);
                if (std::isnan(value)) {
                    continue;
                }
                const double weight = is_by_events(s) ? s.events : seconds;
                counted[i] += weight * value;
                counted_events[i] += weight;
                row.reading.samples.push_back(
                    {values[i], at, is_level(s.kind) ? value : counted[i]});
                if (is_by_events(s)) {
                    row.reading.samples.push_back({events[i], at, counted_events[i]});
                }
            }
            if (!row.reading.samples.empty()) {
                out.push_back(std::move(row));
            }
        }
        return out;
    }
};

void tell(UpgradeWatch& watch, const Row& row) {
    watch.observe(row.source, row.at, row.received, row.reading);
}
void tell(UpgradeWatch& watch, const Rows& rows) {
    for (const auto& row : rows) {
        tell(watch, row);
    }
}

/// A watch that is told rows as they arrive, and looks every `every`.
class Player {
public:
    Player(const Target& target, Milliseconds length)
        : begin_{target.begin},
          every_{target.step},
          rows_{target.rows(length)},
          watch_{target.watch()},
          now_{target.begin} {}

    using Seen = std::function<void(Timestamp, const std::vector<Judged>&)>;
    const std::vector<Judged>& until(Milliseconds after, const Seen& seen = {}) {
        while (now_ < begin_ + after) {
            now_ = std::min(now_ + every_, begin_ + after);
            for (; next_ < rows_.size() && rows_[next_].received < now_; ++next_) {
                tell(watch_, rows_[next_]);
            }
            const auto& judged = watch_.judged(now_);
            if (seen) {
                seen(now_, judged);
            }
        }
        return watch_.judged(now_);
    }
    /// When the first rule was first said to be regressed at that severity.
    std::optional<Milliseconds> first_regression(Milliseconds until_after,
                                                 Severity least = Severity::page) {
        std::optional<Milliseconds> out;
        until(until_after, [&](Timestamp now, const auto& judged) {
            if (!out && judged.at(0).severity >= least) {
                out = now - begin_;
            }
        });
        return out;
    }

private:
    Timestamp begin_;
    Milliseconds every_;
    Rows rows_;
    UpgradeWatch watch_;
    Timestamp now_;
    std::size_t next_ = 0;
};

const Judged& of_rule(const std::vector<Judged>& judged, const std::string& rule) {
    const auto found =
        std::find_if(judged.begin(), judged.end(), [&](const auto& j) { return j.rule == rule; });
    EXPECT_NE(found, judged.end()) << rule;
    return found == judged.end() ? judged.front() : *found;
}

void expect_no_nonsense(const std::vector<Judged>& judged) {
    for (const auto& j : judged) {
        EXPECT_FALSE(j.evidence.reason.empty());
        EXPECT_THAT(j.evidence.reason + j.evidence.missing,
                    Not(AnyOf(HasSubstr("nan"), HasSubstr("inf"))));
        EXPECT_EQ(j.judgement == Judgement::proven, j.evidence.missing.empty());
        EXPECT_EQ(j.judgement == Judgement::regressed, j.severity != Severity::none);
    }
}

void expect_same(const Judged& a, const Judged& b) {
    SCOPED_TRACE(a.rule);
    EXPECT_EQ(a.rule, b.rule);
    EXPECT_EQ(a.signal, b.signal);
    EXPECT_EQ(a.judgement, b.judgement);
    EXPECT_EQ(a.severity, b.severity);
    EXPECT_EQ(a.regressed_since, b.regressed_since);
    EXPECT_EQ(a.recovered_at, b.recovered_at);
    EXPECT_EQ(a.required, b.required);
    EXPECT_EQ(a.no_data, b.no_data);
    const auto& e = a.evidence;
    const auto& f = b.evidence;
    EXPECT_EQ(e.baseline, f.baseline);
    EXPECT_EQ(e.observed, f.observed);
    EXPECT_EQ(e.effect, f.effect);
    EXPECT_EQ(e.effect_lower, f.effect_lower);
    EXPECT_EQ(e.effect_upper, f.effect_upper);
    EXPECT_EQ(e.tolerated, f.tolerated);
    EXPECT_EQ(e.margin, f.margin);
    EXPECT_EQ(e.level, f.level);
    EXPECT_EQ(e.blocks, f.blocks);
    EXPECT_EQ(e.effective_blocks, f.effective_blocks);
    EXPECT_EQ(e.coverage_ratio, f.coverage_ratio);
    EXPECT_EQ(e.window, f.window);
    EXPECT_EQ(e.missing, f.missing);
    EXPECT_EQ(e.reason, f.reason);
}
void expect_same(const std::vector<Judged>& a, const std::vector<Judged>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        expect_same(a[i], b[i]);
    }
}

// --- who is judged -----------------------------------------------------------------------------

TEST(UpgradeWatch, JudgesEverySignalThatARuleMatchesInTheOrderOfTheRules) {
    auto target = Target::of_minutes();
    target.add_without_rule({.name = "queue_length", .labels = {{"queue", "mail"}}});
    target.add({.name = "queue_length", .labels = {{"queue", "orders"}}});
    target.add({.name = "cpu_ratio"});
    target.rules[0].match = {{"queue", "orders"}};
    target.rules.push_back({.name = "all_queues", .signal = "queue_length"});
    auto watch = target.watch();
    const auto& judged = watch.judged(target.begin);
    ASSERT_EQ(judged.size(), 4);
    EXPECT_EQ(judged[0].rule, "queue_length_rule");
    EXPECT_EQ(to_string(judged[0].signal), R"(queue_length{queue="orders"})");
    EXPECT_TRUE(judged[0].required);
    EXPECT_EQ(judged[1].rule, "cpu_ratio_rule");
    EXPECT_EQ(judged[2].rule, "all_queues");
    EXPECT_EQ(to_string(judged[2].signal), R"(queue_length{queue="mail"})");
    EXPECT_EQ(to_string(judged[3].signal), R"(queue_length{queue="orders"})");
    EXPECT_FALSE(judged[3].required);
}

TEST(UpgradeWatch, KeepsAWrittenRuleWithoutASignalAndLeavesOutAnImplicitOne) {
    auto target = Target::of_minutes();
    target.add({.name = "queue_length"});
    target.rules.push_back({.name = "written", .signal = "absent", .no_data = NoData::ignore});
    target.rules.push_back({.name = "nobody_wrote_it", .signal = "absent", .implicit = true});
    Player player{target, 65s};
    const auto& early = player.until(10s);
    ASSERT_EQ(early.size(), 2);
    EXPECT_EQ(early[1].rule, "written");
    EXPECT_EQ(early[1].signal.name, "absent");
    EXPECT_EQ(early[1].judgement, Judgement::learning);
    EXPECT_EQ(early[1].no_data, NoData::ignore);
    EXPECT_THAT(early[1].evidence.reason, HasSubstr("absent: nothing can be proven"));
    const auto& late = player.until(64s);
    EXPECT_EQ(late[0].judgement, Judgement::proven) << late[0].evidence.reason;
    EXPECT_EQ(late[1].judgement, Judgement::no_data);
    EXPECT_EQ(late[1].evidence.missing, "data");
    EXPECT_THAT(late[1].evidence.reason, HasSubstr("absent: no data since the upgrade"));
}

TEST(UpgradeWatch, IsLearningWhereASignalCameWithTheUpgrade) {
    auto target = Target::of_minutes();
    target.add({.name = "queue_length"});
    target.add({.name = "new_bytes", .in_baseline = false});
    Player player{target, 90s};
    const auto& judged = player.until(90s);
    EXPECT_EQ(judged[0].judgement, Judgement::proven) << judged[0].evidence.reason;
    EXPECT_EQ(judged[1].judgement, Judgement::learning);
    EXPECT_NEAR(judged[1].evidence.observed, 10, 0.5);
    EXPECT_THAT(judged[1].evidence.reason, HasSubstr("was not there before the upgrade"));
}

TEST(UpgradeWatch, WatchesTheThresholdsOfSignalsWithLabelsThatCameWithTheUpgrade) {
    auto target = Target::of_minutes();
    target.add({.name = "new_bytes", .labels = {{"disk", "a"}}, .in_baseline = false});
    Player player{target, 90s};
    EXPECT_EQ(player.until(90s).at(0).judgement, Judgement::learning);
    target.rules[0].thresholds = {{.side = Side::above, .value = 5}};
    Player limited{target, 90s};
    EXPECT_EQ(limited.until(90s).at(0).severity, Severity::page);
}

TEST(UpgradeWatch, IgnoresReadingsFromBeforeTheWindowsEnd) {
    auto target = Target::of_minutes();
    target.add({.name = "queue_length"});
    target.rules[0].thresholds = {{.side = Side::above, .value = 50}};
    const auto rows = target.rows(20s);
    auto before = rows.front();
    ASSERT_LT(before.at, target.begin);
    before.reading.samples[0].value = 100;
    auto watch = target.watch();
    auto clean = target.watch();
    for (const Milliseconds earlier : {60'000ms, 1'000ms, 1ms}) {
        before.at = target.begin - earlier;
        tell(watch, before);
    }
    EXPECT_EQ(watch.judged(target.begin)[0].severity, Severity::none);
    tell(watch, rows);
    tell(clean, rows);
    expect_same(watch.judged(target.begin + 20s), clean.judged(target.begin + 20s));

    before.at = target.begin;  // the window is over
    auto after = target.watch();
    tell(after, before);
    EXPECT_EQ(after.judged(target.begin + 1s)[0].severity, Severity::page);
}

// --- the same rows give the same judgements ----------------------------------------------------

/// All kinds of signals in two sources: unchanged, worse, worse for a while and silent in the end;
/// one with a threshold that is broken to the end.
Target one_of_each(Target target) {
    const auto after = [&](int percent) { return target.begin + target.cycle * percent / 100; };
    target.lag = 2 * target.step;
    target.add({.name = "queue_length"});
    target.add({.name = "cpu_ratio", .level = times(about(0.3, 2), 2, after(20)), .source = "cpu"});
    target.add({.name = "requests_per_second",
                .level = about(100, 3),
                .kind = Kind::rate,
                .source = "cpu"});
    target.add({.name = "latency_seconds",
                .level = times(about(0.02, 4), 3, after(10), after(40)),
                .kind = Kind::latency});
    target.add({.name = "failures_ratio",
                .level = about(0.02, 5),
                .kind = Kind::ratio,
                .source = "probe"});
    target.add({.name = "threads", .level = silent(about(50, 6), after(120)), .source = "probe"});
    target.add(
        {.name = "heap_bytes", .level = times(about(1e9, 7), 1.2, after(30)), .source = "cpu"});
    target.rules.back().thresholds = {{.side = Side::above, .value = 1.1e9}};
    target.change = [](Upgrade& upgrade) {
        upgrade.signals[2].load = true;
        upgrade.jobs = {{"backup", "queue_length", {}, Side::above, 1e6}};
    };
    return target;
}

class EitherCycle : public ::testing::TestWithParam<bool> {
public:
    static Target target() { return GetParam() ? Target::of_days() : Target::of_minutes(); }
};
INSTANTIATE_TEST_SUITE_P(UpgradeWatch, EitherCycle, ::testing::Bool(),
                         [](const auto& tested) { return tested.param ? "OfADay" : "OfAMinute"; });

/// The rows that arrive in [from, to).
Rows arriving(const Rows& rows, Timestamp from, Timestamp to) {
    Rows out;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(out),
                 [&](const auto& row) { return row.received >= from && row.received < to; });
    return out;
}
/// The same rows, source by source, the last source first.
Rows by_source(Rows rows) {
    std::stable_sort(rows.begin(), rows.end(),
                     [](const auto& a, const auto& b) { return a.source > b.source; });
    return rows;
}

TEST_P(EitherCycle, SaysTheSameBitForBitWhateverTheOrderOfSourcesAndTheMomentsOfLooks) {
    const auto target = one_of_each(EitherCycle::target());
    const auto rows = target.rows(2 * target.cycle);
    auto plain = target.watch();
    auto other = target.watch();
    auto seldom = target.watch();
    std::mt19937_64 engine{7};
    std::uniform_int_distribution<std::int64_t> ms{1, 3 * target.step.count()};
    auto plain_at = target.begin - 1h;
    auto other_at = plain_at;
    for (int percent = 10; percent <= 200; percent += 38) {
        SCOPED_TRACE(percent);
        const auto checkpoint = target.begin + target.cycle * percent / 100;
        tell(seldom, by_source(arriving(rows, std::min(plain_at, other_at), checkpoint)));
        while (plain_at < checkpoint) {
            const auto now = std::min(plain_at + target.step, checkpoint);
            tell(plain, arriving(rows, plain_at, now));
            plain.judged(now);
            plain_at = now;
        }
        while (other_at < checkpoint) {
            const auto now = std::min(other_at + Milliseconds{ms(engine)}, checkpoint);
            tell(other, by_source(arriving(rows, other_at, now)));
            other.judged(now);
            other_at = now;
        }
        expect_same(plain.judged(checkpoint), other.judged(checkpoint));
        expect_same(plain.judged(checkpoint), seldom.judged(checkpoint));
        expect_no_nonsense(plain.judged(checkpoint));
    }
    const auto& end = plain.judged(plain_at);
    EXPECT_EQ(of_rule(end, "cpu_ratio_rule").judgement, Judgement::regressed);
    EXPECT_TRUE(of_rule(end, "latency_seconds_rule").recovered_at);
    EXPECT_EQ(of_rule(end, "threads_rule").judgement, Judgement::no_data);
    EXPECT_EQ(of_rule(end, "heap_bytes_rule").judgement, Judgement::regressed);
}

TEST_P(EitherCycle, SaysTheSameBitForBitWhenItIsRebuiltHalfWayFromAllRows) {
    const auto target = one_of_each(EitherCycle::target());
    const auto rows = target.rows(2 * target.cycle);
    const auto end = target.begin + 2 * target.cycle;
    const auto half = target.begin + target.cycle * 70 / 100;
    auto through = target.watch();
    for (auto at = target.begin - target.step; at < end; at += target.step) {
        tell(through, arriving(rows, at, at + target.step));
        through.judged(at + target.step);
    }
    auto before = target.watch();
    tell(before, arriving(rows, {}, half));
    auto rebuilt = target.watch();
    tell(rebuilt, arriving(rows, {}, half));
    expect_same(before.judged(half), rebuilt.judged(half));
    tell(rebuilt, arriving(rows, half - target.cycle / 10, end));  // some of them twice
    expect_same(through.judged(end), rebuilt.judged(end));
}

TEST_P(EitherCycle, SaysTheSameBitForBitAfterABreachThatEnded) {
    auto target = EitherCycle::target();
    const auto spike = target.begin + target.cycle / 4;
    target.add(
        {.name = "free_bytes", .level = times(about(10), 3, spike, spike + 6 * target.step)});
    target.rules[0].worse = Direction::down;
    target.rules[0].thresholds = {{.side = Side::above, .value = 20}};
    const auto rows = target.rows(2 * target.cycle);
    const auto end = target.begin + target.cycle * 110 / 100;
    auto live = target.watch();
    for (auto at = target.begin - target.step; at < end; at += target.step) {
        tell(live, arriving(rows, at, at + target.step));
        live.judged(std::min(at + target.step, end));
    }
    auto rebuilt = target.watch();
    tell(rebuilt, arriving(rows, {}, end));
    ASSERT_TRUE(live.judged(end)[0].recovered_at);
    expect_same(live.judged(end), rebuilt.judged(end));
}

/// A signal that two sources have part in: b reads 300 ms after a.
struct TwoSources : ::testing::Test {
    Target target = Target::of_minutes();
    Rows rows;

    void SetUp() override {
        target.add({.name = "queue_length", .level = about(10, 1), .source = "a"});
        rows = target.rows(62s);
        auto more = rows;
        for (auto& row : more) {
            row.source = "b";
            row.at += 300ms;
            row.received += 300ms;
            row.reading.samples[0].at = row.at;
            row.reading.samples[0].value = about(10, 2)(row.at);
        }
        rows.insert(rows.end(), more.begin(), more.end());
    }
    void expect_any_order_at(Milliseconds told_until, Milliseconds look) const {
        auto one = target.watch();
        auto other = target.watch();
        auto told = arriving(rows, {}, target.begin + told_until);
        tell(other, by_source(told));
        std::stable_sort(told.begin(), told.end(),
                         [](const auto& a, const auto& b) { return a.at < b.at; });
        tell(one, told);
        expect_same(one.judged(target.begin + look), other.judged(target.begin + look));
    }
};

TEST_F(TwoSources, AreSummedInAnyOrder) {
    for (const auto after : {20s, 40s, 70s}) {
        expect_any_order_at(after, after);
    }
}

// add() keeps the time of the point that was told last, not of the newest.
TEST_F(TwoSources, AreSilentSinceTheNewestOfTheirPointsInAnyOrder) {
    expect_any_order_at(20s, 19s + 15s + 100ms);
}

TEST_P(EitherCycle, IgnoresRowsThatAreToldTwice) {
    const auto target = one_of_each(EitherCycle::target());
    const auto rows = target.rows(target.cycle);
    auto once = target.watch();
    auto twice = target.watch();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        tell(once, rows[i]);
        tell(twice, rows[i]);
        tell(twice, rows[i]);
        tell(twice, rows[i / 2]);
    }
    const auto end = target.begin + target.cycle;
    expect_same(once.judged(end), twice.judged(end));
}

// --- late rows ---------------------------------------------------------------------------------

/// The source says nothing from second 10 to 14 and then tells all of it at once, with figures that
/// nobody overlooks. With 2 s of lag, what belongs to seconds 10 to 12 comes too late.
struct LateRows : ::testing::Test {
    Target target = Target::of_minutes();
    Rows rows;
    Timestamp arrival = target.begin + 15s;

    void SetUp() override {
        target.lag = 2s;
        target.add({.name = "queue_length"});
        rows = target.rows(40s);
    }
    Rows with_late(Milliseconds first, Milliseconds last, Timestamp received) const {
        auto out = rows;
        for (auto& row : out) {
            if (row.at >= target.begin + first && row.at < target.begin + last) {
                row.received = received;
                row.reading.samples[0].value = 100;
            } else if (row.at >= target.begin + last && row.received < received) {
                row.received = received;
            }
        }
        return out;
    }
    Rows without(Milliseconds first, Milliseconds last) const {
        Rows out;
        std::copy_if(rows.begin(), rows.end(), std::back_inserter(out), [&](const auto& row) {
            return row.at < target.begin + first || row.at >= target.begin + last;
        });
        return out;
    }
    std::vector<Judged> told_at_once(const Rows& all) const {
        auto watch = target.watch();
        tell(watch, all);
        return watch.judged(target.begin + 40s);
    }
    std::vector<Judged> told_as_they_come(const Rows& all) const {
        auto watch = target.watch();
        for (auto at = target.begin - 1s; at < target.begin + 40s; at += 1s) {
            tell(watch, arriving(all, at, at + 1s));
            watch.judged(at + 1s);
        }
        return watch.judged(target.begin + 40s);
    }
};

TEST_F(LateRows, DoNotChangeWhatCellsSayWheneverTheyAreTold) {
    const auto late = with_late(10s, 13s, arrival);
    const auto expected = told_at_once(without(10s, 13s));
    expect_same(told_at_once(late), expected);
    expect_same(told_as_they_come(late), expected);
}

TEST_F(LateRows, ChangeWhatCellsSayWhenTheyComeInTime) {
    const auto without_it = told_at_once(without(13s, 14s))[0].evidence;
    for (const auto& told : {told_at_once(with_late(13s, 14s, arrival)),
                             told_as_they_come(with_late(13s, 14s, arrival))}) {
        EXPECT_GT(told[0].evidence.observed, without_it.observed * 1.05);
        EXPECT_EQ(told[0].evidence.blocks, without_it.blocks + 1);
    }
}

TEST_F(LateRows, AreInTimeUntilTheLagIsOver) {
    const auto end_of_cell = target.begin + 11s;
    const auto blocks = [&](Timestamp received) {
        return told_as_they_come(with_late(10s, 11s, received))[0].evidence.blocks;
    };
    EXPECT_EQ(blocks(end_of_cell + 2s - 1ms), blocks(end_of_cell + 2s) + 1);
}

TEST_F(LateRows, StillBreakThresholds) {
    target.rules[0].thresholds = {{.side = Side::above, .value = 50, .action = Severity::rollback}};
    const auto late = with_late(10s, 13s, arrival);
    auto watch = target.watch();
    tell(watch, arriving(late, {}, arrival + 1ms));
    const auto& judged = watch.judged(arrival + 1ms);
    EXPECT_EQ(judged[0].judgement, Judgement::regressed);
    EXPECT_EQ(judged[0].severity, Severity::rollback);
    EXPECT_EQ(judged[0].regressed_since, target.begin + 10s);
}

TEST_F(LateRows, LeaveACellUnjudgedUntilTheLagIsOver) {
    auto watch = target.watch();
    tell(watch, rows);
    EXPECT_EQ(watch.judged(target.begin + 5s + 2s - 1ms)[0].evidence.blocks, 4);
    EXPECT_EQ(watch.judged(target.begin + 5s + 2s)[0].evidence.blocks, 5);
}

// --- a gap before the upgrade ------------------------------------------------------------------

constexpr Milliseconds week = 24h * 7;

/// Berlin: winter time until the last Sunday of March 2026, 01:00 UTC.
const Timestamp to_summer = std::chrono::sys_days{std::chrono::year{2026} / 3 / 29} + 1h;
const Timestamp to_winter = std::chrono::sys_days{std::chrono::year{2026} / 10 / 25} + 1h;
const UtcOffsets berlin{{to_summer - 24h * 150, 3600s}, {to_summer, 7200s}, {to_winter, 3600s}};

/// Busy from nine to five, little at night, a third of it at weekends: in local time, with sharp
/// edges.
Level office(UtcOffsets offsets, std::uint64_t seed) {
    return [offsets = std::move(offsets), seed](Timestamp at) {
        auto offset = offsets.empty() ? 0s : offsets.front().offset;
        for (const auto& change : offsets) {
            offset = change.from <= at ? change.offset : offset;
        }
        const auto local = at + offset;
        const auto day = std::chrono::floor<std::chrono::days>(local);
        const std::chrono::weekday weekday{std::chrono::sys_days{day}};
        const bool weekend = weekday == std::chrono::Saturday || weekday == std::chrono::Sunday;
        const auto time = local - day;
        const double busy = time >= 9h && time < 17h ? 8 : 1;
        return 10 * (weekend ? busy / 3 : busy) * (1 + 0.1 * wobble(at, seed));
    };
}

void expect_no_page(const Target& target, Milliseconds length) {
    Player player{target, length};
    EXPECT_EQ(player.first_regression(length), std::nullopt)
        << player.until(length)[0].evidence.reason;
}
void expect_page_within(Target target, Milliseconds length) {
    target.signals[0].level = times(target.signals[0].level, 1.5, target.begin);
    Player player{target, length};
    EXPECT_TRUE(player.first_regression(length)) << player.until(length)[0].evidence.reason;
}

TEST(UpgradeWatch, IsNotMisledByAGapOfHoursBeforeTheUpgrade) {
    for (const Milliseconds gap : {Milliseconds{7h}, Milliseconds{13h + 7min + 13s}}) {
        SCOPED_TRACE(gap / 1min);
        auto target = Target::of_days();
        target.gap = gap;
        target.add({.name = "queue_length", .level = [](Timestamp at) {
                        const auto hours =
                            std::chrono::duration<double, std::ratio<3600>>(at.time_since_epoch());
                        return 10 *
                               std::exp(0.8 * std::sin(2 * std::numbers::pi * hours.count() / 24) +
                                        0.05 * wobble(at, 3));
                    }});
        expect_no_page(target, 24h);
        expect_page_within(target, 12h);
    }
}

TEST_P(EitherCycle, TakesAHistoryOfWholeCyclesAgoForOneOfYesterday) {
    const auto target = one_of_each(EitherCycle::target());
    auto history = target.history();
    auto yesterday = target.watch();
    history.begin -= 9 * target.cycle;
    UpgradeWatch long_ago{target.upgrade(), target.baseline(), history};
    const auto rows = target.rows(target.cycle);
    tell(yesterday, rows);
    tell(long_ago, rows);
    const auto end = target.begin + target.cycle;
    expect_same(yesterday.judged(end), long_ago.judged(end));
}

TEST(UpgradeWatch, IsNotMisledByAGapOfNineDaysInAWeek) {
    Target target{.cycle = week, .cycles = 3, .gap = 9 * 24h};
    target.add({.name = "queue_length", .level = office({}, 5)});
    target.rules[0].worse = Direction::both;
    expect_no_page(target, 4 * 24h);
    expect_page_within(target, 24h);
}

/// Three weeks of history that end nine days before the upgrade, in Berlin.
Target in_berlin(Timestamp begin, std::uint64_t seed) {
    Target target{.cycle = week, .cycles = 3, .gap = 9 * 24h, .begin = begin, .offsets = berlin};
    target.add({.name = "queue_length", .level = office(berlin, seed)});
    target.rules[0].worse = Direction::both;
    return target;
}

TEST(UpgradeWatch, IsNotMisledByAClockChangeInTheHistory) {
    const auto target = in_berlin(to_summer + 16 * 24h + 9h, 5);
    expect_no_page(target, 4 * 24h);
    expect_page_within(target, 24h);
}

TEST(UpgradeWatch, IsNotMisledByAClockChangeRightBeforeTheUpgrade) {
    const auto target = in_berlin(to_summer + 24h + 9h, 5);
    expect_no_page(target, 4 * 24h);
    expect_page_within(target, 24h);
}

TEST(UpgradeWatch, IsNotMisledByAClockChangeBetweenHistoryAndUpgrade) {
    for (const auto change : {to_summer, to_winter}) {
        for (int hour = 0; hour < 24; hour += 4) {
            SCOPED_TRACE(::testing::Message() << hour << " h, " << (change == to_summer));
            const auto target =
                in_berlin(change + 48h + 1h * hour, 5 + static_cast<unsigned>(hour));
            expect_no_page(target, 4 * 24h);
            expect_page_within(target, 24h);
        }
    }
}

// --- thresholds --------------------------------------------------------------------------------

TEST(UpgradeWatch, PagesForAHardLimitThatTheBaselineKnowsNothingOf) {
    auto target = Target::of_days();
    target.step = 1min;
    target.add({.name = "queue_length", .level = about(10)});
    target.rules[0].thresholds = {{.side = Side::above, .value = 9, .duration = 10min}};
    Player player{target, 2h};
    EXPECT_EQ(player.until(10min)[0].judgement, Judgement::watching);
    const auto& judged = player.until(11min)[0];
    EXPECT_EQ(judged.judgement, Judgement::regressed);
    EXPECT_EQ(judged.severity, Severity::page);
    EXPECT_EQ(judged.regressed_since, target.begin + 10min);
    EXPECT_EQ(judged.evidence.window, (Window{target.begin, target.begin + 10min}));
    EXPECT_THAT(judged.evidence.reason, HasSubstr("above 9 for 10 min; limit 9 for 10 min"));
    EXPECT_EQ(judged.evidence.missing, "the end of the regression");
    target.rules[0].thresholds.clear();
    Player happy{target, 2h};
    EXPECT_EQ(happy.first_regression(2h, Severity::warn), std::nullopt);
}

TEST(UpgradeWatch, SpeaksWithTheLargerSeverityOfThresholdAndCells) {
    auto target = Target::of_days();
    target.step = 1min;
    target.add({.name = "queue_length", .level = times(about(10), 3, target.begin)});
    target.rules[0].thresholds = {
        {.side = Side::above, .value = 20, .duration = 2min, .action = Severity::warn}};
    Player player{target, 24h};
    const auto& warned = player.until(4min)[0];
    EXPECT_EQ(warned.severity, Severity::warn);
    EXPECT_EQ(warned.regressed_since, target.begin + 2min);
    const auto& by_cells = player.until(24h)[0];
    EXPECT_EQ(by_cells.judgement, Judgement::regressed);
    EXPECT_EQ(by_cells.severity, Severity::rollback);
    EXPECT_THAT(by_cells.evidence.reason, HasSubstr("above its usual"));

    target.rules[0].thresholds[0].action = Severity::rollback;
    Player other{target, 24h};
    EXPECT_EQ(other.until(4min)[0].severity, Severity::rollback);
    const auto& both = other.until(24h)[0];
    EXPECT_EQ(both.severity, Severity::rollback);
    EXPECT_EQ(both.regressed_since, target.begin + 2min);
    EXPECT_THAT(both.evidence.reason, HasSubstr("limit 20"));
}

TEST(UpgradeWatch, BeginsTheProofAnewWhenABreachHasEnded) {
    auto target = Target::of_minutes();
    const auto spike = target.begin + 20s;
    target.add({.name = "free_bytes", .level = times(about(10), 3, spike, spike + 5s)});
    target.rules[0].worse = Direction::down;  // the cells do not mind
    target.rules[0].thresholds = {{.side = Side::above, .value = 20, .duration = 2s}};
    Player player{target, 100s};
    EXPECT_EQ(player.until(20s)[0].judgement, Judgement::watching);
    EXPECT_EQ(player.until(25s)[0].judgement, Judgement::regressed);
    const auto ended = player.until(40s)[0];
    EXPECT_EQ(ended.judgement, Judgement::watching);
    EXPECT_EQ(ended.severity, Severity::none);
    ASSERT_TRUE(ended.recovered_at);
    EXPECT_GE(*ended.recovered_at, spike + 7s);
    EXPECT_LE(*ended.recovered_at, spike + 12s);
    EXPECT_GE(ended.evidence.window.begin, *ended.recovered_at);
    std::optional<Timestamp> proven;
    const auto& last = player.until(100s, [&](Timestamp now, const auto& judged) {
        proven = judged[0].judgement == Judgement::proven && !proven ? now : proven;
    });
    ASSERT_TRUE(proven) << last[0].evidence.reason;
    EXPECT_GE(*proven, *ended.recovered_at + 60s);
    EXPECT_LE(*proven, *ended.recovered_at + 63s);
    EXPECT_EQ(last[0].recovered_at, ended.recovered_at);
}

/// 10 in the first half of the day, 100 in the second; nothing was measured from 05:00 to 06:00.
Target halves_of_a_day() {
    auto target = Target::of_days();
    target.add({.name = "queue_length", .level = [begin = target.begin](Timestamp at) {
                    const auto time = at - std::chrono::floor<std::chrono::days>(at);
                    const bool unseen = time >= 5h && time < 6h && at < begin;
                    return unseen ? NAN : (time < 12h ? 10 : 100) * (1 + 0.05 * wobble(at, 1));
                }});
    target.rules[0].thresholds = {
        {.value = 0.5, .duration = 10min, .action = Severity::warn, .sort = Sort::relative}};
    target.rules[0].margin = {100, 0};  // the cells do not mind
    target.rules[0].tolerated = {100, 0};
    return target;
}

TEST(UpgradeWatch, MeasuresRelativeThresholdsByWhatIsUsualAtThatHour) {
    const auto told = [](Milliseconds midnight_and) {
        auto target = halves_of_a_day();
        const auto from = target.begin + 14h + midnight_and;
        target.signals[0].level = [usual = target.signals[0].level, from](Timestamp at) {
            return at >= from && at < from + 30min ? 15.3 : usual(at);
        };
        Player player{target, 36h};
        std::optional<Judged> breach;
        player.until(36h, [&](Timestamp, const auto& judged) {
            breach =
                judged[0].severity > Severity::none && !breach ? std::optional{judged[0]} : breach;
        });
        return breach;
    };
    const auto at_night = told(2h);
    ASSERT_TRUE(at_night);
    EXPECT_EQ(at_night->regressed_since, friday_at_ten + 16h + 10min);
    EXPECT_THAT(at_night->evidence.reason, HasSubstr("queue_length is 15.3"));
    EXPECT_THAT(at_night->evidence.reason, HasSubstr("above its usual"));
    EXPECT_THAT(at_night->evidence.reason, HasSubstr("limit 50 % for 10 min"));
    EXPECT_EQ(told(14h), std::nullopt);  // of 100 it is less than usual
    EXPECT_EQ(told(5h), std::nullopt);   // nobody knows what is usual
}

// --- silence -----------------------------------------------------------------------------------

TEST(UpgradeWatch, HasNoDataAfterTenStepsAndAtLeastFifteenSeconds) {
    struct Case {
        Milliseconds step, limit;
    };
    for (const auto& [step, limit] : {Case{1s, 15s}, Case{1500ms, 15s}, Case{2s, 20s}}) {
        SCOPED_TRACE(step.count());
        auto target = Target::of_minutes();
        target.step = step;
        target.cell = 2s;
        target.add({.name = "queue_length"});
        const auto rows = target.rows(12s);
        auto watch = target.watch();
        tell(watch, rows);
        const auto last = rows.back().at;
        EXPECT_NE(watch.judged(last + limit)[0].judgement, Judgement::no_data);
        const auto& judged = watch.judged(last + limit + 1ms)[0];
        EXPECT_EQ(judged.judgement, Judgement::no_data);
        EXPECT_EQ(judged.evidence.missing, "data");
        EXPECT_THAT(judged.evidence.reason,
                    HasSubstr("queue_length: no data since 2024-10-04T10:00:1"));
    }
}

TEST(UpgradeWatch, MeasuresSilenceFromTheUpgradeWhereThereWasNeverAPoint) {
    auto target = Target::of_minutes();
    target.add({.name = "queue_length"});
    auto watch = target.watch();
    EXPECT_EQ(watch.judged(target.begin + 15s)[0].judgement, Judgement::watching);
    EXPECT_EQ(watch.judged(target.begin + 15s + 1ms)[0].judgement, Judgement::no_data);
}

TEST(UpgradeWatch, MeasuresSilenceFromWhereJudgingWasResumed) {
    auto target = Target::of_minutes();
    target.add({.name = "queue_length"});
    const auto resumed = target.begin + 10min;
    target.change = [resumed](Upgrade& upgrade) { upgrade.resumed_at = resumed; };
    auto watch = target.watch();
    tell(watch, target.rows(12s));
    EXPECT_NE(watch.judged(resumed + 15s)[0].judgement, Judgement::no_data);
    EXPECT_EQ(watch.judged(resumed + 15s + 1ms)[0].judgement, Judgement::no_data);

    target.change = [&](Upgrade& upgrade) { upgrade.resumed_at = target.begin + 5s; };
    auto earlier = target.watch();  // before the last point: that counts
    tell(earlier, target.rows(12s));
    EXPECT_NE(earlier.judged(target.begin + 26s)[0].judgement, Judgement::no_data);
    EXPECT_EQ(earlier.judged(target.begin + 26s + 1ms)[0].judgement, Judgement::no_data);
}

TEST(UpgradeWatch, WatchesAgainWhenDataIsBack) {
    auto target = Target::of_minutes();
    target.add({.name = "queue_length",
                .level = silent(about(10), target.begin + 10s, target.begin + 40s)});
    Player player{target, 60s};
    EXPECT_EQ(player.until(20s)[0].judgement, Judgement::watching);
    EXPECT_EQ(player.until(39s)[0].judgement, Judgement::no_data);
    EXPECT_EQ(player.until(41s)[0].judgement, Judgement::watching);
}

TEST(UpgradeWatch, KeepsARegressionThroughSilence) {
    auto target = Target::of_minutes();
    target.add({.name = "queue_length",
                .level = silent(times(about(10), 3, target.begin), target.begin + 40s)});
    Player player{target, 40s};
    ASSERT_EQ(player.until(40s)[0].judgement, Judgement::regressed);
    EXPECT_EQ(player.until(10min)[0].judgement, Judgement::regressed);
}

// --- what proofs need --------------------------------------------------------------------------

TEST(UpgradeWatch, PagesWithLessThanACycleOfHistoryButProvesNothing) {
    auto target = Target::of_days();
    target.history_cells = 12 * 12;  // half a day
    target.add({.name = "queue_length"});
    Player unchanged{target, 49h};
    unchanged.until(49h, [](Timestamp, const auto& judged) {
        EXPECT_EQ(judged[0].judgement, Judgement::learning);
    });
    EXPECT_THAT(unchanged.until(49h)[0].evidence.reason,
                HasSubstr("the baseline is shorter than one business cycle"));
    target.signals[0].level = times(target.signals[0].level, 3, target.begin);
    Player worse{target, 24h};
    EXPECT_TRUE(worse.first_regression(24h));
}

/// Unchanged, and proven after a minute if the job was seen.
Target with_a_job(double highest) {
    auto target = Target::of_minutes();
    const auto run = target.begin + 30s;
    target.add({.name = "queue_length"});
    target.add({.name = "threads", .level = about(50, 2)});
    target.rules[1].required = false;
    target.add_without_rule({.name = "io_bytes",
                             .level = [=](Timestamp at) { return at == run ? highest : 1; },
                             .source = "disk",
                             .labels = {{"disk", "a"}}});
    target.change = [](Upgrade& upgrade) {
        upgrade.jobs = {{"backup", "io_bytes", {{"disk", "a"}}, Side::above, 100},
                        {"other disk's", "io_bytes", {{"disk", "a"}}, Side::below, 2}};
    };
    return target;
}

TEST(UpgradeWatch, ProvesARequiredRuleOnlyWhenTheDeclaredJobsWereSeen) {
    Player unseen{with_a_job(100), 65s};  // the limit itself is not beyond
    const auto& without = unseen.until(65s);
    ASSERT_EQ(without.size(), 2);
    EXPECT_EQ(without[0].judgement, Judgement::watching);
    EXPECT_EQ(without[0].evidence.missing, "a run of backup");
    EXPECT_THAT(without[0].evidence.reason, HasSubstr("; not yet seen: a run of backup"));
    EXPECT_EQ(without[1].judgement, Judgement::proven) << without[1].evidence.reason;
    EXPECT_THAT(without[1].evidence.reason, Not(HasSubstr("backup")));
    Player seen{with_a_job(101), 65s};
    const auto& with = seen.until(65s);
    EXPECT_EQ(with[0].judgement, Judgement::proven) << with[0].evidence.reason;
    EXPECT_EQ(with[0].evidence.missing, "");
}

TEST(UpgradeWatch, NamesEveryJobThatWasNotSeenBesideWhatElseIsMissing) {
    auto target = with_a_job(1);
    target.change = [](Upgrade& upgrade) {
        upgrade.jobs = {{"backup", "io_bytes", {}, Side::above, 100},
                        {"report", "io_bytes", {{"disk", "b"}}, Side::above, 0}};
    };
    Player player{target, 65s};
    EXPECT_THAT(
        player.until(30s)[0].evidence.missing,
        AllOf(HasSubstr("more of the business cycle"), HasSubstr("a run of backup, report")));
    EXPECT_EQ(player.until(65s)[0].evidence.missing, "a run of backup, report");
}

TEST(UpgradeWatch, DoesNotTakeARiseThatTheLoadExplainsForARegression) {
    const auto hourly = [](Timestamp at, double share) {  // comes and goes from hour to hour
        const auto hour = std::chrono::floor<std::chrono::hours>(at);
        return 1 + share * wobble(hour, 11);
    };
    const auto target = [&](bool with_load, double busier) {
        auto out = Target::of_days();
        const auto requests =
            times([=](Timestamp at) { return 100 * hourly(at, 0.5); }, busier, out.begin);
        out.add({.name = "latency_seconds", .level = [=](Timestamp at) {
                     return 0.001 * requests(at) * (1 + 0.03 * wobble(at, 12));
                 }});
        if (with_load) {
            out.add_without_rule({.name = "requests_per_second", .level = [=](Timestamp at) {
                                      return requests(at) * (1 + 0.02 * wobble(at, 13));
                                  }});
            out.change = [](Upgrade& upgrade) { upgrade.signals[1].load = true; };
        }
        return out;
    };
    Player blind{target(false, 1.8), 24h};
    EXPECT_TRUE(blind.first_regression(24h));
    Player seeing{target(true, 1.8), 24h};
    EXPECT_EQ(seeing.first_regression(24h, Severity::warn), std::nullopt)
        << seeing.until(24h)[0].evidence.reason;
    EXPECT_EQ(seeing.until(24h).size(), 1);

    auto named = target(true, 1.8);  // by its name in the configuration
    named.change = [](Upgrade& upgrade) { upgrade.load = {"requests_per_second"}; };
    Player other{named, 24h};
    EXPECT_EQ(other.first_regression(24h, Severity::warn), std::nullopt);

    auto slow = target(true, 1);  // and what it does not explain is one
    slow.signals[0].level = times(slow.signals[0].level, 1.8, slow.begin);
    Player third{slow, 24h};
    EXPECT_TRUE(third.first_regression(24h));
}

TEST(UpgradeWatch, ProvesNothingBelowNineTenthsOfTheUsualPeakOfTheLoad) {
    const auto last = [](double share) {
        auto target = Target::of_minutes();
        target.add({.name = "queue_length"});
        const auto load = [](Timestamp at) { return 100 + wobble(at, 3); };
        target.add_without_rule({.name = "requests", .level = times(load, share, target.begin)});
        target.change = [](Upgrade& upgrade) { upgrade.load = {"requests"}; };
        Player player{target, 120s};
        return player.until(120s)[0];
    };
    const auto low = last(0.7);
    EXPECT_EQ(low.judgement, Judgement::watching);
    EXPECT_THAT(low.evidence.missing, HasSubstr("the usual load: 70"));
    EXPECT_THAT(low.evidence.missing, HasSubstr("90.0 % are needed"));
    EXPECT_EQ(last(0.87).judgement, Judgement::watching);
    EXPECT_EQ(last(0.93).judgement, Judgement::proven) << last(0.93).evidence.reason;
}

TEST_P(EitherCycle, ProvesNothingBeforeAWholeCycleWhateverTheData) {
    auto target = EitherCycle::target();
    target.begin += target.cell / 2;  // in the middle of a slot
    target.add({.name = "constant", .level = [](Timestamp) { return 7; }});
    target.add({.name = "zero", .level = [](Timestamp) { return 0; }});
    target.add({.name = "noisy", .level = [](Timestamp at) { return 3 + wobble(at, 1); }});
    target.add({.name = "better", .level = times(about(10), 0.2, target.begin)});
    target.add({.name = "rare", .level = [](Timestamp at) { return wobble(at, 1) > 0.9 ? 1 : 0; }});
    target.add({.name = "failures_ratio", .level = about(0.02, 5), .kind = Kind::ratio});
    target.add({.name = "wide", .level = about(10, 6)});
    target.rules.back().margin = {10, 1000};
    Player player{target, 2 * target.cycle};
    std::map<std::string, Milliseconds> proven;
    player.until(target.cycle + 4 * target.cell, [&](Timestamp now, const auto& judged) {
        expect_no_nonsense(judged);
        for (const auto& j : judged) {
            if (j.judgement == Judgement::proven) {
                proven.try_emplace(j.rule, now - target.begin);
            }
        }
    });
    EXPECT_GE(proven.size(), 4);
    for (const auto& [rule, after] : proven) {
        EXPECT_GE(after, target.cycle) << rule;
    }
}

// put_before() divides by the length of the cells, which is 0 here: SIGFPE.
TEST(UpgradeWatch, LearnsNothingFromABaselineWithoutCells) {
    auto target = Target::of_minutes();
    target.add({.name = "queue_length"});
    target.rules[0].thresholds = {{.side = Side::above, .value = 50}};
    auto baseline = target.baseline();
    baseline.cell = Milliseconds{0};  // by an older holdfast
    UpgradeWatch watch{target.upgrade(), baseline, {}};
    tell(watch, target.rows(70s));
    const auto& judged = watch.judged(target.begin + 70s);
    ASSERT_EQ(judged.size(), 1);
    EXPECT_EQ(judged[0].judgement, Judgement::learning);
    EXPECT_THAT(judged[0].evidence.reason, HasSubstr("queue_length: nothing can be proven"));
}

TEST(UpgradeWatch, LearnsNothingFromAHistoryOfNoLength) {
    auto target = Target::of_minutes();
    target.add({.name = "queue_length"});
    UpgradeWatch watch{target.upgrade(), target.baseline(), {target.begin, 1s, {{}}}};
    tell(watch, target.rows(70s));
    EXPECT_EQ(watch.judged(target.begin + 70s).at(0).judgement, Judgement::learning);
}

TEST(UpgradeWatch, SaysWhatAWholeCycleLacksBeforeItsFirstBlock) {
    auto target = Target::of_days();
    target.add({"queue_length"});
    target.rules[0].thresholds = {{.side = Side::above, .value = 20}};
    target.signals[0].level =
        times(about(10), 3, friday_at_ten + 2h, friday_at_ten + 2h + 5min);  // a breach of a point
    Player player{target, 3h};
    EXPECT_EQ(player.until(1s)[0].evidence.missing, "23 h 59 min more of the business cycle");
    // After a regression the proof starts anew, and so does the cycle.
    std::string last;
    player.until(3h, [&](Timestamp, const auto& said) {
        if (said[0].evidence.reason == "queue_length: warming up") {
            last = said[0].evidence.missing;
        }
    });
    EXPECT_EQ(last, "1 d more of the business cycle");
}

// --- what grows on purpose ---------------------------------------------------------------------

constexpr double gib = 1024.0 * 1024 * 1024;

/// Bytes of a disk that is written to by day more than by night, unevenly, and by a batch at two:
/// `per_day` in the mean, times `factor` from `from` on.
Level disk(double per_day, double factor = 1, Timestamp from = friday_at_ten) {
    constexpr auto step = 5min;
    const auto first = friday_at_ten - 60 * 24h;
    auto written = std::make_shared<std::vector<double>>();
    double total = 500 * gib;
    for (auto at = first; at < friday_at_ten + 30 * 24h; at += step) {
        const auto minute = at.time_since_epoch() % (24h) / 1min;
        const bool by_day = minute >= 8 * 60 && minute < 20 * 60;
        double share = (by_day ? 1.1 : 0.3) * (1 + 0.8 * wobble(at, 5)) / 288;
        share += minute == 120 ? 0.3 : 0;
        total += per_day * share * (at >= from ? factor : 1);
        written->push_back(total);
    }
    return [=](Timestamp at) { return written->at(static_cast<std::size_t>((at - first) / step)); };
}
/// A target whose disk is to grow by at most 5 % more, and by 25 % more never.
Target target_with(Level level, Kind kind = Kind::trend, int cycles = 14) {
    auto target = Target::of_days();
    target.cycles = cycles;
    target.add({.name = "disk_used_bytes", .level = std::move(level), .kind = kind});
    target.rules[0].tolerated = {0.05, 0};
    target.rules[0].margin = {0.25, 0};
    return target;
}

TEST(TrendWatch, ProvesADiskThatGrowsAsBeforeAndNeverPagesIt) {
    for (const auto cycle : {24h, 7 * 24h}) {
        auto target = target_with(disk(20 * gib), Kind::trend, cycle == 24h ? 14 : 4);
        target.cycle = cycle;
        std::optional<Milliseconds> proven;
        Player player{target, 10 * 24h};
        const auto& last = player.until(10 * 24h, [&](auto now, const auto& said) {
            EXPECT_EQ(said[0].severity, Severity::none) << said[0].evidence.reason;
            if (!proven && said[0].judgement == Judgement::proven) {
                proven = now - friday_at_ten;
            }
        });
        // A day's growth is that of after the upgrade from a day on; then the cycle has to pass.
        EXPECT_EQ(proven, 24h + cycle);
        EXPECT_THAT(last[0].evidence.reason,
                    HasSubstr("disk_used_bytes grows by 20.1 GiB a day (1"));
        EXPECT_NEAR(last[0].evidence.baseline, 20 * gib, 0.5 * gib);
    }
}

TEST(TrendWatch, IsNoWatchOfALevel) {
    // What grows as before is never where it was: as a gauge it cannot be proven.
    Player player{target_with(disk(20 * gib), Kind::gauge), 10 * 24h};
    player.until(10 * 24h, [&](Timestamp, const auto& said) {
        EXPECT_NE(said[0].judgement, Judgement::proven) << said[0].evidence.reason;
    });
}

TEST(TrendWatch, PagesADiskThatGrowsThreeTimesAsFastWithinTwoHours) {
    auto target = target_with(disk(20 * gib, 3));
    target.rules[0].thresholds = {{.side = Side::above, .value = 4000 * gib},
                                  {.side = Side::above, .value = 2000 * gib}};
    Player player{target, 24h};
    EXPECT_EQ(player.first_regression(24h), 75min);
    EXPECT_THAT(of_rule(player.until(24h), "disk_used_bytes_rule").evidence.reason,
                AllOf(HasSubstr("disk_used_bytes grows by "), HasSubstr("usually by 19.9 GiB"),
                      HasSubstr("; at this pace 1.95 TiB is reached in 7 d")));
}

TEST(TrendWatch, LetsADiskStopGrowing) {
    Player player{target_with(disk(20 * gib, 0)), 5 * 24h};
    EXPECT_EQ(player.first_regression(5 * 24h, Severity::warn), std::nullopt);
    EXPECT_THAT(player.until(5 * 24h)[0].evidence.reason,
                HasSubstr("disk_used_bytes grows by 0 B a day (-"));
}

TEST(TrendWatch, ProvesNothingByGrowthThatIsInPartThatOfBeforeTheUpgrade) {
    // The mean over the first day is 60 % more, well within the margin; in truth it is 120 %.
    auto target = target_with(disk(20 * gib, 2.2));
    target.rules[0].tolerated = {0.9, 0};
    target.rules[0].margin = {1, 0};
    target.change = [](Upgrade& upgrade) {  // no alarm says it first
        upgrade.levels = {.warn = 1e-40, .page = 1e-40, .rollback = 1e-40};
    };
    Player{target, 36h}.until(36h, [&](Timestamp, const auto& said) {
        EXPECT_NE(said[0].judgement, Judgement::proven) << said[0].evidence.reason;
    });
}

TEST(TrendWatch, PagesFreeSpaceThatShrinksThreeTimesAsFast) {
    const auto used = disk(20 * gib, 3);
    auto target = target_with([=](Timestamp at) { return 4000 * gib - used(at); });
    target.rules[0].worse = Direction::down;
    Player player{target, 24h};
    EXPECT_LE(player.first_regression(24h), 2h);
    EXPECT_THAT(player.until(24h)[0].evidence.reason, HasSubstr("disk_used_bytes shrinks by "));
    EXPECT_LT(player.until(24h)[0].evidence.observed, -20 * gib);
    EXPECT_GT(player.until(24h)[0].evidence.effect, 10 * gib);
    const auto filled = disk(20 * gib, -3);  // space becomes free
    target.signals[0].level = [=](Timestamp at) { return 4000 * gib - filled(at); };
    Player other{target, 48h};
    other.until(48h, [](Timestamp, const auto& said) {
        EXPECT_EQ(said[0].severity, Severity::none) << said[0].evidence.reason;
    });
}

TEST(TrendWatch, SeesGrowthBesideWhatWasOnceDeleted) {
    const auto grown = disk(20 * gib, 3);
    auto target = target_with(
        [=](Timestamp at) { return grown(at) + (at < friday_at_ten - 4 * 24h ? 900 * gib : 0); });
    const auto fired = Player(target, 24h).first_regression(24h);
    EXPECT_LE(fired.value_or(99h), 6h);
}

TEST(TrendWatch, KnowsNoGrowthForADayAfterABaselineOfLongAgo) {
    auto target = target_with(disk(20 * gib));
    target.gap = 10 * 24h;  // it goes on to grow, ten days' worth
    Player player{target, 5 * 24h};
    EXPECT_EQ(player.until(23h)[0].judgement, Judgement::watching);
    EXPECT_THAT(player.until(23h)[0].evidence.reason, HasSubstr("warming up"));
    std::optional<Milliseconds> proven;
    player.until(5 * 24h, [&](Timestamp now, const auto& said) {
        EXPECT_EQ(said[0].severity, Severity::none) << said[0].evidence.reason;
        if (!proven && said[0].judgement == Judgement::proven) {
            proven = now - friday_at_ten;
        }
    });
    EXPECT_EQ(proven, 48h);
}

TEST(TrendWatch, SaysFromTheStartWhenACycleOfGrowthWillHavePassed) {
    Player player{target_with(disk(20 * gib)), 24h};
    EXPECT_THAT(player.until(6h)[0].evidence.missing, HasSubstr("1 d 18 h more of the business"));
    EXPECT_THAT(player.until(24h)[0].evidence.missing, HasSubstr("1 d more of the business"));
}

TEST(TrendWatch, HoldsItsThresholdsAgainstTheLevelItself) {
    auto target = target_with(disk(20 * gib));
    target.rules[0].thresholds = {
        {.side = Side::above, .value = 100 * gib, .action = Severity::warn},
        // What is usual of a trend is a growth, and no level.
        {.side = Side::above, .value = 0.5, .action = Severity::rollback, .sort = Sort::relative}};
    Player player{target, 1h};
    const auto& said = player.until(1h)[0];
    EXPECT_EQ(said.severity, Severity::warn);
    EXPECT_GT(said.evidence.observed, 500 * gib);
}

}  // namespace
}  // namespace holdfast::rules
