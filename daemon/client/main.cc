#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>

#include "daemon/client/commands.h"
#include "daemon/client/placebo.h"
#include "daemon/client/replay.h"
#include "daemon/client/rules_test.h"
#include "daemon/quantities.h"
#include "daemon/version.h"

namespace {

using namespace holdfast;
using namespace holdfast::client;

/// The command line: options are bound to members, and the verb that was chosen leaves its action.
class CommandLine {
public:
    CommandLine() {
        app_.require_subcommand(1);
        app_.fallthrough();
        app_.set_version_flag("--version", "holdfast " + std::string{daemon::version});
        app_.add_option("--url", context_.url, "the daemon; or HOLDFAST_URL")
            ->envname("HOLDFAST_URL")
            ->default_val("http://127.0.0.1:9750");
        app_.add_option("--token-file", context_.token_file,
                        "the daemon's token; or HOLDFAST_TOKEN_FILE")
            ->envname("HOLDFAST_TOKEN_FILE");
        app_.add_option("--http.config.file", http_config_file_,
                        "user and TLS towards the daemon (YAML); or HOLDFAST_HTTP_CONFIG_FILE")
            ->envname("HOLDFAST_HTTP_CONFIG_FILE");
        app_.add_option("-o,--output", context_.format, "table, json or yaml")
            ->transform(CLI::CheckedTransformer(
                std::map<std::string, Format>{
                    {"table", Format::table}, {"json", Format::json}, {"yaml", Format::yaml}},
                CLI::ignore_case));
        add_upgrade();
        add_baseline();
        add_check();
        add_others();
    }

    int run(int argc, char** argv) {
        try {
            app_.parse(argc, argv);
        } catch (const CLI::ParseError& error) {
            return app_.exit(error) == 0 ? Exit::ok : Exit::usage_or_internal;
        }
        if (!http_config_file_.empty()) {
            auto http = daemon::load_http_config(http_config_file_);
            if (!http) {
                std::cerr << http.error().message() << '\n';
                return Exit::usage_or_internal;
            }
            context_.http = std::move(*http);
        }
        return action_ ? action_() : static_cast<int>(Exit::usage_or_internal);
    }

private:
    CLI::App* verb(CLI::App* parent, const char* name, const char* help, std::function<int()> act) {
        auto* const sub = parent->add_subcommand(name, help);
        sub->fallthrough();
        sub->callback([this, act = std::move(act)] { action_ = act; });
        return sub;
    }
    CLI::App* group(const char* name, const char* help) {
        auto* const sub = app_.add_subcommand(name, help);
        sub->require_subcommand(1);
        sub->fallthrough();
        return sub;
    }
    CLI::App* with_id(CLI::App* sub) {
        sub->add_option("id", id_, "the upgrade, u1")->required();
        return sub;
    }
    CLI::App* with_person(CLI::App* sub) {
        sub->add_option("--by", by_, "who does it");
        sub->add_option("--reason", reason_, "why");
        return sub;
    }
    std::function<int()> change(const char* what) {
        return [this, what] { return upgrade_change(context_, id_, what, by_, reason_, text_); };
    }

    void add_upgrade() {
        auto* const upgrade = group("upgrade", "start, watch and end upgrades");
        auto* const start = verb(upgrade, "start", "tell holdfast that an upgrade begins",
                                 [this] { return upgrade_start(context_, start_); });
        start->add_option("--target", start_.target, "what is upgraded")->required();
        start->add_option("--from", start_.from, "the version before")->required();
        start->add_option("--to", start_.to, "the version after")->required();
        start->add_option("--reason", start_.reason, "why");
        start->add_option("--cycle", start_.cycle, "business cycle, 7d");
        start->add_option("--timezone", start_.timezone, "IANA name");
        start->add_option("--baseline", start_.baseline, "id; default: taken now");
        start->add_option("--label", start_.labels, "name=value, may be repeated");
        start->add_option("--idempotency-key", start_.idempotency_key,
                          "the same key starts only one upgrade");
        start->add_flag("--no-window", start_.no_window, "judge at once");
        with_person(with_id(verb(upgrade, "window-end", "the work is done: judge from now on",
                                 change("window-end"))));
        with_person(with_id(
            verb(upgrade, "close", "close; refused until stability is proven", change("close"))));
        with_person(with_id(verb(upgrade, "override", "close without proof, by a named person",
                                 change("override"))));
        with_person(with_id(verb(upgrade, "cancel", "it does not take place", change("cancel"))));
        with_person(
            with_id(verb(upgrade, "rollback", "it has been rolled back", change("rollback"))));
        auto* const note = with_id(verb(upgrade, "note", "add a note", change("notes")));
        note->add_option("--by", by_, "who writes");
        note->add_option("text", text_, "the note")->required();
        verb(upgrade, "list", "all upgrades, newest first",
             [this] { return upgrade_list(context_); });
        with_id(verb(upgrade, "show", "everything about one",
                     [this] { return upgrade_show(context_, id_); }));
        with_id(verb(upgrade, "events", "what happened to it",
                     [this] { return upgrade_events(context_, id_); }));
        with_id(verb(upgrade, "verdict", "what it says now, as exit code too",
                     [this] { return upgrade_verdict(context_, id_); }));
        auto* const wait =
            with_id(verb(upgrade, "wait", "until it is proven, or to be rolled back", [this] {
                const auto limit = daemon::parse_duration(timeout_);
                if (!limit) {
                    std::cerr << "holdfast: --timeout: " << limit.error().message() << '\n';
                    return static_cast<int>(Exit::usage_or_internal);
                }
                return upgrade_wait(context_, id_, *limit);
            }));
        wait->add_option("--timeout", timeout_, "30m");
    }

