#include "daemon/upgrade_config.h"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::daemon {
namespace {

constexpr std::size_t text_max = 256;

template <class T>
void check_size(Section& s, const char* key, const std::vector<T>& list, std::size_t most) {
    if (list.size() > most) {
        s.wrong(key, fmt::format("has {} items, at most {}", list.size(), most));
    }
}

void read_text(Section& s, const char* key, std::string& out) {
    s.read(key, out);
    if (out.empty() || out.size() > text_max) {
        s.wrong(key, out.empty()
                         ? std::string{"is missing"}
                         : fmt::format("has {} characters, at most {}", out.size(), text_max));
    }
}

void read_bound(Section& s, Job& job) {
    const bool above = s.has("above");
    s.read_amount("above", job.signal, job.value);
    if (above == s.has("below")) {
        s.take("below");
        s.wrong(above ? "below" : "above", "a job has either 'above' or 'below'");
        return;
    }
    s.read_amount("below", job.signal, job.value);
    job.side = above ? Threshold::Side::above : Threshold::Side::below;
}

Milliseconds default_warmup(Milliseconds cycle) {
    return std::min<Milliseconds>(std::chrono::minutes{15}, cycle / 96);
}

}  // namespace

void read_load(Section& section, std::vector<std::string>& out) {
    constexpr std::string_view counter = "_total";
    section.read("load", out);
    check_size(section, "load", out, load_max);
    for (auto& name : out) {
        if (name.ends_with(counter)) {
            name.replace(name.size() - counter.size(), counter.size(), "_per_second");
        }
    }
}

void read_exclusions(Section& section, std::vector<Exclusion>& out) {
    section.sections("exclude", [&out](Section& s) {
        Exclusion exclusion;
        for (auto [key, at] :
             {std::pair{"from", &exclusion.window.begin}, std::pair{"to", &exclusion.window.end}}) {
            s.read(key, *at);
            if (!s.has(key)) {
                s.wrong(key, "is missing");
            }
        }
        if (s.has("from") && s.has("to") && exclusion.window.end <= exclusion.window.begin) {
            s.wrong("to", "must be after 'from'");
        }
        read_text(s, "reason", exclusion.reason);
        out.push_back(std::move(exclusion));
    });
    check_size(section, "exclude", out, exclusions_max);
}

void read_jobs(Section& section, std::vector<Job>& out,
               const std::function<void(Section&, const std::string&)>& check_signal) {
    section.sections("jobs", [&](Section& s) {
        Job job;
        read_text(s, "name", job.name);
        if (std::any_of(out.begin(), out.end(),
                        [&](const Job& other) { return other.name == job.name; })) {
            s.wrong("name", fmt::format("'{}' is there twice", job.name));
        }
        read_text(s, "signal", job.signal);
        if (!job.signal.empty()) {
            check_signal(s, job.signal);
        }
        s.read("match", job.match);
        read_bound(s, job);
        out.push_back(std::move(job));
    });
    check_size(section, "jobs", out, jobs_max);
}

Milliseconds longest_interval(const CollectorsConfig& c) {
    Milliseconds longest{0};
    const auto take = [&longest](const auto& scheduled) {
        if (scheduled.enabled) {
            longest = std::max(longest, scheduled.interval);
        }
    };
    take(c.cpu);
    take(c.pressure);
    take(c.memory);
    take(c.disk);
    take(c.network);
    take(c.filesystem);
    take(c.process);
    std::for_each(c.logs.begin(), c.logs.end(), take);
    std::for_each(c.probes.begin(), c.probes.end(), take);
    std::for_each(c.scrapes.begin(), c.scrapes.end(), take);
    return longest;
}

Upgrade judged_by(const Config& config, const Baseline& baseline) {
    return {.cycle = baseline.cycle,
            .timezone = baseline.timezone,
            .warmup = config.upgrades.warmup.value_or(default_warmup(baseline.cycle)),
            .lag = longest_interval(config.collectors),
            .baseline_id = baseline.id,
            .rules = config.rules,
            .signals = config.signals,
            .load = config.upgrades.load,
            .jobs = config.upgrades.jobs,
            .levels = config.levels};
}

}  // namespace holdfast::daemon
