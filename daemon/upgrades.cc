#include "daemon/upgrades.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>

#include "collectors/run_blocking.h"
#include "daemon/quantities.h"
#include "daemon/recompute.h"
#include "daemon/schedule.h"
#include "daemon/upgrade_config.h"
#include "daemon/waiting.h"
#include "model/names.h"
#include "rules/excluded_time.h"
#include "rules/verdict.h"
#include "rules/words.h"

namespace holdfast::daemon {
namespace asio = boost::asio;
namespace {

constexpr std::size_t text_max = 4096;
constexpr std::size_t name_max = 256;
constexpr auto store_evidence_every = std::chrono::minutes{5};
constexpr auto refresh_alerts_every =
    std::chrono::seconds{5};  // their figures, and what is overdue
constexpr auto prepare_again_after = std::chrono::seconds{10};
constexpr auto us = "holdfast";

std::optional<std::uint64_t> number_of(const std::string& id) {
    std::uint64_t number = 0;
    const auto* const end = id.data() + id.size();
    if (id.size() < 2 || std::from_chars(id.data() + 1, end, number).ptr != end) {
        return std::nullopt;
    }
    return number;
}

Result<void> check(const StartRequest& request) {
    for (const auto& [name, value] :
         {std::pair{"target", &request.target}, std::pair{"from", &request.from},
          std::pair{"to", &request.to}}) {
        if (value->empty() || value->size() > name_max) {
            return failure(Errc::invalid, "start an upgrade: '{}' must have 1 to {} characters",
                           name, name_max);
        }
    }
    if (request.reason.size() > text_max || request.labels.size() > 32 ||
        request.idempotency_key.size() > name_max) {
        return failure(Errc::invalid,
                       "start an upgrade: reason over {} characters, over 32 labels or a key over "
                       "{} characters",
                       text_max, name_max);
    }
    if (request.cycle && (*request.cycle < std::chrono::seconds{6} ||
                          *request.cycle > std::chrono::hours{24 * 366})) {
        return failure(Errc::invalid, "start an upgrade: cycle {} is out of range, 6s to 366d",
                       format_duration(*request.cycle));
    }
    return {};
}

/// Judgements that differ in what they say, not in their figures.
bool same_words(const std::vector<Judged>& a, const std::vector<Judged>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Judged& x, const Judged& y) {
        return x.judgement == y.judgement && x.severity == y.severity;
    });
}

}  // namespace

Upgrades::Upgrades(const Deps& deps, const asio::any_io_executor& loop)
    : deps_{deps}, mutex_{loop}, preparing_{loop} {}

void Upgrades::configure(std::shared_ptr<const Config> config) {
    config_ = std::move(config);
}

asio::awaitable<Result<void>> Upgrades::load() {
    struct Loaded {
        std::vector<Upgrade> upgrades;
        std::map<std::string, std::uint64_t> events;
        std::vector<Baseline> baselines;
    };
    auto read = [&records = deps_.records]() -> Result<Loaded> {
        Loaded loaded;
        auto upgrades = records.upgrades();
        auto baselines = records.baselines();
        if (!upgrades || !baselines) {
            return tl::unexpected(upgrades ? baselines.error() : upgrades.error());
        }
        for (const auto& upgrade : *upgrades) {
            const auto events = records.events(upgrade.id);
            if (!events) {
                return tl::unexpected(events.error());
            }
            loaded.events[upgrade.id] = events->empty() ? 0 : events->back().sequence;
        }
        loaded.upgrades = std::move(*upgrades);
        loaded.baselines = std::move(*baselines);
        return loaded;
    };
    auto loaded = co_await run_blocking(deps_.record_pool, std::move(read));
    if (!loaded) {
        co_return tl::unexpected(loaded.error());
    }
    for (auto& baseline : loaded->baselines) {
        const auto number = number_of(baseline.id).value_or(0);
        baselines_[number] = std::make_shared<const Baseline>(std::move(baseline));
    }
    for (auto& upgrade : loaded->upgrades) {
        const auto number = number_of(upgrade.id).value_or(0);
        event_counts_[number] = loaded->events[upgrade.id];
        upgrades_[number] = std::move(upgrade);
    }
    for (auto& [number, upgrade] : upgrades_) {
        if (upgrade.phase == Phase::watching) {
            upgrade.resumed_at = deps_.clock.now();  // we were away: nobody else was silent
            watch(number);
        }
    }
    co_return Result<void>{};
}

