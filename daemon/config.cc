#include "daemon/config.h"

#include <fmt/ranges.h>
#include <re2/re2.h>

#include <algorithm>

#include "daemon/config_reader.h"
#include "daemon/default_signals.h"
#include "daemon/http_config.h"
#include "daemon/threshold_config.h"
#include "daemon/timezone.h"
#include "daemon/upgrade_config.h"

namespace holdfast::daemon {
namespace {

constexpr auto interval_min = std::chrono::milliseconds{100};
constexpr auto interval_max = std::chrono::hours{1};
constexpr std::size_t quantiles_max = 8;

void check_regex(Section& section, const std::string& key, const std::string& pattern) {
    const RE2 compiled{pattern, RE2::Quiet};
    if (!compiled.ok()) {
        section.wrong(key, fmt::format("'{}' is no RE2 expression: {}", pattern, compiled.error()));
    }
}

void read_interval(Section& section, Milliseconds& interval) {
    section.read("interval", interval);
    if (interval < interval_min || interval > interval_max) {
        section.wrong("interval",
                      fmt::format("{} is out of range, 100ms to 1h", format_duration(interval)));
    }
}

void read_timeout(Section& section, Milliseconds& timeout, Milliseconds interval) {
    const bool given = section.has("timeout");
    section.read("timeout", timeout);
    if (!given) {
        timeout = std::min(timeout, interval);
    } else if (timeout > interval || timeout <= Milliseconds{0}) {
        section.wrong("timeout", fmt::format("{} must be above 0 and not above the interval of {}",
                                             format_duration(timeout), format_duration(interval)));
    }
}

collectors::Url read_url(Section& section) {
    std::string text;
    section.read("url", text);
    auto url = collectors::parse_url(text);
    if (!url) {
        section.wrong("url", text.empty() ? "is missing" : url.error().message());
        return {};
    }
    return *url;
}

void require_name(Section& section, std::string& name) {
    section.read("name", name);
    if (name.empty()) {
        section.wrong("name", "is missing");
    }
}

/// `2%` is relative; `{relative: 2%, absolute: 50ms}` says both, the absolute in the signal's unit.
void read_allowance(Section& section, const std::string& key, const std::string& signal,
                    Allowance& out) {
    const auto node = section.take(key);
    if (!node.IsDefined()) {
        return;
    }
    if (node.IsScalar()) {
        out = {};
        section.read(key, out.relative);
        return;
    }
    out = {};
    section.section(key, [&](Section& inner) {
        inner.read("relative", out.relative);
        inner.read_amount("absolute", signal, out.absolute);
    });
    if (out.relative < 0 || out.absolute < 0) {
        section.wrong(key, "must not be negative");
    }
}

class Parser {
public:
    explicit Parser(ConfigSurroundings surroundings)
        : folder_{std::move(surroundings.folder)},
          known_{std::move(surroundings.scraped_signals)},
          signal_names_{surroundings.names} {}

    Config read(Section& root) {
        root.section("paths", [this](Section& s) { read_paths(s); });
        root.section("storage", [this](Section& s) { read_storage(s); });
        root.section("web", [this](Section& s) {
            if (s.has("external_url")) {
                s.read("external_url", config_.external_url.emplace());
            }
        });
        root.section("defaults", [this](Section& s) {
            read_interval(s, interval_);
            read_timeout(s, timeout_, interval_);
        });
        set_defaults();
        root.section("collectors", [this](Section& s) { read_collectors(s); });
        root.section("levels", [this](Section& s) { read_levels(s); });
        config_.signals = default_signals();
        root.sections("signals", [this](Section& s) { read_signal(s); });
        bool with_defaults = true;
        root.read("default_rules", with_defaults);
        if (with_defaults) {
            config_.rules = default_rules();
        }
        root.sections("rules", [this](Section& s) { read_rule(s); });
        root.section("upgrades", [this](Section& s) { read_upgrades(s); });
        root.section("alerting", [this](Section& s) { read_alerting(s); });
        return std::move(config_);
    }

private:
    static void read_path(Section& s, const std::string& key, std::filesystem::path& out) {
        std::string text = out.string();
        s.read(key, text);
        out = text;
    }

    void read_paths(Section& s) {
        read_path(s, "procfs", config_.paths.procfs);
        read_path(s, "sysfs", config_.paths.sysfs);
        read_path(s, "cgroupfs", config_.paths.cgroupfs);
        read_path(s, "rootfs", config_.paths.rootfs);
    }

    void read_storage(Section& s) {
        if (s.has("path")) {
            read_path(s, "path", config_.storage_path.emplace());
        }
        s.read("retention", config_.retention);
        if (config_.retention < std::chrono::hours{24}) {
            s.wrong("retention", "must be at least 1d; a baseline needs whole business cycles");
        }
        s.read_bytes("series_max", config_.series_max);
    }

