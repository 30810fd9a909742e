#include "daemon/client/replay_upgrade.h"

#include <fmt/ranges.h>

#include <filesystem>
#include <iostream>

#include "daemon/api_json.h"
#include "daemon/client/connection.h"
#include "daemon/client/offline.h"
#include "model/names.h"

namespace holdfast::client {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

using daemon::Difference;
using daemon::Recomputed;

constexpr auto retention_trace = std::chrono::hours{1};  // without a row: they were there once

// ---- stores

Result<fs::path> state_of(const std::string& given) {
    if (!given.empty()) {
        return fs::path{given};
    }
    for (const fs::path folder : state_folders) {
        std::error_code denied;  // then it is there, and opening it says what is wrong
        if (fs::exists(folder / "records", denied) || denied) {
            return folder;
        }
    }
    return failure(Errc::not_found, "no daemon's state in {}; give --storage.path",
                   fmt::join(state_folders, ", "));
}

/// The records come first: what they say was judged by rows that are then in the samples.
Result<Recomputed> recomputed_of(const ReplayUpgradeArguments& arguments,
                                 std::optional<Timestamp> at) {
    const auto state = state_of(arguments.storage_path);
    if (!state) {
        return tl::unexpected(state.error());
    }
    const auto records =
        storage::open_record_store({.path = *state / "records", .read_only = true});
    if (!records) {
        return tl::unexpected(records.error());
    }
    const auto samples =
        storage::open_sample_store({.path = *state / "samples", .read_only = true});
    if (!samples) {
        return tl::unexpected(samples.error());
    }
    return daemon::recompute(**samples, **records, arguments.upgrade, at,
                             with_threads(threads_for(arguments.jobs)));
}

// ---- words

json::array differences_json(const Recomputed& recomputed) {
    json::array out;
    for (const auto& d : recomputed.differences.value_or(std::vector<Difference>{})) {
        out.push_back(json::object{{"rule", d.rule},
                                   {"signal", d.signal},
                                   {"field", d.field},
                                   {"stored", d.stored},
                                   {"recomputed", d.recomputed}});
    }
    return out;
}

std::string subject_of(const Difference& d) {
    return d.rule.empty() ? fmt::format("the {}", d.field)
                          : fmt::format("{} of rule {} ({})", d.field, d.rule, d.signal);
}

/// Rows at the watch's begin are not there any more.
bool begin_is_gone(const Recomputed& recomputed) {
    const auto begin = *recomputed.upgrade.window_end_at;
    return recomputed.first_row.value_or(recomputed.judged_at) - begin > retention_trace;
}

int exit_for(Verdict verdict) {
    switch (verdict) {
        case Verdict::proven:
            return Exit::ok;
        case Verdict::rollback:
            return Exit::rollback;
        case Verdict::blocked:
            return Exit::blocked;
        case Verdict::watching:
            break;
    }
    return Exit::still_watching;
}

}  // namespace

json::object recomputed_json(const Recomputed& recomputed) {
    const auto& upgrade = recomputed.upgrade;
    json::array judgements;
    for (const auto& judged : recomputed.judgements) {
        judgements.push_back(daemon::judged_json(judged));
    }
    return {{"upgrade", upgrade.id},
            {"target", upgrade.target},
            {"from", upgrade.from},
            {"to", upgrade.to},
            {"judged_at", daemon::format_time(recomputed.judged_at)},
            {"judged_at_ms", recomputed.judged_at.time_since_epoch().count()},
            {"verdict", name_of(recomputed.verdict)},
            {"stored_verdict", name_of(upgrade.verdict)},
            {"identical",
             recomputed.differences ? json::value(recomputed.differences->empty()) : json::value{}},
            {"differences", differences_json(recomputed)},
            {"judgements", std::move(judgements)}};
}

std::string recomputed_table(const Recomputed& recomputed) {
    const auto result = recomputed_json(recomputed);
    auto out = as_table(json::array{result}, {{"UPGRADE", "upgrade"},
                                              {"TARGET", "target"},
                                              {"FROM", "from"},
                                              {"TO", "to"},
                                              {"JUDGED AT", "judged_at"},
                                              {"VERDICT", "verdict"},
                                              {"STORED", "stored_verdict"},
                                              {"IDENTICAL", "identical"}});
    out += "\n" + as_table(result.at("judgements"), judgement_columns());
    if (recomputed.differences && !recomputed.differences->empty()) {
        out += "\n" + as_table(result.at("differences"), {{"RULE", "rule"},
                                                          {"SIGNAL", "signal"},
                                                          {"FIELD", "field"},
                                                          {"STORED", "stored"},
                                                          {"RECOMPUTED", "recomputed"}});
    }
    return out;
}

std::string differing_sentence(const Recomputed& recomputed) {
    if (!recomputed.differences || recomputed.differences->empty()) {
        return {};
    }
    const auto& all = *recomputed.differences;
    const auto& first = all.front();
    return fmt::format(
        "replay {}: {} is {} as stored and {} recomputed{}; {}", recomputed.upgrade.id,
        subject_of(first), json::serialize(first.stored), json::serialize(first.recomputed),
        all.size() > 1 ? fmt::format(", and {} more differ", all.size() - 1) : "",
        begin_is_gone(recomputed)
            ? fmt::format(
                  "samples before {} are gone, retention may have dropped them",
                  recomputed.first_row ? daemon::format_time(*recomputed.first_row) : "then")
            : "what is stored was changed since, or another version of holdfast judged it");
}

int replay_upgrade(const ReplayUpgradeArguments& arguments) {
    std::optional<Timestamp> at;
    if (!arguments.at.empty()) {
        const auto given = daemon::parse_time(arguments.at);
        if (!given) {
            return complain_offline(given.error().while_doing("--at"));
        }
        at = *given;
    }
    const auto recomputed = recomputed_of(arguments, at);
    if (!recomputed) {
        return complain_offline(recomputed.error());
    }
    const bool to_file = !arguments.output.empty() && arguments.output != "-";
    const auto text = as_text(to_file ? Format::json : arguments.format,
                              recomputed_json(*recomputed), recomputed_table(*recomputed));
    if (const auto written = write_result(arguments.output, text); !written) {
        return complain_offline(written.error());
    }
    if (const auto sentence = differing_sentence(*recomputed); !sentence.empty()) {
        return complain_offline({Errc::corrupt, sentence});
    }
    return arguments.exit_code ? exit_for(recomputed->verdict) : static_cast<int>(Exit::ok);
}

}  // namespace holdfast::client