/// From now on rows are kept for it; judging begins when the upgrade is `watching`.
void Upgrades::watch(std::uint64_t number) {
    live_[number] = std::make_shared<Live>();
}

bool Upgrades::to_prepare(std::uint64_t number, const Live& live) const {
    const auto upgrade = upgrades_.find(number);
    return (!live.watch || live.overflowed) && upgrade != upgrades_.end() &&
           upgrade->second.phase == Phase::watching;
}

void Upgrades::observe(const std::shared_ptr<const storage::Row>& row) {
    for (const auto& [number, live] : live_) {
        if (live->pending.size() >= pending_rows_max) {
            deps_.metrics.watch_rows_dropped.Increment(static_cast<double>(live->pending.size()));
            live->pending.clear();
            live->overflowed = true;
            preparing_.cancel();
        }
        live->pending.push_back(row);
    }
}

asio::awaitable<void> Upgrades::prepare_forever() {
    for (;;) {
        co_await prepare_all();
        preparing_.expires_at(asio::steady_timer::time_point::max());
        const bool idle = std::none_of(live_.begin(), live_.end(), [this](const auto& entry) {
            return to_prepare(entry.first, *entry.second);
        });
        if (idle) {
            co_await preparing_.async_wait(asio::as_tuple(asio::use_awaitable));
        }
    }
}

asio::awaitable<void> Upgrades::prepare_all() {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, live] : live_) {
        if (to_prepare(number, *live)) {
            numbers.push_back(number);
        }
    }
    for (const auto number : numbers) {
        co_await prepare(number);
    }
}

/// The stored rows are told first, then those that came meanwhile: some twice, which a watch
/// ignores.
asio::awaitable<void> Upgrades::prepare(std::uint64_t number) {
    const auto found = live_.find(number);
    const auto upgrade = upgrades_.find(number);
    if (found == live_.end() || upgrade == upgrades_.end()) {
        co_return;
    }
    const auto live = found->second;
    live->overflowed = false;
    const auto copy = upgrade->second;
    const auto known = baseline(copy.baseline_id);
    auto read = [&records = deps_.records, id = copy.baseline_id] {
        return records.baseline_history(id);
    };
    auto history = co_await run_blocking(deps_.record_pool, std::move(read));
    if (!history && history.error().code() != Errc::not_found) {
        spdlog::error("cannot judge upgrade={} error=\"{}\"", copy.id, history.error().message());
        co_await deps_.clock.sleep_until(deps_.clock.now() + prepare_again_after);
        co_return;
    }
    if (!history) {
        spdlog::warn("baseline without cells upgrade={} error=\"{}\"", copy.id,
                     history.error().message());
    }
    auto work = [this, copy, known, until = deps_.clock.now(),
                 history = history ? std::move(*history) : BaselineHistory{}]() mutable {
        const Telling all{.until = until, .cancelled = [this] { return stopping_.load(); }};
        return told_watch(deps_.samples, copy, known ? *known : Baseline{}, std::move(history),
                          all);
    };
    auto made = co_await run_blocking(deps_.work_pool, std::move(work));
    if (!made) {
        spdlog::error("cannot judge upgrade={} error=\"{}\"", copy.id, made.error().message());
        co_await deps_.clock.sleep_until(deps_.clock.now() + prepare_again_after);
        co_return;
    }
    live->watch = std::move(made->watch);
}

asio::awaitable<void> Upgrades::evaluate_forever() {
    auto at = grid_before(deps_.clock.now(), config_->upgrades.evaluation_interval);
    for (;;) {
        const auto slot = next_slot(at, deps_.clock.now(), config_->upgrades.evaluation_interval);
        at = slot.at;
        deps_.metrics.evaluations_missed.Increment(static_cast<double>(slot.missed));
        co_await deps_.clock.sleep_until(at);
        const auto begin = std::chrono::steady_clock::now();
        co_await evaluate_all();
        deps_.metrics.evaluation_duration_seconds.Set(
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
}

asio::awaitable<void> Upgrades::evaluate_all() {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, live] : live_) {
        numbers.push_back(number);
    }
    for (const auto number : numbers) {
        co_await evaluate(number);
    }
}

