#include "daemon/placebos.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "collectors/run_blocking.h"
#include "daemon/judging_json.h"
#include "daemon/quantities.h"
#include "daemon/upgrade_config.h"
#include "rules/bound_signals.h"
#include "rules/judging/placebo.h"

namespace holdfast::daemon {
namespace asio = boost::asio;
namespace {

constexpr int lowest_priority = 19;

/// The host is what we watch: minutes of work must not take its time, nor the evaluation's.
void give_way_to_others() {
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), lowest_priority);
}

Milliseconds watch_by_default(const Baseline& baseline) {
    return std::min(baseline.cycle, baseline.window.length() / 3);
}

/// What is not replayed is no good news.
std::vector<std::string> notes_on_missing(const rules::BoundSignals& made) {
    std::vector<std::string> out;
    for (const auto& bound : made.bound) {
        if (bound.rule && !bound.in_ensemble) {
            out.push_back(fmt::format("rule {} is not judged: the baseline has no {}",
                                      bound.rule->name, to_string(bound.signal)));
        }
    }
    return out;
}

/// Cells do not know how long a threshold was crossed.
std::vector<std::string> notes_on_thresholds(const rules::BoundSignals& made) {
    std::vector<std::string> names;
    for (const auto& bound : made.bound) {
        if (bound.rule && bound.in_ensemble && !bound.rule->thresholds.empty() &&
            (names.empty() || names.back() != bound.rule->name)) {
            names.push_back(bound.rule->name);
        }
    }
    if (names.empty()) {
        return {};
    }
    return {fmt::format("thresholds are not replayed, their pages are not counted: {}",
                        fmt::join(names, ", "))};
}

/// Of every signal that is learnt; empty for one that only explains others.
std::vector<std::string> rule_names(const rules::BoundSignals& made) {
    std::vector<std::string> out(made.signals.size());
    for (const auto& bound : made.bound) {
        if (bound.rule && bound.in_ensemble) {
            out[*bound.in_ensemble] = bound.rule->name;
        }
    }
    return out;
}

}  // namespace

Placebos::Placebos(const Deps& deps, const asio::any_io_executor& loop)
    : deps_{deps}, asked_{loop} {}

void Placebos::stop() {
    stopping_ = true;
}

Placebos::Question Placebos::question_of(const Baseline& baseline,
                                         std::optional<Milliseconds> watch) const {
    auto judging = judged_by(*config_, baseline);
    return {.baseline = baseline.id,
            .watch = watch.value_or(watch_by_default(baseline)),
            .warmup = judging.warmup,
            .rules = std::move(judging.rules),
            .signals = std::move(judging.signals),
            .load = std::move(judging.load),
            .levels = judging.levels};
}

PlaceboState Placebos::state_of(const Running& running) {
    return {.since = running.since,
            .watch = running.question->watch,
            .progress_ratio = *running.progress,
            .result = nullptr};
}

Result<PlaceboState> Placebos::state_of(const Done& done) {
    if (!done.report) {
        return tl::unexpected(done.report.error());
    }
    return PlaceboState{.since = done.since,
                        .watch = done.question->watch,
                        .progress_ratio = 1,
                        .result = *done.report};
}

Result<PlaceboState> Placebos::ask(std::shared_ptr<const Baseline> baseline,
                                   std::optional<Milliseconds> watch) {
    const auto& id = baseline->id;
    if (baseline->cell <= Milliseconds{0}) {
        return failure(Errc::invalid,
                       "placebo of baseline {}: an older holdfast took it, without the cells that "
                       "are replayed; take a new one with 'holdfast baseline take'",
                       id);
    }
    auto question = question_of(*baseline, watch);
    if (question.watch < baseline->cell) {
        return failure(Errc::invalid,
                       "placebo of baseline {}: a watch of {} is shorter than a cell of {}; make "
                       "it longer",
                       id, format_duration(question.watch), format_duration(baseline->cell));
    }
    if (running_ && *running_->question == question) {
        return state_of(*running_);
    }
    const auto kept = std::find_if(done_.begin(), done_.end(), [&](const Done& done) {
        return done.report && *done.question == question;
    });
    if (kept != done_.end()) {
        return state_of(*kept);
    }
    if (stopping_) {
        return failure(Errc::cancelled, "placebo of baseline {}: holdfastd is stopping", id);
    }
    if (running_) {
        return failure(Errc::conflict,
                       "placebo of baseline {}: that of {} with a watch of {} runs, {:.0f} % are "
                       "done; ask again when it has ended",
                       id, running_->question->baseline, format_duration(running_->question->watch),
                       100 * *running_->progress);
    }
    running_.emplace(Running{.question = std::make_shared<const Question>(std::move(question)),
                             .baseline = std::move(baseline),
                             .since = deps_.clock.now()});
    asked_.cancel();
    return state_of(*running_);
}