    void set_defaults() {
        auto& c = config_.collectors;
        for (auto* interval :
             {&c.cpu.interval, &c.pressure.interval, &c.memory.interval, &c.disk.interval,
              &c.network.interval, &c.filesystem.interval, &c.process.interval}) {
            *interval = interval_;
        }
        c.filesystem.options.deadline = std::min(c.filesystem.options.deadline, interval_);
        c.process.enabled = false;  // until there is a group
    }

    template <class Options>
    void read_host(Section& parent, const char* name, Scheduled<Options>& out,
                   const std::function<void(Section&)>& more = {}) {
        parent.section(name, [&](Section& s) {
            out.enabled = true;
            s.read("enabled", out.enabled);
            read_interval(s, out.interval);
            if (more) {
                more(s);
            }
        });
    }

    void read_collectors(Section& s) {
        auto& c = config_.collectors;
        read_host(s, "cpu", c.cpu);
        read_host(s, "pressure", c.pressure);
        read_host(s, "memory", c.memory);
        read_host(s, "disk", c.disk, [&](Section& d) {
            d.read("exclude", c.disk.options.exclude);
            d.read("include", c.disk.options.include);
            check_regex(d, "exclude", c.disk.options.exclude);
            check_regex(d, "include", c.disk.options.include);
        });
        read_host(s, "network", c.network, [&](Section& n) {
            n.read("exclude", c.network.options.exclude);
            check_regex(n, "exclude", c.network.options.exclude);
        });
        read_host(s, "filesystem", c.filesystem, [&](Section& f) {
            f.read("exclude_types", c.filesystem.options.exclude_types);
            f.read("network_types", c.filesystem.options.network_types);
            read_timeout(f, c.filesystem.options.deadline, c.filesystem.interval);
        });
        read_host(s, "process", c.process, [&](Section& p) {
            p.sections("groups", [&](Section& g) {
                collectors::ProcessGroup group;
                require_name(g, group.name);
                read_path(g, "pid_file", group.pid_file);
                if (group.pid_file.empty()) {
                    g.wrong("pid_file", "is missing");
                }
                c.process.options.groups.push_back(std::move(group));
            });
        });
        s.section("log", [&](Section& l) { read_logs(l); });
        s.sections("probe", [&](Section& p) { read_probe(p); });
        s.sections("scrape", [&](Section& p) { read_scrape(p); });
    }

    void read_logs(Section& s) {
        Milliseconds interval = interval_;
        read_interval(s, interval);
        s.sections("files", [&](Section& f) {
            Scheduled<collectors::LogFileOptions> log{.interval = interval};
            require_name(f, log.options.name);
            read_path(f, "path", log.options.path);
            if (log.options.path.empty()) {
                f.wrong("path", "is missing");
            }
            f.read_bytes("max_line", log.options.max_line);
            unique(f, "log", log.options.name);
            config_.collectors.logs.push_back(std::move(log));
        });
    }

    void read_probe(Section& s) {
        Scheduled<collectors::HttpProbeOptions> probe{.interval = interval_};
        require_name(s, probe.options.name);
        probe.options.url = read_url(s);
        probe.options.tls = read_tls_config(s, folder_);
        read_interval(s, probe.interval);
        probe.options.timeout = timeout_;
        read_timeout(s, probe.options.timeout, probe.interval);
        s.section("expect", [&](Section& e) {
            e.read("status", probe.options.expected_status);
            e.read("body", probe.options.body_regex);
            check_regex(e, "body", probe.options.body_regex);
        });
        unique(s, "probe", probe.options.name);
        config_.collectors.probes.push_back(std::move(probe));
    }

    void read_scrape(Section& s) {
        Scheduled<collectors::ScrapeOptions> scrape{.interval = interval_};
        require_name(s, scrape.options.name);
        scrape.options.url = read_url(s);
        scrape.options.tls = read_tls_config(s, folder_);
        read_interval(s, scrape.interval);
        scrape.options.timeout = timeout_;
        read_timeout(s, scrape.options.timeout, scrape.interval);
        s.read("keep", scrape.options.keep);
        s.read("drop", scrape.options.drop);
        for (const auto& pattern : scrape.options.keep) {
            check_regex(s, "keep", pattern);
        }
        for (const auto& pattern : scrape.options.drop) {
            check_regex(s, "drop", pattern);
        }
        s.read_bytes("max_series", scrape.options.max_series);
        s.read_bytes("max_bytes", scrape.options.max_bytes);
        unique(s, "scrape", scrape.options.name);
        config_.collectors.scrapes.push_back(std::move(scrape));
    }

    void unique(Section& s, const std::string& kind, const std::string& name) {
        if (!names_.insert(kind + "/" + name).second) {
            s.wrong("name", fmt::format("'{}' is there twice", name));
        }
    }