asio::awaitable<void> Upgrades::evaluate(std::uint64_t number) {
    const auto found = live_.find(number);
    if (found == live_.end()) {
        co_return;
    }
    const auto live = found->second;
    if (!live->watch || live->overflowed) {
        co_return;
    }
    // Rows that were received before now, and no others: so the judgements can be recomputed.
    const auto now = deps_.clock.now();
    const auto first_later = std::find_if(live->pending.begin(), live->pending.end(),
                                          [now](const auto& row) { return row->received >= now; });
    std::vector<std::shared_ptr<const storage::Row>> rows{live->pending.begin(), first_later};
    live->pending.erase(live->pending.begin(), first_later);
    // The watch belongs to the pool until the work is done: nobody else touches it meanwhile.
    auto judge = [watch = live->watch, rows = std::move(rows), now] {
        for (const auto& row : rows) {
            watch->observe(row->source, row->at, row->received, row->reading);
        }
        return watch->judged(now);
    };
    auto judged = co_await run_blocking(deps_.judge_pool, std::move(judge));
    deps_.metrics.evaluations.Increment();
    co_await apply(number, std::move(judged), now);
}

asio::awaitable<void> Upgrades::apply(std::uint64_t number, std::vector<Judged> judgements,
                                      Timestamp judged_at) {
    const auto guard = co_await mutex_.lock();
    const auto found = upgrades_.find(number);
    if (found == upgrades_.end() || found->second.phase != Phase::watching) {
        co_return;
    }
    auto& present = found->second;
    const auto verdict = rules::verdict_of(judgements);
    const auto now = deps_.clock.now();
    const bool changed = verdict != present.verdict || !same_words(judgements, present.judgements);
    if (!changed && now - stored_at_[number] < store_evidence_every) {
        present.judgements = std::move(judgements);  // newer figures, the same words
        present.judged_at = judged_at;
        if (now - reconciled_at_[number] >= refresh_alerts_every) {
            reconciled_at_[number] = now;
            co_await deps_.alerting.reconcile(present);
        }
        co_return;
    }
    auto next = present;
    std::vector<Event> events;
    for (std::size_t i = 0; i < judgements.size(); ++i) {
        const auto& j = judgements[i];
        const auto* const before = i < present.judgements.size() ? &present.judgements[i] : nullptr;
        if (before == nullptr || before->judgement != j.judgement ||
            before->severity != j.severity) {
            const auto loud = j.severity == Severity::none
                                  ? std::string{}
                                  : fmt::format(" ({})", name_of(j.severity));
            events.push_back(event(
                number, "judgement", us,
                fmt::format("{} {}{}: {}", j.rule, name_of(j.judgement), loud, j.evidence.reason)));
        }
    }
    if (verdict != present.verdict) {
        events.push_back(event(number, "verdict", us,
                               fmt::format("{} → {}", name_of(present.verdict), name_of(verdict))));
        spdlog::info("verdict upgrade={} verdict={}", present.id, name_of(verdict));
    }
    next.verdict = verdict;
    next.judgements = std::move(judgements);
    next.judged_at = judged_at;
    next.revision += changed ? 1 : 0;
    auto copy = next;
    const auto stored = co_await commit(std::move(next), std::move(events));
    if (!stored) {
        spdlog::error("judgements not stored upgrade={} error=\"{}\"", copy.id,
                      stored.error().message());
        co_return;
    }
    co_await deps_.alerting.reconcile(std::move(copy));
}

Event Upgrades::event(std::uint64_t number, std::string type, std::string by, std::string text) {
    return {.sequence = ++event_counts_[number],
            .at = deps_.clock.now(),
            .type = std::move(type),
            .by = std::move(by),
            .text = std::move(text)};
}

asio::awaitable<Result<void>> Upgrades::commit(Upgrade upgrade, std::vector<Event> events) {
    auto put = [&records = deps_.records, upgrade, events = std::move(events)] {
        return records.put_upgrade(upgrade, events);
    };
    auto stored = co_await run_blocking(deps_.record_pool, std::move(put));
    if (stored) {
        const auto number = number_of(upgrade.id).value_or(0);
        stored_at_[number] = deps_.clock.now();
        upgrades_[number] = std::move(upgrade);
        wake();
    }
    co_return stored;
}

