#include "daemon/api.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>

#include "collectors/run_blocking.h"
#include "daemon/api_json.h"
#include "daemon/charts.h"
#include "daemon/envelope.h"
#include "daemon/metrics_page.h"
#include "daemon/version.h"
#include "rules/verdict.h"

namespace holdfast::daemon {
namespace asio = boost::asio;
namespace json = boost::json;
using envelope::error;
using envelope::success;
namespace {

constexpr auto text_type = "text/plain; charset=utf-8";
constexpr std::string_view api_root = "/api/v1/";
constexpr Milliseconds wait_max{60'000};
constexpr std::size_t query_values_max = 50'000;
constexpr std::size_t list_max = 1000;

int http_status(Errc code) {
    switch (code) {
        case Errc::not_found:
            return 404;
        case Errc::conflict:
            return 409;
        case Errc::invalid:
        case Errc::config:
            return 422;
        case Errc::denied:
            return 403;
        case Errc::cancelled:
        case Errc::timeout:
            return 503;
        default:
            return 500;
    }
}

ServerResponse failed(const Error& why) {
    return error(http_status(why.code()), why.message());
}

ServerResponse no_such_path(const std::string& path) {
    return error(404, fmt::format("no such path {}; see docs/operators-guide.md", path));
}

json::value upgrade_summary(const Upgrade& upgrade) {
    auto out = api_json(upgrade).as_object();
    for (const auto* key :
         {"rules", "signals", "load", "jobs", "judgements", "idempotency_key", "request_digest"}) {
        out.erase(key);
    }
    return out;
}

json::array missing_json(const Upgrade& upgrade) {
    json::array out;
    for (const auto& line : rules::missing_proofs(upgrade.judgements)) {
        out.emplace_back(line);
    }
    return out;
}

json::value upgrade_json(const Upgrade& upgrade) {
    auto out = upgrade_summary(upgrade).as_object();
    out["rules"] = api_json(upgrade.rules);
    out["load"] = api_json(upgrade.load);
    out["jobs"] = api_json(upgrade.jobs);
    json::array judgements;
    for (const auto& judged : upgrade.judgements) {
        judgements.push_back(judged_json(judged));
    }
    out["judgements"] = std::move(judgements);
    if (upgrade.phase == Phase::watching) {
        out["missing"] = missing_json(upgrade);
    }
    return out;
}

/// Our words as pipelines know them: RUNNING, SUCCEEDED, TERMINAL, CANCELED.
std::string_view pipeline_status(const Upgrade& upgrade) {
    if (upgrade.phase == Phase::closed || upgrade.verdict == Verdict::proven) {
        return "SUCCEEDED";
    }
    if (upgrade.phase == Phase::cancelled || upgrade.phase == Phase::rolled_back) {
        return "CANCELED";
    }
    return upgrade.verdict == Verdict::rollback ? "TERMINAL" : "RUNNING";
}

json::value verdict_json(const Upgrade& upgrade) {
    json::object out{{"id", upgrade.id},
                     {"phase", name_of(upgrade.phase)},
                     {"verdict", name_of(upgrade.verdict)},
                     {"revision", upgrade.revision},
                     {"status", pipeline_status(upgrade)},
                     {"overridden", upgrade.overridden}};
    if (upgrade.phase == Phase::watching) {
        out["missing"] = missing_json(upgrade);
    }
    return out;
}

json::value baseline_summary(const Baseline& baseline) {
    Baseline head = baseline;
    const auto signals = head.signals.size();
    head.signals.clear();
    auto out = api_json(head).as_object();
    out.erase("offsets");
    out["signals"] = signals;
    return out;
}

json::value placebo_state_json(const PlaceboState& state) {
    json::object out{{"status", state.result ? "done" : "running"},
                     {"since", format_time(state.since)},
                     {"since_ms", state.since.time_since_epoch().count()},
                     {"watch", format_duration(state.watch)},
                     {"watch_ms", state.watch.count()}};
    if (state.result) {
        out["result"] = *state.result;
    } else {
        out["progress_ratio"] = state.progress_ratio;
    }
    return out;
}

/// Fields of a request's JSON body: read by name, a wrong type or an unknown name is refused.
class Body {
public:
    explicit Body(const std::string& text) {
        boost::system::error_code bad;
        auto value = text.empty() ? json::value(json::object{}) : json::parse(text, bad);
        if (bad || !value.is_object()) {
            problem_ = fmt::format("the body is no JSON object{}{}", bad ? ": " : "",
                                   bad ? bad.message() : "");
        } else {
            object_ = std::move(value.as_object());
        }
    }
    std::string text(const char* name) {
        const auto* const value = take(name);
        if (value != nullptr && !value->is_string() && !value->is_null()) {
            problem_ = fmt::format("'{}' must be a text", name);
        }
        return value != nullptr && value->is_string()
                   ? std::string(value->get_string().data(), value->get_string().size())
                   : std::string{};
    }
    bool flag(const char* name) {
        const auto* const value = take(name);
        if (value != nullptr && !value->is_bool()) {
            problem_ = fmt::format("'{}' must be true or false", name);
        }
        return value != nullptr && value->is_bool() && value->get_bool();
    }
    std::optional<Milliseconds> duration(const char* name) {
        const auto written = text(name);
        if (written.empty()) {
            return std::nullopt;
        }
        const auto value = parse_duration(written);
        if (!value) {
            problem_ = fmt::format("'{}': {}", name, value.error().message());
            return std::nullopt;
        }
        return *value;
    }
    Labels labels(const char* name) {
        Labels out;
        const auto* const value = take(name);
        if (value == nullptr) {
            return out;
        }
        if (!value->is_object()) {
            problem_ = fmt::format("'{}' must be an object of texts", name);
            return out;
        }
        for (const auto& item : value->get_object()) {
            if (!item.value().is_string()) {
                problem_ = fmt::format("'{}' must be an object of texts", name);
            } else {
                const auto& label = item.value().get_string();
                out[std::string(item.key())] = std::string(label.data(), label.size());
            }
        }
        return out;
    }
    /// What is wrong with the body, names that nobody asked for included; empty when nothing is.
    std::string problem() const {
        if (problem_.empty()) {
            for (const auto& item : object_) {
                if (std::find(known_.begin(), known_.end(), item.key()) == known_.end()) {
                    return fmt::format("unknown field '{}'", std::string_view{item.key()});
                }
            }
        }
        return problem_;
    }

private:
    const json::value* take(const char* name) {
        known_.emplace_back(name);
        return object_.if_contains(name);
    }

    json::object object_;
    std::vector<std::string> known_;
    std::string problem_;
};

std::string query_value(const ServerRequest& request, const char* name) {
    const auto found = request.query.find(name);
    return found == request.query.end() ? std::string{} : found->second;
}

ServerResponse no_such_baseline(const std::string& id) {
    return error(404, fmt::format("no baseline {}; see 'holdfast baseline list'", id));
}

/// Head and tail of `a/b/c`: ("a", "b/c").
std::pair<std::string, std::string> split(const std::string& path) {
    const auto slash = std::min(path.find('/'), path.size());
    return {path.substr(0, slash), path.substr(std::min(slash + 1, path.size()))};
}

constexpr auto landing =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>holdfast</title>"
    "<h1>holdfast</h1><p>Watches a system after an upgrade, pages when going back is the right "
    "call, and lets nobody close the upgrade until stability is proven.</p><ul>"
    "<li><a href=\"api/v1/upgrades\">Upgrades</a><li><a href=\"api/v1/baselines\">Baselines</a>"
    "<li><a href=\"api/v1/signals\">Signals</a><li><a href=\"api/v1/sources\">Sources</a>"
    "<li><a href=\"api/v1/rules\">Rules</a><li><a href=\"api/v1/alerts\">Alerts</a>"
    "<li><a href=\"metrics\">Metrics</a><li><a href=\"-/ready\">Ready</a></ul></html>\n";

}  // namespace

Api::Api(const Deps& deps) : deps_{deps} {}

asio::awaitable<ServerResponse> Api::handle(ServerRequest request) {
    const auto method = request.method;
    const auto path = request.path;
    const auto user = request.user;
    auto response = co_await dispatch(std::move(request));
    if (method != "GET") {
        spdlog::info("request method={} path={} status={} user=\"{}\"", method, path,
                     response.status, user);
    }
    co_return response;
}

asio::awaitable<ServerResponse> Api::dispatch(ServerRequest request) {
    const auto path = request.path;
    if (path == "/-/healthy") {
        co_return ServerResponse{200, text_type, "Holdfast is Healthy.\n"};
    }
    if (path == "/-/ready") {
        co_return not_ready_.empty()
            ? ServerResponse{200, text_type, "Holdfast is Ready.\n"}
            : ServerResponse{503, text_type, "Holdfast is not ready: " + not_ready_ + "\n"};
    }
    if (request.method == "GET") {
        if (path == "/metrics") {
            co_return ServerResponse{200, std::string{TextPage::content_type},
                                     metrics_page(deps_.metrics, deps_.board, deps_.signals,
                                                  deps_.upgrades, deps_.clock.now())};
        }
        if (path == "/") {
            co_return ServerResponse{200, "text/html; charset=utf-8", landing};
        }
        if (path == "/-/reload") {
            co_return error(405, "reload with POST");
        }
    }
    if (request.method != "GET" && request.user.empty()) {
        const bool given = request.headers.contains("authorization");
        co_return error(given ? 403 : 401,
                        given ? "the token is not this daemon's; it is in <state>/token"
                              : "a token is needed: 'Authorization: Bearer <token>', the token is "
                                "in <state>/token");
    }
    if (path == "/-/reload" && (request.method == "POST" || request.method == "PUT")) {
        const auto reloaded = reload_();
        co_return reloaded ? ServerResponse{200, text_type, "reloaded\n"}
                           : ServerResponse{500, text_type, reloaded.error().message() + "\n"};
    }
    if (!path.starts_with(api_root)) {
        co_return no_such_path(path);
    }
    if (!not_ready_.empty()) {
        co_return error(503, "not ready: " + not_ready_);
    }
    auto rest = path.substr(api_root.size());
    if (request.method == "GET") {
        co_return co_await get(std::move(request), std::move(rest));
    }
    if (request.method == "POST") {
        co_return co_await post(std::move(request), std::move(rest));
    }
    co_return error(405, "only GET and POST here");
}

asio::awaitable<ServerResponse> Api::get(ServerRequest request, std::string path) {
    if (path == "upgrades") {
        co_return list_upgrades(request);
    }
    auto [head, tail] = split(path);
    if (head == "upgrades") {
        co_return co_await get_upgrade(std::move(request), std::move(tail));
    }
    if (path == "series/query") {
        co_return co_await query_series(std::move(request));
    }
    if (head == "baselines" && !tail.empty()) {
        co_return get_baseline(request, tail);
    }
    if (head == "status") {
        co_return status(tail);
    }
    co_return list(path);
}

ServerResponse Api::get_baseline(const ServerRequest& request, const std::string& path) const {
    const auto [id, what] = split(path);
    const auto baseline = deps_.upgrades.baseline(id);
    if (!baseline) {
        return no_such_baseline(id);
    }
    if (what.empty()) {
        return success(api_json(*baseline));
    }
    if (what != "placebo") {
        return no_such_path(request.path);
    }
    const auto state = deps_.placebos.find(id);
    return state ? success(placebo_state_json(*state)) : failed(state.error());
}

ServerResponse Api::list_upgrades(const ServerRequest& request) const {
    json::array out;
    const auto wanted = [&request](const char* name, std::string_view value) {
        const auto filter = query_value(request, name);
        return filter.empty() || filter == value;
    };
    for (auto it = deps_.upgrades.all().rbegin();
         it != deps_.upgrades.all().rend() && out.size() < list_max; ++it) {
        const auto& upgrade = it->second;
        if (wanted("target", upgrade.target) && wanted("phase", name_of(upgrade.phase)) &&
            wanted("verdict", name_of(upgrade.verdict))) {
            out.push_back(upgrade_summary(upgrade));
        }
    }
    return success(std::move(out));
}

ServerResponse Api::list(const std::string& path) const {
    json::array out;
    if (path == "baselines") {
        for (const auto& [number, baseline] : deps_.upgrades.baselines()) {
            out.push_back(baseline_summary(*baseline));
        }
    } else if (path == "signals") {
        for (const auto& signal : deps_.signals.latest()) {
            json::object item{{"name", signal.id.name},
                              {"labels", api_json(signal.id.labels)},
                              {"kind", name_of(signal.kind)}};
            if (signal.point) {
                item["value"] = ApiStyle::number(signal.point->value());
                item["at"] = format_time(signal.point->at);
                item["at_ms"] = signal.point->at.time_since_epoch().count();
            }
            out.push_back(std::move(item));
        }
    } else if (path == "sources") {
        for (const auto& source : deps_.collecting.sources()) {
            out.push_back(json::object{{"collector", source.collector},
                                       {"instance", source.instance},
                                       {"interval", format_duration(source.interval)},
                                       {"up", source.up},
                                       {"samples", source.samples},
                                       {"last_error", source.last_error},
                                       {"last_success", format_time(source.last_success)}});
        }
    } else if (path == "series") {
        for (const auto& series : deps_.samples.series()) {
            out.push_back(json::object{{"series", to_string(*series)},
                                       {"metric", series->metric},
                                       {"labels", api_json(series->labels)},
                                       {"type", name_of(series->type)}});
        }
    } else if (path == "rules") {
        out = api_json(config_->rules).as_array();
    } else if (path == "alerts") {
        out = api_json(deps_.alerting.alerts()).as_array();
    } else {
        return no_such_path(std::string{api_root} + path);
    }
    return success(std::move(out));
}

ServerResponse Api::status(const std::string& what) const {
    if (what == "build") {
        return success(json::object{{"version", version}, {"compiler", __VERSION__}});
    }
    if (what == "runtime") {
        const auto statistics = deps_.samples.statistics();
        return success(json::object{{"started_at", format_time(runtime_.started_at)},
                                    {"storage_path", runtime_.storage_path},
                                    {"series", statistics.series},
                                    {"rows_appended", statistics.rows_appended},
                                    {"samples_appended", statistics.samples_appended},
                                    {"bytes_appended", statistics.bytes_appended},
                                    {"waiting_for_space", statistics.waiting_for_space},
                                    {"alertmanagers", deps_.alerting.alertmanagers()}});
    }
    if (what == "flags") {
        json::object out;
        for (const auto& [name, value] : runtime_.flags) {
            out[name] = value;
        }
        return success(std::move(out));
    }
    if (what == "config") {
        return success(json::object{{"yaml", runtime_.config_text}});
    }
    return no_such_path("/api/v1/status/" + what);
}

asio::awaitable<ServerResponse> Api::get_upgrade(ServerRequest request, std::string path) {
    const auto [id, what] = split(path);
    if (what == "events") {
        auto events = co_await deps_.upgrades.events(id);
        co_return events ? success(api_json(*events)) : failed(events.error());
    }
    if (what == "verdict") {
        Milliseconds wait{0};
        if (const auto text = query_value(request, "wait"); !text.empty()) {
            const auto parsed = parse_duration(text);
            if (!parsed) {
                co_return error(400, "wait: " + parsed.error().message());
            }
            wait = std::min(*parsed, wait_max);
        }
        std::uint64_t since = 0;
        const auto revision = query_value(request, "since_revision");
        std::from_chars(revision.data(), revision.data() + revision.size(), since);
        auto upgrade = co_await deps_.upgrades.wait(id, since, wait);
        co_return upgrade ? success(verdict_json(*upgrade)) : failed(upgrade.error());
    }
    const auto upgrade = deps_.upgrades.find(id);
    if (!upgrade) {
        co_return failed(upgrade.error());
    }
    if (what.empty()) {
        auto response = success(upgrade_json(*upgrade));
        response.headers.emplace_back("ETag", fmt::format("\"{}\"", upgrade->revision));
        co_return response;
    }
    if (what == "gate") {
        const bool open = upgrade->phase == Phase::closed || (upgrade->phase == Phase::watching &&
                                                              upgrade->verdict == Verdict::proven);
        co_return open ? success(verdict_json(*upgrade))
                       : error(409,
                               fmt::format("{} is {}, verdict {}", id, name_of(upgrade->phase),
                                           name_of(upgrade->verdict)),
                               verdict_json(*upgrade));
    }
    if (what.starts_with("rules/")) {
        co_return co_await get_rule(*upgrade, what.substr(std::string_view{"rules/"}.size()));
    }
    co_return no_such_path(request.path);
}

/// What a rule says, with its signals since the upgrade against the band of the baseline.
asio::awaitable<ServerResponse> Api::get_rule(Upgrade upgrade, std::string rule) {
    const auto baseline = deps_.upgrades.baseline(upgrade.baseline_id);
    const auto end = std::min(upgrade.ended_at.value_or(deps_.clock.now()), deps_.clock.now());
    auto draw = [&samples = deps_.samples, &upgrades = deps_.upgrades, upgrade, baseline, rule,
                 end] {
        return charts_of(samples, upgrade, baseline ? *baseline : Baseline{}, rule, end,
                         [&upgrades] { return upgrades.stopping(); });
    };
    auto charts = co_await run_blocking(deps_.read_pool, std::move(draw));
    if (!charts) {
        co_return failed(charts.error());
    }
    json::array judged;
    for (const auto& j : upgrade.judgements) {
        if (j.rule == rule) {
            judged.push_back(api_json(j));
        }
    }
    json::array drawn;
    for (const auto& chart : *charts) {
        drawn.push_back(json::object{{"signal", to_string(chart.signal)},
                                     {"kind", name_of(chart.kind)},
                                     {"begin", format_time(chart.begin)},
                                     {"begin_ms", chart.begin.time_since_epoch().count()},
                                     {"step", format_duration(chart.step)},
                                     {"step_ms", chart.step.count()},
                                     {"values", api_json(chart.values)},
                                     {"lower", api_json(chart.lower)},
                                     {"middle", api_json(chart.middle)},
                                     {"upper", api_json(chart.upper)}});
    }
    co_return success(json::object{{"upgrade", upgrade.id},
                                   {"rule", rule},
                                   {"judgements", std::move(judged)},
                                   {"charts", std::move(drawn)}});
}

asio::awaitable<ServerResponse> Api::query_series(ServerRequest request) {
    const auto wanted = query_value(request, "series");
    Window window{deps_.clock.now() - std::chrono::hours{1}, deps_.clock.now() + Milliseconds{1}};
    for (const auto& [name, bound] :
         {std::pair{"start", &window.begin}, std::pair{"end", &window.end}}) {
        if (const auto text = query_value(request, name); !text.empty()) {
            const auto at = parse_time(text);
            if (!at) {
                co_return error(400, fmt::format("{}: {}", name, at.error().message()));
            }
            *bound = *at;
        }
    }
    struct Found {
        bool known = false;
        bool truncated = false;
        json::array values;
    };
    auto read = [&samples = deps_.samples, wanted, window]() -> Result<Found> {
        Found found;
        std::shared_ptr<const Series> series;
        for (const auto& candidate : samples.series()) {
            if (to_string(*candidate) == wanted) {
                series = candidate;
                found.known = true;
            }
        }
        if (!series) {
            return found;
        }
        auto scanned = samples.scan(window, [&](const storage::Row& row) {
            for (const auto& sample : row.reading.samples) {
                if (sample.series == series) {
                    found.values.push_back(json::array{sample.at.time_since_epoch().count(),
                                                       ApiStyle::number(sample.value)});
                }
            }
            found.truncated = found.values.size() >= query_values_max;
            return !found.truncated;
        });
        if (!scanned) {
            return tl::unexpected(scanned.error());
        }
        return found;
    };
    auto found = co_await run_blocking(deps_.read_pool, std::move(read));
    if (!found) {
        co_return failed(found.error());
    }
    if (!found->known) {
        co_return error(404, fmt::format("no series '{}'; see 'holdfast series list'", wanted));
    }
    co_return success(json::object{
        {"series", wanted}, {"values", std::move(found->values)}, {"truncated", found->truncated}});
}

asio::awaitable<ServerResponse> Api::post(ServerRequest request, std::string path) {
    if (path == "upgrades") {
        co_return co_await start_upgrade(std::move(request));
    }
    auto [head, tail] = split(path);
    if (head == "upgrades") {
        co_return co_await post_upgrade(std::move(request), std::move(tail));
    }
    if (path == "baselines") {
        co_return co_await take_baseline(std::move(request));
    }
    if (const auto [id, what] = split(tail); head == "baselines" && what == "placebo") {
        co_return ask_placebo(request, id);
    }
    if (path == "alerts/test") {
        const auto tested = co_await deps_.alerting.test();
        co_return tested ? success(json::object{{"alertmanagers", deps_.alerting.alertmanagers()}})
                         : failed(tested.error());
    }
    co_return no_such_path(request.path);
}

asio::awaitable<ServerResponse> Api::start_upgrade(ServerRequest request) {
    Body body{request.body};
    StartRequest start;
    start.target = body.text("target");
    start.from = body.text("from");
    start.to = body.text("to");
    start.reason = body.text("reason");
    start.labels = body.labels("labels");
    start.cycle = body.duration("cycle");
    start.baseline = body.text("baseline");
    start.no_window = body.flag("no_window");
    if (auto zone = body.text("timezone"); !zone.empty()) {
        start.timezone = std::move(zone);
    }
    if (const auto problem = body.problem(); !problem.empty()) {
        co_return error(400, "start an upgrade: " + problem);
    }
    if (const auto key = request.headers.find("idempotency-key"); key != request.headers.end()) {
        start.idempotency_key = key->second;
        start.digest = sha256_hex(request.body);
    }
    auto started = co_await deps_.upgrades.start(std::move(start));
    if (!started) {
        co_return failed(started.error());
    }
    auto response = success(upgrade_json(started->upgrade), started->created ? 201 : 200);
    response.headers.emplace_back("Location", "/api/v1/upgrades/" + started->upgrade.id);
    co_return response;
}

asio::awaitable<ServerResponse> Api::post_upgrade(ServerRequest request, std::string path) {
    auto [id, verb] = split(path);
    Body body{request.body};
    auto by = body.text("by");
    auto reason = body.text("reason");
    auto text = body.text("text");
    if (const auto problem = body.problem(); !problem.empty()) {
        co_return error(400, fmt::format("{} upgrade {}: {}", verb, id, problem));
    }
    if (verb == "notes") {
        auto noted = co_await deps_.upgrades.note(id, std::move(by), std::move(text));
        co_return noted ? success(upgrade_json(*noted)) : failed(noted.error());
    }
    using rules::Transition;
    const std::map<std::string, Transition> transitions{{"window-end", Transition::window_end},
                                                        {"close", Transition::close},
                                                        {"override", Transition::override_close},
                                                        {"cancel", Transition::cancel},
                                                        {"rollback", Transition::roll_back}};
    const auto transition = transitions.find(verb);
    if (transition == transitions.end()) {
        co_return no_such_path(request.path);
    }
    auto moved = co_await deps_.upgrades.transition(id, transition->second, std::move(by),
                                                    std::move(reason));
    if (moved) {
        co_return success(upgrade_json(*moved));
    }
    const auto present = deps_.upgrades.find(id);
    if (present && moved.error().code() == Errc::conflict) {
        co_return error(409, moved.error().message(), verdict_json(*present));
    }
    co_return failed(moved.error());
}

asio::awaitable<ServerResponse> Api::take_baseline(ServerRequest request) {
    Body body{request.body};
    const auto range = body.duration("range");
    const auto cycle = body.duration("cycle");
    const auto zone = body.text("timezone");
    if (const auto problem = body.problem(); !problem.empty()) {
        co_return error(400, "take a baseline: " + problem);
    }
    std::optional<std::string> timezone;
    if (!zone.empty()) {
        timezone = zone;
    }
    auto taken = co_await deps_.upgrades.take_baseline(range, cycle, std::move(timezone));
    co_return taken ? success(baseline_summary(*taken), 201) : failed(taken.error());
}

ServerResponse Api::ask_placebo(const ServerRequest& request, const std::string& id) {
    Body body{request.body};
    const auto watch = body.duration("watch");
    if (const auto problem = body.problem(); !problem.empty()) {
        return error(400, fmt::format("placebo of baseline {}: {}", id, problem));
    }
    const auto baseline = deps_.upgrades.baseline(id);
    if (!baseline) {
        return no_such_baseline(id);
    }
    const auto state = deps_.placebos.ask(baseline, watch);
    if (!state) {
        return failed(state.error());
    }
    auto response = success(placebo_state_json(*state), state->result ? 200 : 202);
    response.headers.emplace_back("Location", fmt::format("/api/v1/baselines/{}/placebo", id));
    return response;
}

}  // namespace holdfast::daemon