    void add_baseline() {
        auto* const baseline = group("baseline", "the behaviour before");
        auto* const take = verb(baseline, "take", "summarise the recorded past", [this] {
            return baseline_take(context_, range_, start_.cycle, start_.timezone);
        });
        take->add_option("--source", source_, "local")->check(CLI::IsMember({"local"}));
        take->add_option("--range", range_, "28d; default: the last four whole cycles");
        take->add_option("--cycle", start_.cycle, "business cycle, 7d");
        take->add_option("--timezone", start_.timezone, "IANA name");
        verb(baseline, "list", "all baselines", [this] { return baseline_list(context_); });
        verb(baseline, "show", "one baseline, signal by signal",
             [this] { return baseline_show(context_, id_); })
            ->add_option("id", id_, "the baseline, b1")
            ->required();
    }

    void add_check() {
        auto* const check = group("check", "is it right, is it up");
        verb(check, "config", "read configuration files, say what is wrong",
             [this] { return check_config(files_); })
            ->add_option("files", files_, "YAML files")
            ->required();
        verb(check, "web-config", "read web configuration files, say what is wrong",
             [this] { return check_web_config(files_); })
            ->add_option("files", files_, "YAML files")
            ->required();
        verb(check, "healthy", "does the daemon answer",
             [this] { return check_page(context_, "/-/healthy"); });
        verb(check, "ready", "is the daemon ready",
             [this] { return check_page(context_, "/-/ready"); });
    }

    void add_others() {
        add_rules();
        auto* const series = group("series", "what is recorded");
        verb(series, "list", "all series", [this] { return series_list(context_); });
        auto* const query = verb(series, "query", "samples of one series", [this] {
            return series_query(context_, series_, query_start_, query_end_);
        });
        query->add_option("series", series_, R"(name{label="value"})")->required();
        query->add_option("--start", query_start_, "RFC 3339 or ms; default: an hour ago");
        query->add_option("--end", query_end_, "RFC 3339 or ms; default: now");
        auto* const alerts = group("alerts", "the way to the pager");
        verb(alerts, "list", "alerts that fire or have just ended",
             [this] { return alerts_list(context_); });
        verb(alerts, "test", "send a test alert to every Alertmanager",
             [this] { return alerts_test(context_); });
        add_replay();
        add_placebo();
        auto* const collect = verb(&app_, "collect", "read every collector, without a daemon",
                                   [this] { return collect_once(options_); });
        collect->add_flag("--once", once_, "one cycle, as Prometheus text")->required();
        collect->add_option("--config.file", options_.config_file, "configuration (YAML)");
        collect->add_option("--paths.procfs", options_.procfs, "default: /proc");
        collect->add_option("--paths.sysfs", options_.sysfs, "default: /sys");
        collect->add_option("--paths.cgroupfs", options_.cgroupfs, "default: /sys/fs/cgroup");
        collect->add_option("--paths.rootfs", options_.rootfs, "default: /");
    }