std::vector<Exclusion> Upgrades::exclusions() const {
    auto out = config_->upgrades.exclude;
    for (const auto& [number, upgrade] : upgrades_) {
        if (auto exclusion = rules::exclusion_of(upgrade, deps_.clock.now())) {
            out.push_back(std::move(*exclusion));
        }
    }
    if (out.size() > exclusions_max) {
        std::stable_sort(out.begin(), out.end(), [](const Exclusion& a, const Exclusion& b) {
            return a.window.end > b.window.end;
        });
        spdlog::warn("exclusions left out count={} most={}", out.size() - exclusions_max,
                     exclusions_max);
        out.resize(exclusions_max);
    }
    return out;
}

Result<BaselineRequest> Upgrades::baseline_request(
    std::optional<Milliseconds> range, std::optional<Milliseconds> cycle,
    const std::optional<std::string>& timezone) const {
    BaselineRequest request{.end = deps_.clock.now(),
                            .range = range.value_or(Milliseconds{0}),
                            .cycle = cycle.value_or(config_->upgrades.cycle),
                            .timezone = timezone.value_or(config_->upgrades.timezone),
                            .step = longest_interval(config_->collectors),
                            .signals = config_->signals,
                            .exclude = exclusions()};
    if (request.cycle < std::chrono::seconds{6}) {
        return failure(Errc::invalid, "take a baseline: cycle {} is too short, at least 6s",
                       format_duration(request.cycle));
    }
    return request;
}

asio::awaitable<Result<std::shared_ptr<const Baseline>>> Upgrades::learn(BaselineRequest request) {
    auto work = [this, request = std::move(request)] {
        return learn_baseline(deps_.samples, request, [this] { return stopping_.load(); });
    };
    auto learnt = co_await run_blocking(deps_.work_pool, std::move(work));
    if (!learnt) {
        co_return tl::unexpected(learnt.error());
    }
    const auto guard = co_await mutex_.lock();
    const auto number = baselines_.empty() ? 1 : baselines_.rbegin()->first + 1;
    learnt->baseline.id = fmt::format("b{}", number);
    learnt->baseline.taken_at = deps_.clock.now();
    auto seal = [&records = deps_.records,
                 learnt = std::move(*learnt)]() mutable -> Result<std::shared_ptr<const Baseline>> {
        auto& baseline = learnt.baseline;
        baseline.history_digest = sha256_hex(storage::canonical_bytes(learnt.history));
        baseline.digest = sha256_hex(storage::canonical_bytes(baseline));
        if (auto stored = records.put_baseline(baseline, learnt.history); !stored) {
            return tl::unexpected(stored.error());
        }
        return std::make_shared<const Baseline>(std::move(baseline));
    };
    auto sealed = co_await run_blocking(deps_.record_pool, std::move(seal));
    if (sealed) {
        baselines_[number] = *sealed;
        spdlog::info("baseline taken baseline={} signals={} rows={} digest={}", (*sealed)->id,
                     (*sealed)->signals.size(), (*sealed)->rows, (*sealed)->digest);
    }
    co_return sealed;
}

asio::awaitable<Result<Baseline>> Upgrades::take_baseline(std::optional<Milliseconds> range,
                                                          std::optional<Milliseconds> cycle,
                                                          std::optional<std::string> timezone) {
    auto request = baseline_request(range, cycle, timezone);
    if (!request) {
        co_return tl::unexpected(request.error());
    }
    auto learnt = co_await learn(std::move(*request));
    if (!learnt) {
        co_return tl::unexpected(learnt.error());
    }
    co_return **learnt;
}

