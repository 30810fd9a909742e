#include "daemon/recompute.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "daemon/api_json.h"
#include "rules/verdict.h"

namespace holdfast::daemon {
namespace json = boost::json;
namespace {

constexpr auto clocks_apart = std::chrono::hours{1};  // of a source and of ours, at the most

/// Tells values apart that the API shows alike.
struct ExactStyle {
    static json::value number(double v) {
        // The store does not keep the bits of what is no number.
        return std::isnan(v) ? json::value{} : json::value(std::bit_cast<std::uint64_t>(v));
    }
    static json::value time(Timestamp v) { return v.time_since_epoch().count(); }
    static json::value duration(Milliseconds v) { return v.count(); }
};

/// A judgement twice: to be compared, and to be shown.
struct Document {
    json::value exact;
    json::value shown;
};

Document document_of(const Judged* judged) {
    return judged != nullptr ? Document{storage::to_json<ExactStyle>(*judged), api_json(*judged)}
                             : Document{};
}

json::value value_at(const json::value& object, std::string_view name) {
    const auto* const value = object.is_object() ? object.get_object().if_contains(name) : nullptr;
    return value != nullptr ? *value : json::value{};
}

/// Adds the fields of the objects `a` and `b` that differ to `out`; `what` is of which judgement.
void compare(const Document& a, const Document& b, const Difference& what,
             std::vector<Difference>& out) {
    const auto& names = a.exact.is_object() ? a.exact : b.exact;
    for (const auto& item : names.get_object()) {
        const Document mine{value_at(a.exact, item.key()), value_at(a.shown, item.key())};
        const Document other{value_at(b.exact, item.key()), value_at(b.shown, item.key())};
        if (mine.exact == other.exact) {
            continue;
        }
        auto of_field = what;
        of_field.field += (what.field.empty() ? "" : ".") + std::string{item.key()};
        if (mine.exact.is_object() || other.exact.is_object()) {
            compare(mine, other, of_field, out);
        } else {
            of_field.stored = mine.shown;
            of_field.recomputed = other.shown;
            out.push_back(std::move(of_field));
        }
    }
}

Difference of(const Judged& judged) {
    Difference out;
    out.rule = judged.rule;
    out.signal = to_string(judged.signal);
    return out;
}

Result<Upgrade> upgrade_of(const storage::RecordStore& records, const std::string& id) {
    auto upgrades = records.upgrades();
    if (!upgrades) {
        return tl::unexpected(upgrades.error());
    }
    const auto found = std::find_if(upgrades->begin(), upgrades->end(),
                                    [&id](const Upgrade& upgrade) { return upgrade.id == id; });
    if (found == upgrades->end()) {
        return failure(Errc::not_found, "no upgrade {}; see 'holdfast upgrade list'", id);
    }
    return std::move(*found);
}

/// When it is to be judged.
Result<Timestamp> moment_of(const Upgrade& upgrade, std::optional<Timestamp> at) {
    if (!upgrade.window_end_at) {
        return failure(Errc::conflict, "recompute {}: nothing was judged, its window has not ended",
                       upgrade.id);
    }
    const auto moment = at ? at : upgrade.judged_at;
    if (!moment) {
        return failure(Errc::conflict, "recompute {}: nothing was judged yet; wait, or give --at",
                       upgrade.id);
    }
    if (*moment <= *upgrade.window_end_at) {
        return failure(Errc::invalid,
                       "recompute {} at {}: its window ended at {}; give a later time", upgrade.id,
                       format_time(*moment), format_time(*upgrade.window_end_at));
    }
    return *moment;
}

/// Beyond this nobody knows whether rows are missing.
Timestamp known_until(const Upgrade& upgrade, const ToldWatch& told) {
    const auto judged = upgrade.judged_at.value_or(*upgrade.window_end_at);
    return std::max(judged, told.newest_received.value_or(judged));
}

}  // namespace

Result<ToldWatch> told_watch(const storage::SampleStore& samples, const Upgrade& upgrade,
                             const Baseline& baseline, BaselineHistory history,
                             const Telling& telling) {
    const auto for_each = [&telling](std::size_t n, const std::function<void(std::size_t)>& call) {
        telling.for_each(n, [&](std::size_t i) {
            if (!telling.cancelled()) {
                call(i);
            }
        });
    };
    ToldWatch told{.watch = std::make_shared<rules::UpgradeWatch>(upgrade, baseline,
                                                                  std::move(history), for_each)};
    const Window window{*upgrade.window_end_at, telling.until + clocks_apart};
    const auto scanned = samples.scan(window, [&](const storage::Row& row) {
        told.newest_received = std::max(told.newest_received.value_or(row.received), row.received);
        if (!telling.received_before || row.received < *telling.received_before) {
            told.first_row = std::min(told.first_row.value_or(row.at), row.at);
            told.watch->observe(row.source, row.at, row.received, row.reading);
        }
        return !telling.cancelled();
    });
    if (!scanned) {
        return tl::unexpected(scanned.error());
    }
    return told;
}

std::vector<Difference> differences(const std::vector<Judged>& stored,
                                    const std::vector<Judged>& recomputed) {
    std::vector<Difference> out;
    for (std::size_t i = 0; i < std::max(stored.size(), recomputed.size()); ++i) {
        const auto* const a = i < stored.size() ? &stored[i] : nullptr;
        const auto* const b = i < recomputed.size() ? &recomputed[i] : nullptr;
        const auto before = document_of(a);
        const auto after = document_of(b);
        auto what = of(a != nullptr ? *a : *b);
        if (a != nullptr && b != nullptr) {
            compare(before, after, what, out);
        } else {
            what.field = "judgement";
            what.stored = value_at(before.shown, what.field);
            what.recomputed = value_at(after.shown, what.field);
            out.push_back(std::move(what));
        }
    }
    return out;
}

Result<Recomputed> recompute(const storage::SampleStore& samples,
                             const storage::RecordStore& records, const std::string& id,
                             std::optional<Timestamp> at, const rules::ForEach& for_each) {
    auto upgrade = upgrade_of(records, id);
    if (!upgrade) {
        return tl::unexpected(upgrade.error());
    }
    const auto moment = moment_of(*upgrade, at);
    if (!moment) {
        return tl::unexpected(moment.error());
    }
    const auto baseline = records.baseline(upgrade->baseline_id);
    auto history = records.baseline_history(upgrade->baseline_id);
    if (!baseline || (!history && history.error().code() != Errc::not_found)) {
        return tl::unexpected(baseline ? history.error() : baseline.error());
    }
    auto watched = *upgrade;
    if (watched.resumed_at > *moment) {
        watched.resumed_at.reset();  // that was later
    }
    const auto told =
        told_watch(samples, watched, *baseline, history ? std::move(*history) : BaselineHistory{},
                   {.until = *moment, .received_before = *moment, .for_each = for_each});
    if (!told) {
        return tl::unexpected(told.error());
    }
    if (const auto known = known_until(*upgrade, *told); *moment > known) {
        return failure(Errc::invalid,
                       "recompute {} at {}: what is stored ends at {}; give an earlier time", id,
                       format_time(*moment), format_time(known));
    }
    Recomputed out{.upgrade = std::move(*upgrade),
                   .judged_at = *moment,
                   .judgements = told->watch->judged(*moment),
                   .first_row = told->first_row};
    out.verdict = rules::verdict_of(out.judgements);
    if (out.upgrade.judged_at == *moment) {
        out.differences = differences(out.upgrade.judgements, out.judgements);
        if (out.verdict != out.upgrade.verdict) {
            out.differences->push_back(
                {{}, {}, "verdict", api_json(out.upgrade.verdict), api_json(out.verdict)});
        }
    }
    return out;
}

}  // namespace holdfast::daemon