    void read_upgrades(Section& s) {
        auto& u = config_.upgrades;
        s.read("cycle", u.cycle);
        if (u.cycle < std::chrono::seconds{6} || u.cycle > std::chrono::hours{24 * 366}) {
            s.wrong("cycle", "must be from 6s to 366d");
        }
        s.read("timezone", u.timezone);
        if (const auto zone = utc_offsets(u.timezone, {}); !zone) {
            s.wrong("timezone", zone.error().message());
        }
        if (s.has("warmup")) {
            s.read("warmup", u.warmup.emplace());
        }
        s.read("evaluation_interval", u.evaluation_interval);
        if (u.evaluation_interval < interval_min) {
            s.wrong("evaluation_interval", "must be at least 100ms");
        }
        read_load(s, u.load);
        for (const auto& signal : u.load) {
            definition_of(s, "load", signal);
        }
        read_exclusions(s, u.exclude);
        read_jobs(s, u.jobs, [this](Section& job, const std::string& signal) {
            definition_of(job, "signal", signal);
        });
    }

    void read_levels(Section& s) {
        auto& l = config_.levels;
        for (auto [key, level] :
             {std::pair{"warn", &l.warn}, std::pair{"page", &l.page},
              std::pair{"rollback", &l.rollback}, std::pair{"close", &l.close}}) {
            s.read(key, *level);
            if (!(*level > 0 && *level < 1)) {
                s.wrong(key, "must be above 0 and below 1");
            }
        }
        if (l.rollback > l.page || l.page > l.warn) {
            s.wrong("page", "levels must rise: rollback <= page <= warn");
        }
    }

    void read_terms(Section& s, const std::string& key, std::vector<Term>& out) {
        s.sections(key, [&](Section& t) {
            Term term;
            t.read("metric", term.selector.metric);
            if (term.selector.metric.empty()) {
                t.wrong("metric", "is missing");
            }
            t.read("labels", term.selector.labels);
            term.use =
                term.selector.metric.ends_with("_total") ? Term::Use::increase : Term::Use::value;
            t.read_name("use", term.use);
            t.read("factor", term.factor);
            out.push_back(std::move(term));
        });
    }

    /// The quantiles of a histogram, which take the place of numerator and denominator.
    static void read_histogram(Section& s, SignalDefinition& signal) {
        s.take("histogram");
        if (!s.has("histogram")) {
            for (const auto* key : {"quantiles", "window"}) {
                s.take(key);
                if (s.has(key)) {
                    s.wrong(key, "goes with 'histogram' alone");
                }
            }
            return;
        }
        if (!signal.numerator.empty() || !signal.denominator.empty()) {
            s.wrong("histogram", "takes the place of 'numerator' and 'denominator'");
        }
        Term buckets{.use = Term::Use::increase};
        s.section("histogram", [&](Section& h) {
            auto& metric = buckets.selector.metric;
            h.read("metric", metric);
            if (metric.empty()) {
                h.wrong("metric", "is missing: the histogram's name, without _bucket");
            } else if (!metric.ends_with("_bucket")) {
                metric += "_bucket";
            }
            h.read("labels", buckets.selector.labels);
        });
        signal.numerator = {std::move(buckets)};
        signal.denominator.clear();
        if (!s.has("kind")) {
            signal.kind = Kind::latency;
        } else if (signal.kind != Kind::latency && signal.kind != Kind::gauge) {
            s.wrong("kind", "quantiles are latencies, or gauges where every second counts alike");
        }
        read_quantiles(s, signal.quantiles);
        signal.window = std::chrono::minutes{5};
        s.read("window", signal.window);
        if (signal.window < std::chrono::seconds{1} || signal.window > std::chrono::hours{1}) {
            s.wrong("window",
                    fmt::format("{} is out of range, 1s to 1h", format_duration(signal.window)));
        }
    }

    static void read_quantiles(Section& s, std::vector<double>& out) {
        out = {0.5, 0.95, 0.99};
        if (!s.has("quantiles")) {
            s.take("quantiles");
            return;
        }
        std::vector<std::string> words;
        s.read("quantiles", words);
        out.clear();
        for (const auto& word : words) {
            const auto share = parse_share(word);
            if (!share || !(*share > 0 && *share < 1)) {
                s.wrong("quantiles",
                        fmt::format("'{}' must be above 0 and below 100%, such as 95%", word));
                continue;
            }
            if (std::find(out.begin(), out.end(), *share) == out.end()) {
                out.push_back(*share);
            }
        }
        if (words.empty() || words.size() > quantiles_max) {
            s.wrong("quantiles", fmt::format("must be 1 to {} of them", quantiles_max));
        }
    }