asio::awaitable<Result<Started>> Upgrades::start(StartRequest request) {
    if (auto good = check(request); !good) {
        co_return tl::unexpected(good.error());
    }
    const auto repeated = [this, &request]() -> std::optional<Result<Started>> {
        for (const auto& [number, upgrade] : upgrades_) {
            if (request.idempotency_key.empty() ||
                upgrade.idempotency_key != request.idempotency_key) {
                continue;
            }
            if (upgrade.request_digest != request.digest) {
                return Result<Started>{failure(
                    Errc::invalid, "start an upgrade: key '{}' was used for {} with another body",
                    request.idempotency_key, upgrade.id)};
            }
            return Result<Started>{Started{upgrade, false}};
        }
        return std::nullopt;
    };
    const auto overlapping = [this, &request]() -> std::optional<Error> {
        for (const auto& [number, upgrade] : upgrades_) {
            if (upgrade.open() && upgrade.target == request.target) {
                return Error{Errc::conflict,
                             fmt::format("start an upgrade of {}: {} is still {}; close, cancel or "
                                         "roll it back first",
                                         request.target, upgrade.id, name_of(upgrade.phase))};
            }
        }
        return std::nullopt;
    };
    if (auto before = repeated()) {
        co_return std::move(*before);
    }
    if (auto overlap = overlapping()) {
        co_return tl::unexpected(std::move(*overlap));
    }
    const auto config = config_;
    std::shared_ptr<const Baseline> chosen;
    if (request.baseline.empty()) {
        auto wanted = baseline_request(std::nullopt, request.cycle, request.timezone);
        if (!wanted) {
            co_return tl::unexpected(wanted.error());
        }
        auto learnt = co_await learn(std::move(*wanted));
        if (!learnt) {
            co_return tl::unexpected(learnt.error());
        }
        chosen = *learnt;
    } else {
        chosen = baseline(request.baseline);
        if (!chosen) {
            co_return failure(Errc::not_found,
                              "start an upgrade: no baseline {}; see 'holdfast "
                              "baseline list'",
                              request.baseline);
        }
        if (request.cycle.value_or(chosen->cycle) != chosen->cycle ||
            request.timezone.value_or(chosen->timezone) != chosen->timezone) {
            co_return failure(Errc::invalid,
                              "start an upgrade: baseline {} is of cycle {} in {}; take another or "
                              "leave --cycle and --timezone out",
                              chosen->id, format_duration(chosen->cycle), chosen->timezone);
        }
    }
    const auto guard = co_await mutex_.lock();
    if (auto before = repeated()) {  // somebody was faster while the baseline was learnt
        co_return std::move(*before);
    }
    if (auto overlap = overlapping()) {
        co_return tl::unexpected(std::move(*overlap));
    }
    const auto number = upgrades_.empty() ? 1 : upgrades_.rbegin()->first + 1;
    const auto now = deps_.clock.now();
    auto upgrade = judged_by(*config, *chosen);
    upgrade.id = fmt::format("u{}", number);
    upgrade.target = std::move(request.target);
    upgrade.from = std::move(request.from);
    upgrade.to = std::move(request.to);
    upgrade.reason = std::move(request.reason);
    upgrade.labels = std::move(request.labels);
    upgrade.phase = request.no_window ? Phase::watching : Phase::window;
    upgrade.started_at = now;
    upgrade.idempotency_key = std::move(request.idempotency_key);
    upgrade.request_digest = std::move(request.digest);
    if (request.no_window) {
        upgrade.window_end_at = now;
        watch(number);
    }
    std::vector<Event> events;
    events.push_back(
        event(number, "started", us,
              fmt::format("{} from {} to {}, baseline {} ({} signals{}{})", upgrade.target,
                          upgrade.from, upgrade.to, chosen->id, chosen->signals.size(),
                          chosen->note.empty() ? "" : "; ", chosen->note)));
    auto copy = upgrade;
    const auto stored = co_await commit(std::move(upgrade), std::move(events));
    if (!stored) {
        live_.erase(number);
        co_return tl::unexpected(stored.error());
    }
    preparing_.cancel();
    spdlog::info("upgrade started upgrade={} target={} from={} to={}", copy.id, copy.target,
                 copy.from, copy.to);
    auto alerted = copy;
    co_await deps_.alerting.reconcile(std::move(alerted));
    co_return Started{std::move(copy), true};
}

