#include "daemon/client/commands.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <iostream>
#include <thread>

#include "collectors/metrics.h"
#include "daemon/client/offline.h"
#include "daemon/client/placebo.h"
#include "daemon/collecting.h"
#include "daemon/exposition.h"
#include "daemon/quantities.h"
#include "daemon/token.h"
#include "daemon/version.h"

namespace holdfast::client {
namespace asio = boost::asio;
namespace json = boost::json;
namespace {

constexpr Milliseconds long_poll{30'000};
constexpr Milliseconds first_poll{100};  // of what takes seconds to minutes; then twice as long
constexpr Milliseconds slowest_poll{1000};

int complain(const Error& error) {
    std::cerr << "holdfast: " << error.message() << '\n';
    switch (error.code()) {
        case Errc::io:
        case Errc::timeout:
        case Errc::parse:
            return Exit::unreachable_or_denied;
        default:
            return Exit::usage_or_internal;
    }
}

/// Exit code of an answer that is an error, after saying so.
int refused(const Answer& answer) {
    std::cerr << "holdfast: " << answer.error << '\n';
    return answer.status == 401 || answer.status == 403 ? Exit::unreachable_or_denied
                                                        : Exit::usage_or_internal;
}

void print(const Context& context, const json::value& data, const std::string& table) {
    std::cout << as_text(context.format, data, table);
}

const std::vector<Column> upgrade_columns{
    {"ID", "id"},       {"TARGET", "target"},   {"FROM", "from"},         {"TO", "to"},
    {"PHASE", "phase"}, {"VERDICT", "verdict"}, {"STARTED", "started_at"}};

std::string upgrade_table(const json::value& upgrade) {
    auto out = as_table(json::array{upgrade}, upgrade_columns);
    if (const auto* judgements = upgrade.get_object().if_contains("judgements");
        judgements != nullptr && !judgements->get_array().empty()) {
        out += "\n" + as_table(*judgements, judgement_columns());
        for (const auto& judged : judgements->get_array()) {
            if (text_at(judged, "judgement") == "regressed") {
                out += "\n" + text_at(judged, "evidence.reason") + "\n";
            }
        }
    }
    if (const auto* missing = upgrade.get_object().if_contains("missing");
        missing != nullptr && !missing->get_array().empty()) {
        out += "\nmissing for closing:\n";
        for (const auto& line : missing->get_array()) {
            out += "- " + std::string(line.get_string()) + "\n";
        }
    }
    return out;
}

/// GET of a list, printed as a table with `columns`.
int show_list(const Context& context, const std::string& path, const std::vector<Column>& columns) {
    const auto answer = context.connect().get(path);
    if (!answer) {
        return complain(answer.error());
    }
    if (answer->status != 200) {
        return refused(*answer);
    }
    print(context, answer->data, as_table(answer->data, columns));
    return Exit::ok;
}

/// Loads each of `files`, and says of each what is wrong with it.
template <class Load>
int check_files(const std::vector<std::string>& files, Load load) {
    int code = Exit::ok;
    for (const auto& file : files) {
        const auto config = load(file);
        std::cerr << (config ? file + ": good" : config.error().message()) << '\n';
        code = config ? code : static_cast<int>(Exit::usage_or_internal);
    }
    return code;
}

int exit_for(const std::string& phase, const std::string& verdict) {
    if (phase == "closed") {
        return Exit::ok;
    }
    if (phase == "cancelled" || phase == "rolled_back") {
        return Exit::ended_otherwise;
    }
    if (verdict == "proven") {
        return Exit::ok;
    }
    if (verdict == "rollback") {
        return Exit::rollback;
    }
    return verdict == "blocked" ? Exit::blocked : Exit::still_watching;
}

/// One line that is written over, for people who wait; pipelines see nothing.
class ProgressLine {
public:
    ProgressLine() = default;
    ~ProgressLine() { write({}); }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    void write(const std::string& text) {
        if (is_terminal_ && text != shown_) {
            std::cerr << "\r\x1b[K" << text << std::flush;
            shown_ = text;
        }
    }

private:
    bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
    std::string shown_;
};

void print_verdict(const Context& context, const json::value& data) {
    print(
        context, data,
        as_table(
            json::array{data},
            {{"ID", "id"}, {"PHASE", "phase"}, {"VERDICT", "verdict"}, {"REVISION", "revision"}}));
}

}  // namespace

Connection Context::connect() const {
    std::vector<std::string> candidates;
    if (!token_file.empty()) {
        candidates.push_back(token_file);
    } else {
        for (const auto* folder : state_folders) {
            candidates.push_back(std::string{folder} + "/token");
        }
    }
    for (const auto& candidate : candidates) {
        if (const auto token = daemon::read_token(candidate)) {
            return {url, *token, http};
        }
    }
    return {url, {}, http};
}

int upgrade_start(const Context& context, const StartArguments& arguments) {
    json::object body{{"target", arguments.target},
                      {"from", arguments.from},
                      {"to", arguments.to},
                      {"no_window", arguments.no_window}};
    const auto add = [&body](const char* name, const std::string& value) {
        if (!value.empty()) {
            body[name] = value;
        }
    };
    add("reason", arguments.reason);
    add("cycle", arguments.cycle);
    add("timezone", arguments.timezone);
    add("baseline", arguments.baseline);
    json::object labels;
    for (const auto& label : arguments.labels) {
        const auto equals = label.find('=');
        if (equals == std::string::npos || equals == 0) {
            std::cerr << "holdfast: --label " << label << ": write name=value\n";
            return Exit::usage_or_internal;
        }
        labels[label.substr(0, equals)] = label.substr(equals + 1);
    }
    body["labels"] = std::move(labels);
    Connection::Headers headers;
    if (!arguments.idempotency_key.empty()) {
        headers.emplace_back("Idempotency-Key", arguments.idempotency_key);
    }
    const auto answer = context.connect().post("/api/v1/upgrades", body, headers);
    if (!answer) {
        return complain(answer.error());
    }
    if (answer->status != 201 && answer->status != 200) {
        return refused(*answer);
    }
    print(context, answer->data, upgrade_table(answer->data));
    return Exit::ok;
}

int upgrade_change(const Context& context, const std::string& id, const std::string& what,
                   const std::string& by, const std::string& reason, const std::string& text) {
    json::object body;
    for (const auto& [name, value] :
         {std::pair{"by", &by}, std::pair{"reason", &reason}, std::pair{"text", &text}}) {
        if (!value->empty()) {
            body[name] = *value;
        }
    }
    const auto answer =
        context.connect().post(fmt::format("/api/v1/upgrades/{}/{}", id, what), body);
    if (!answer) {
        return complain(answer.error());
    }
    if (answer->status == 200) {
        print(context, answer->data, upgrade_table(answer->data));
        return Exit::ok;
    }
    const auto* const data = answer->data.if_object();
    if (what == "close" && answer->status == 409 && data != nullptr && data->contains("missing")) {
        std::cerr << "holdfast: close upgrade " << id << ": not proven; missing:\n";
        for (const auto& line : data->at("missing").get_array()) {
            std::cerr << "- " << std::string_view{line.get_string()} << '\n';
        }
        if (context.format != Format::table) {
            print(context, answer->data, {});
        }
        return Exit::still_watching;
    }
    return refused(*answer);
}

int upgrade_list(const Context& context) {
    return show_list(context, "/api/v1/upgrades", upgrade_columns);
}

int upgrade_show(const Context& context, const std::string& id) {
    const auto answer = context.connect().get("/api/v1/upgrades/" + id);
    if (!answer) {
        return complain(answer.error());
    }
    if (answer->status != 200) {
        return refused(*answer);
    }
    print(context, answer->data, upgrade_table(answer->data));
    return Exit::ok;
}

int upgrade_events(const Context& context, const std::string& id) {
    return show_list(context, "/api/v1/upgrades/" + id + "/events",
                     {{"AT", "at"}, {"TYPE", "type"}, {"BY", "by"}, {"TEXT", "text"}});
}

int upgrade_verdict(const Context& context, const std::string& id) {
    const auto answer = context.connect().get("/api/v1/upgrades/" + id + "/verdict");
    if (!answer) {
        return complain(answer.error());
    }
    if (answer->status != 200) {
        return refused(*answer);
    }
    print_verdict(context, answer->data);
    return exit_for(text_at(answer->data, "phase"), text_at(answer->data, "verdict"));
}

int upgrade_wait(const Context& context, const std::string& id, Milliseconds timeout) {
    const auto connection = context.connect();
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    std::string revision = "0";
    for (;;) {
        const auto left =
            std::chrono::ceil<Milliseconds>(deadline - std::chrono::steady_clock::now());
        const auto wait = std::clamp<Milliseconds>(left, Milliseconds{0}, long_poll);
        const auto answer =
            connection.get(fmt::format("/api/v1/upgrades/{}/verdict?wait={}&since_revision={}", id,
                                       daemon::format_duration(wait), revision),
                           wait + Milliseconds{10'000});
        if (!answer) {
            return complain(answer.error());
        }
        if (answer->status != 200) {
            return refused(*answer);
        }
        revision = text_at(answer->data, "revision");
        const int code = exit_for(text_at(answer->data, "phase"), text_at(answer->data, "verdict"));
        if (code != Exit::still_watching || left <= Milliseconds{0}) {
            print_verdict(context, answer->data);
            return code;
        }
    }
}

int baseline_take(const Context& context, const std::string& range, const std::string& cycle,
                  const std::string& timezone) {
    json::object body;
    for (const auto& [name, value] : {std::pair{"range", &range}, std::pair{"cycle", &cycle},
                                      std::pair{"timezone", &timezone}}) {
        if (!value->empty()) {
            body[name] = *value;
        }
    }
    const auto answer = context.connect().post("/api/v1/baselines", body);
    if (!answer) {
        return complain(answer.error());
    }
    if (answer->status != 201) {
        return refused(*answer);
    }
    print(context, answer->data,
          as_table(json::array{answer->data}, {{"ID", "id"},
                                               {"FROM", "window.begin"},
                                               {"TO", "window.end"},
                                               {"CYCLES", "whole_cycles"},
                                               {"SIGNALS", "signals"},
                                               {"ROWS", "rows"},
                                               {"NOTE", "note"}}));
    return Exit::ok;
}

int baseline_list(const Context& context) {
    return show_list(context, "/api/v1/baselines",
                     {{"ID", "id"},
                      {"TAKEN", "taken_at"},
                      {"FROM", "window.begin"},
                      {"TO", "window.end"},
                      {"CYCLE", "cycle"},
                      {"CYCLES", "whole_cycles"},
                      {"SIGNALS", "signals"},
                      {"DIGEST", "digest"},
                      {"NOTE", "note"}});
}

int baseline_show(const Context& context, const std::string& id) {
    const auto answer = context.connect().get("/api/v1/baselines/" + id);
    if (!answer) {
        return complain(answer.error());
    }
    if (answer->status != 200) {
        return refused(*answer);
    }
    print(context, answer->data,
          as_table(answer->data.at("signals"), {{"SIGNAL", "signal.name"},
                                                {"LABELS", "signal.labels"},
                                                {"KIND", "kind"},
                                                {"SEASONS", "level"},
                                                {"MIN", "minimum"},
                                                {"MAX", "maximum"}}));
    return Exit::ok;
}

int baseline_placebo(const Context& context, const std::string& id, const std::string& watch) {
    const auto connection = context.connect();
    const auto path = fmt::format("/api/v1/baselines/{}/placebo", percent_encoded(id));
    json::object body;
    if (!watch.empty()) {
        body["watch"] = watch;
    }
    auto answer = connection.post(path, body);
    ProgressLine line;
    std::string since;
    for (auto pause = first_poll;; pause = std::min(2 * pause, slowest_poll)) {
        if (!answer) {
            line.write({});
            return complain(answer.error());
        }
        if (answer->status != 200 && answer->status != 202) {
            line.write({});
            return refused(*answer);
        }
        since = since.empty() ? text_at(answer->data, "since_ms") : since;
        if (text_at(answer->data, "since_ms") != since) {
            line.write({});
            std::cerr << "holdfast: another placebo of " << id
                      << " took the place of this one; ask again\n";
            return Exit::usage_or_internal;
        }
        if (text_at(answer->data, "status") == "done") {
            break;
        }
        const double done = answer->data.at("progress_ratio").to_number<double>();
        line.write(fmt::format("placebo of {}: {:.0f} %", id, 100 * done));
        std::this_thread::sleep_for(pause);
        answer = connection.get(path);
    }
    line.write({});
    std::cout << placebo_text(answer->data.at("result").as_object(), context.format);
    return Exit::ok;
}

int rules_show(const Context& context) {
    return show_list(context, "/api/v1/rules",
                     {{"RULE", "name"},
                      {"SIGNAL", "signal"},
                      {"MATCH", "match"},
                      {"WORSE", "worse"},
                      {"TOLERATED", "tolerated"},
                      {"MARGIN", "margin"},
                      {"REQUIRED", "required"},
                      {"NO DATA", "no_data"}});
}

int series_list(const Context& context) {
    return show_list(context, "/api/v1/series", {{"SERIES", "series"}, {"TYPE", "type"}});
}

int series_query(const Context& context, const std::string& series, const std::string& start,
                 const std::string& end) {
    auto path = "/api/v1/series/query?series=" + percent_encoded(series);
    path += start.empty() ? "" : "&start=" + percent_encoded(start);
    path += end.empty() ? "" : "&end=" + percent_encoded(end);
    const auto answer = context.connect().get(path);
    if (!answer) {
        return complain(answer.error());
    }
    if (answer->status != 200) {
        return refused(*answer);
    }
    std::string table;
    for (const auto& value : answer->data.at("values").get_array()) {
        const Timestamp at{Milliseconds{value.at(0).to_number<std::int64_t>()}};
        table += fmt::format("{}  {}\n", daemon::format_time(at), json::serialize(value.at(1)));
    }
    print(context, answer->data, table.empty() ? "none\n" : table);
    return Exit::ok;
}

int alerts_list(const Context& context) {
    return show_list(context, "/api/v1/alerts",
                     {{"ALERT", "labels.alertname"},
                      {"SEVERITY", "labels.severity"},
                      {"UPGRADE", "upgrade"},
                      {"RULE", "labels.rule"},
                      {"SINCE", "starts_at"},
                      {"ENDED", "ended_at"},
                      {"DELIVERED", "delivered"},
                      {"SUMMARY", "annotations.summary"}});
}

int alerts_test(const Context& context) {
    const auto answer = context.connect().post("/api/v1/alerts/test", {});
    if (!answer) {
        return complain(answer.error());
    }
    if (answer->status != 200) {
        return refused(*answer);
    }
    print(context, answer->data, "every Alertmanager has taken the test alert\n");
    return Exit::ok;
}

int check_page(const Context& context, const std::string& path) {
    const auto page = context.connect().page(path);
    if (!page) {
        return complain(page.error());
    }
    std::cout << page->second;
    return page->first == 200 ? Exit::ok : Exit::usage_or_internal;
}

int check_config(const std::vector<std::string>& files) {
    return check_files(files, [](const std::string& file) { return daemon::load_config(file); });
}

int check_web_config(const std::vector<std::string>& files) {
    return check_files(files, daemon::load_web_config);
}

int collect_once(const daemon::ServiceOptions& options) {
    const auto config = daemon::effective_config(options);
    if (!config) {
        std::cerr << config.error().message() << '\n';
        return Exit::usage_or_internal;
    }
    asio::io_context io{1};
    asio::thread_pool pool{1};
    collectors::DetachedCalls calls{32};
    collectors::Resolver resolver{calls};
    collectors::HttpClient http{resolver, daemon::version};
    auto tasks = daemon::make_collectors(*config, {pool, calls, http, 1});
    if (!tasks) {
        std::cerr << tasks.error().message() << '\n';
        return Exit::usage_or_internal;
    }
    const daemon::SystemClock clock;
    std::map<std::string, std::vector<Sample>> families;
    int code = Exit::ok;
    for (auto& task : *tasks) {
        auto collected = asio::co_spawn(io, task.collector->collect(clock.now()), asio::use_future);
        io.restart();
        io.run();
        const auto reading = collected.get();
        if (!reading) {
            std::cerr << "holdfast: " << daemon::source_name(*task.collector) << ": "
                      << reading.error().message() << '\n';
            if (reading.error().code() != Errc::unsupported) {
                code = Exit::usage_or_internal;
            }
            continue;
        }
        for (const auto& sample : reading->samples) {
            families[sample.series->metric].push_back(sample);
        }
    }
    std::map<std::string_view, collectors::MetricInfo> infos;
    for (const auto& info : collectors::all_metrics()) {
        infos.emplace(info.name, info);
    }
    daemon::TextPage page;
    for (const auto& [name, samples] : families) {
        const auto info = infos.find(name);
        page.family(name, samples.front().series->type,
                    info != infos.end() ? info->second.help : "Scraped");
        for (const auto& sample : samples) {
            page.value(name, sample.series->labels, sample.value);
        }
    }
    std::cout << page.take();
    return code;
}

}  // namespace holdfast::client