Result<PlaceboState> Placebos::find(const std::string& baseline) const {
    if (running_ && running_->question->baseline == baseline) {
        return state_of(*running_);
    }
    const auto kept = std::find_if(done_.begin(), done_.end(), [&](const Done& done) {
        return done.question->baseline == baseline;
    });
    if (kept == done_.end()) {
        return failure(Errc::not_found,
                       "no placebo of baseline {}: nobody asked since the start, or {} others "
                       "were newer; ask with 'holdfast placebo {}' or POST",
                       baseline, results_max, baseline);
    }
    return state_of(*kept);
}

asio::awaitable<void> Placebos::work_forever() {
    for (;;) {
        co_await work();
        asked_.expires_at(asio::steady_timer::time_point::max());
        if (!running_ || stopping_) {
            co_await asked_.async_wait(asio::as_tuple(asio::use_awaitable));
        }
    }
}

asio::awaitable<void> Placebos::work() {
    if (!running_ || stopping_) {
        co_return;
    }
    const auto running = *running_;
    auto replaying = [this, running] {
        give_way_to_others();
        return replay(running);
    };
    auto report = co_await run_blocking(deps_.own_pool, std::move(replaying));
    running_.reset();
    if (stopping_) {
        co_return;  // it was not finished
    }
    if (report) {
        spdlog::info("placebo done baseline={} took={}", running.question->baseline,
                     format_duration(deps_.clock.now() - running.since));
    } else {
        spdlog::error("placebo failed baseline={} error=\"{}\"", running.question->baseline,
                      report.error().message());
    }
    keep({running.question, running.since, std::move(report)});
}

/// On the pool: touches nothing of the loop's. The cells are read there, too: the thread of the
/// records has pages to write.
Result<Placebos::Report> Placebos::replay(const Running& running) const {
    const auto& question = *running.question;
    const auto& baseline = *running.baseline;
    auto history = deps_.records.baseline_history(question.baseline);
    if (!history) {
        return tl::unexpected(history.error().while_doing("placebo"));
    }
    const auto made =
        rules::bind_signals(question.rules, question.signals, question.load, baseline, *history);
    history->signals.clear();  // their copies are in `made`
    if (std::none_of(made.signals.begin(), made.signals.end(),
                     [](const auto& signal) { return signal.judged; })) {
        return failure(Errc::invalid,
                       "placebo of baseline {}: no rule asks for a signal that it has; see "
                       "'holdfast rules show' and 'holdfast baseline show {}'",
                       question.baseline, question.baseline);
    }
    const rules::EnsemblePlan plan{.begin = history->begin,
                                   .cell = history->cell,
                                   .cycle = baseline.cycle,
                                   .warmup = question.warmup,
                                   .offsets = baseline.offsets,
                                   .levels = question.levels};
    const rules::PlaceboSettings settings{
        .watch = question.watch, .progress = [&running](std::size_t judged, std::size_t all) {
            *running.progress = static_cast<double>(judged) / static_cast<double>(all);
        }};
    const auto until_stopped = [this](std::size_t n, const auto& call) {
        for (std::size_t i = 0; i < n && !stopping_; ++i) {
            call(i);
        }
    };
    auto report = rules::placebo(plan, made.signals, made.cells, settings, until_stopped);
    for (auto& notes : {notes_on_missing(made), notes_on_thresholds(made)}) {
        report.notes.insert(report.notes.end(), notes.begin(), notes.end());
    }
    return std::make_shared<const boost::json::object>(
        placebo_json(report, made.signals, rule_names(made)));
}

void Placebos::keep(Done done) {
    std::erase_if(done_, [&](const Done& other) {
        return other.question->baseline == done.question->baseline;
    });
    done_.push_front(std::move(done));
    if (done_.size() > results_max) {
        done_.pop_back();
    }
}

}  // namespace holdfast::daemon