asio::awaitable<Result<Upgrade>> Upgrades::transition(std::string id, rules::Transition transition,
                                                      std::string by, std::string reason) {
    if (transition == rules::Transition::override_close &&
        (by.empty() || reason.empty() || by.size() > name_max || reason.size() > text_max)) {
        co_return failure(Errc::invalid,
                          "override upgrade {}: a person and a reason are needed (--by, --reason)",
                          id);
    }
    const auto guard = co_await mutex_.lock();
    const auto present = find(id);
    if (!present) {
        co_return tl::unexpected(present.error());
    }
    const auto number = number_of(id).value_or(0);
    const auto phase = rules::next_phase(*present, transition);
    if (!phase) {
        std::vector<Event> refused;
        if (transition == rules::Transition::close && present->phase == Phase::watching) {
            refused.push_back(
                event(number, "close_refused", by.empty() ? "api" : by, phase.error().message()));
            auto same = *present;
            const auto noted = co_await commit(std::move(same), std::move(refused));
            if (!noted) {
                spdlog::error("refused close not stored upgrade={} error=\"{}\"", id,
                              noted.error().message());
            }
        }
        co_return tl::unexpected(phase.error());
    }
    if (*phase == present->phase) {
        co_return *present;
    }
    auto next = *present;
    const auto now = deps_.clock.now();
    next.phase = *phase;
    next.revision += 1;
    next.overridden = transition == rules::Transition::override_close;
    const auto* type = name_of(*phase).data();
    if (*phase == Phase::watching) {
        next.window_end_at = now;
        type = "window_end";
        watch(number);
    } else {
        next.ended_at = now;
    }
    std::vector<Event> events;
    events.push_back(
        event(number, next.overridden ? "overridden" : type, by.empty() ? std::string{"api"} : by,
              reason.empty() ? fmt::format("{} → {}", name_of(present->phase), name_of(*phase))
                             : reason));
    auto copy = next;
    const auto stored = co_await commit(std::move(next), std::move(events));
    if (!stored || *phase != Phase::watching) {
        live_.erase(number);
    }
    if (!stored) {
        co_return tl::unexpected(stored.error());
    }
    preparing_.cancel();
    spdlog::info("upgrade {} upgrade={} by={}", name_of(*phase), id, by.empty() ? "api" : by);
    auto alerted = copy;
    co_await deps_.alerting.reconcile(std::move(alerted));
    co_return copy;
}

asio::awaitable<Result<Upgrade>> Upgrades::note(std::string id, std::string by, std::string text) {
    if (text.empty() || text.size() > text_max || by.size() > name_max) {
        co_return failure(Errc::invalid, "note on upgrade {}: 1 to {} characters of text", id,
                          text_max);
    }
    const auto guard = co_await mutex_.lock();
    auto present = find(id);
    if (!present) {
        co_return tl::unexpected(present.error());
    }
    auto next = *present;
    next.revision += 1;
    std::vector<Event> events;
    events.push_back(event(number_of(id).value_or(0), "note", by.empty() ? std::string{"api"} : by,
                           std::move(text)));
    auto copy = next;
    const auto stored = co_await commit(std::move(next), std::move(events));
    if (!stored) {
        co_return tl::unexpected(stored.error());
    }
    co_return copy;
}

asio::awaitable<Result<std::vector<Event>>> Upgrades::events(std::string id) {
    const auto present = find(id);
    if (!present) {
        co_return tl::unexpected(present.error());
    }
    auto read = [&records = deps_.records, id] { return records.events(id); };
    auto events = co_await run_blocking(deps_.record_pool, std::move(read));
    co_return events;
}

asio::awaitable<Result<Upgrade>> Upgrades::wait(std::string id, std::uint64_t since,
                                                Milliseconds longest) {
    const auto deadline = std::chrono::steady_clock::now() + longest;
    const auto executor = co_await asio::this_coro::executor;
    for (;;) {
        auto present = find(id);
        if (!present || present->revision > since || std::chrono::steady_clock::now() >= deadline ||
            stopping_) {
            co_return present;
        }
        asio::steady_timer timer{executor, deadline};
        const Waiting waiting{waiters_, timer};
        co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

void Upgrades::wake() {
    for (auto* waiter : waiters_) {
        waiter->cancel();
    }
}

Result<Upgrade> Upgrades::find(const std::string& id) const {
    const auto number = number_of(id);
    const auto found = number ? upgrades_.find(*number) : upgrades_.end();
    if (found == upgrades_.end() || found->second.id != id) {
        return failure(Errc::not_found, "no upgrade {}; see 'holdfast upgrade list'", id);
    }
    return found->second;
}

std::shared_ptr<const Baseline> Upgrades::baseline(const std::string& id) const {
    const auto number = number_of(id);
    const auto found = number ? baselines_.find(*number) : baselines_.end();
    return found != baselines_.end() && found->second->id == id ? found->second : nullptr;
}

std::vector<Window> Upgrades::pinned() const {
    std::vector<Window> out;
    for (const auto& [number, baseline] : baselines_) {
        out.push_back(baseline->window);
    }
    for (const auto& [number, upgrade] : upgrades_) {
        if (upgrade.open()) {
            out.push_back({upgrade.started_at, deps_.clock.now()});
        }
    }
    return out;
}

}  // namespace holdfast::daemon