    void read_signal(Section& s) {
        SignalDefinition signal;
        require_name(s, signal.name);
        s.read_name("kind", signal.kind);
        s.read_name("worse", signal.worse);
        s.read("help", signal.help);
        read_terms(s, "numerator", signal.numerator);
        read_terms(s, "denominator", signal.denominator);
        s.read("by", signal.by);
        s.read("load", signal.load);
        read_histogram(s, signal);
        if (signal.numerator.empty()) {
            s.wrong("numerator", "is missing");
        }
        if (signal.kind == Kind::ratio && signal.denominator.empty()) {
            s.wrong("denominator", "a ratio needs one: all events");
        }
        if (signal.numerator.size() + signal.denominator.size() > 63) {
            s.wrong("numerator", "more than 63 terms");
        }
        const auto known =
            std::find_if(config_.signals.begin(), config_.signals.end(),
                         [&](const SignalDefinition& other) { return other.name == signal.name; });
        if (known != config_.signals.end()) {
            *known = std::move(signal);
        } else {
            config_.signals.push_back(std::move(signal));
        }
    }

    /// The definition of the signal that `key` names. None: an error where nothing is scraped and
    /// names are to be known, since no signal can have that name then.
    const SignalDefinition* definition_of(Section& s, const std::string& key,
                                          const std::string& signal) {
        auto known = known_;
        for (const auto& definition : config_.signals) {
            if (definition.name == signal) {
                return &definition;
            }
            known.insert(definition.name);
        }
        if (config_.collectors.scrapes.empty() && signal_names_ == SignalNames::known &&
            !known.contains(signal)) {
            const auto guess = nearest(signal, known);
            s.wrong(key, fmt::format("no signal '{}'{}", signal,
                                     guess.empty() ? "; see docs/signals.md"
                                                   : ", did you mean '" + guess + "'?"));
        }
        return nullptr;
    }

    void read_rule(Section& s) {
        Rule rule;
        require_name(s, rule.name);
        rule.signal = rule.name;
        s.read("signal", rule.signal);
        const auto* const definition = definition_of(s, "signal", rule.signal);
        if (definition != nullptr) {
            rule.worse = definition->worse;
            if (definition->kind == Kind::ratio || definition->kind == Kind::count) {
                rule.tolerated = {0.05, 0};
                rule.margin = {0.50, 0};
            }
        }
        s.read("match", rule.match);
        s.read_name("worse", rule.worse);
        read_allowance(s, "tolerated", rule.signal, rule.tolerated);
        read_allowance(s, "margin", rule.signal, rule.margin);
        if (rule.margin.relative < rule.tolerated.relative ||
            rule.margin.absolute < rule.tolerated.absolute) {
            s.wrong("margin", "must be above what is tolerated, relative and absolute");
        }
        s.read("required", rule.required);
        s.read_name("no_data", rule.no_data);
        s.sections("thresholds", [&](Section& t) {
            rule.thresholds.push_back(read_threshold(t, rule.signal, definition));
        });
        std::erase_if(config_.rules, [&](const Rule& other) { return other.name == rule.name; });
        config_.rules.push_back(std::move(rule));
    }

    void read_alerting(Section& s) {
        s.sections("alertmanagers", [this](Section& a) {
            auto url = read_url(a);
            auto tls = read_tls_config(a, folder_);
            config_.alerting.alertmanagers.push_back({std::move(url), std::move(tls)});
        });
        s.read("resend_interval", config_.alerting.resend_interval);
        if (config_.alerting.resend_interval < interval_min) {
            s.wrong("resend_interval", "must be at least 100ms");
        }
        s.read("external_labels", config_.alerting.external_labels);
    }

    std::filesystem::path folder_;
    std::set<std::string> known_;  ///< signals that nothing here defines
    SignalNames signal_names_;
    Config config_;
    Milliseconds interval_{5000};
    Milliseconds timeout_{2000};
    std::set<std::string> names_;
};

}  // namespace

Config read_config(Section& root, const ConfigSurroundings& surroundings) {
    return Parser{surroundings}.read(root);
}

Result<Config> parse_config(const std::string& text, const std::string& file, SignalNames names) {
    Config config;
    const auto read = read_document(text, file, [&](Section& root) {
        config = read_config(root, {.folder = std::filesystem::path{file}.parent_path(),
                                    .scraped_signals = {},
                                    .names = names});
    });
    if (!read) {
        return tl::unexpected(read.error());
    }
    return config;
}

Result<Config> load_config(const std::optional<std::filesystem::path>& path, SignalNames names) {
    if (!path) {
        return parse_config("{}", "defaults", names);
    }
    const auto text = read_text(*path, "check --config.file");
    if (!text) {
        return tl::unexpected(text.error());
    }
    return parse_config(*text, path->string(), names);
}

}  // namespace holdfast::daemon