    void add_rules() {
        auto* const rules = group("rules", "what is demanded");
        verb(rules, "show", "the rules in force", [this] { return rules_show(context_); });
        auto* const test =
            verb(rules, "test", "run tests of rules on made-up series, without a daemon", [this] {
                rules_test_.format = context_.format;
                return rules_test(rules_test_);
            });
        test->add_option("files", rules_test_.files,
                         "YAML files of tests; docs/operators-guide.md, \"Tests of rules\"")
            ->required();
        test->add_option("--junit", rules_test_.junit, "file for the result as JUnit XML");
    }

    void add_placebo() {
        auto* const sub = verb(&app_, "placebo", "judge the past as upgrades that never were",
                               [this] { return placebo_of_either(); });
        sub->add_option("id", id_, "a baseline of the daemon, b1");
        sub->add_option("--watch", placebo_.watch,
                        "length of a watch; default: a cycle, at most a third of the past");
        auto* const file =
            sub->add_option("--baseline", placebo_.baseline,
                            "instead, without a daemon: CSV of the past, may be .gz");
        sub->add_option("--case", placebo_.case_file, "case.json: step, metrics")->needs(file);
        sub->add_option("--cycle", placebo_.cycle, "business cycle, 7d")->needs(file);
        sub->add_option("--timezone", placebo_.timezone, "IANA name; default: UTC")->needs(file);
        sub->add_option("--jobs", placebo_.jobs, "threads; default: one per processor")
            ->needs(file);
    }

    int placebo_of_either() {
        if (id_.empty() == placebo_.baseline.empty()) {
            std::cerr << "holdfast: placebo: give "
                      << (id_.empty() ? "a baseline of the daemon (b1) or --baseline FILE"
                                      : "either a baseline of the daemon or --baseline, not both")
                      << '\n';
            return Exit::usage_or_internal;
        }
        if (!id_.empty()) {
            return baseline_placebo(context_, id_, placebo_.watch);
        }
        placebo_.format = context_.format;
        return placebo(placebo_);
    }

    void add_replay() {
        auto* const sub = verb(&app_, "replay", "judge recorded data, without a daemon", [this] {
            replay_.format = context_.format;
            return replay(replay_);
        });
        sub->add_option("--baseline", replay_.baseline, "CSV of the time before, may be .gz");
        sub->add_option("--after", replay_.after, "CSV of the time after, may be .gz");
        sub->add_option("--case", replay_.case_file, "case.json: step, upgrade time, metrics");
        sub->add_option("--config", replay_.config,
                        "holdfast's configuration: judge by its rules; default: a rule per metric");
        sub->add_option("--many", replay_.many, "a folder of cases instead");
        sub->add_option("--results", replay_.results, "folder for CASE/result.json");
        sub->add_option("--jobs", replay_.jobs, "cases at once; default: one per processor");
        sub->add_option("--cycle", replay_.cycle,
                        "business cycle, 7d; default: of the configuration");
        sub->add_option("--timezone", replay_.timezone,
                        "IANA name; default: of the configuration, or UTC");
        sub->add_option("--upgrade", replay_.upgrade,
                        "an upgrade from the store instead, compared with what is stored");
        sub->add_option("--storage.path", replay_.storage_path,
                        "the daemon's state; default: /var/lib/holdfast, holdfast-data or var");
        sub->add_option("--at", replay_.at,
                        "judge the upgrade as of then, RFC 3339 or ms; default: as stored");
        sub->add_option(
            "-o,--output", replay_.output,
            "file for the result; default: stdout; of an upgrade: or table, json, yaml");
        sub->add_flag("--exit-code", replay_.exit_code, "say the verdict by the exit code");
    }

    CLI::App app_{"holdfast, the command line of holdfastd", "holdfast"};
    Context context_;
    std::string http_config_file_;
    StartArguments start_;
    ReplayArguments replay_;
    PlaceboArguments placebo_;
    RulesTestArguments rules_test_;
    daemon::ServiceOptions options_;
    std::string id_, by_, reason_, text_, range_, series_, query_start_, query_end_;
    std::string source_ = "local";
    std::string timeout_ = "30m";
    std::vector<std::string> files_;
    bool once_ = false;
    std::function<int()> action_;
};

}  // namespace

int main(int argc, char** argv) {
    try {
        spdlog::set_level(spdlog::level::off);  // the client speaks by its output and exit code
        return CommandLine{}.run(argc, argv);
    } catch (const std::exception& bug) {
        std::fprintf(stderr, "holdfast: %s; please report this\n", bug.what());
        return Exit::usage_or_internal;
    }
}
