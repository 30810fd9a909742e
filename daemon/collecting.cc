#include "daemon/collecting.h"

#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "collectors/system/cpu_collector.h"
#include "collectors/system/memory_collector.h"
#include "collectors/system/pressure_collector.h"
#include "daemon/run_until_one_ends.h"
#include "daemon/schedule.h"

namespace holdfast::daemon {
namespace asio = boost::asio;
namespace {

using collectors::Collector;

const char* reason_of(Errc code) {
    switch (code) {
        case Errc::denied:
            return "permission";
        case Errc::parse:
            return "parse";
        case Errc::timeout:
            return "timeout";
        case Errc::unsupported:
            return "unsupported";
        default:
            return "io";
    }
}

}  // namespace

std::string source_name(const Collector& collector) {
    return collector.instance().empty()
               ? std::string{collector.name()}
               : fmt::format("{}/{}", collector.name(), collector.instance());
}

Result<std::vector<Task>> make_collectors(const Config& config, const CollectorDeps& deps) {
    std::vector<Task> tasks;
    const auto& c = config.collectors;
    const auto& paths = config.paths;
    const auto add = [&tasks](const auto& scheduled, auto&& make) {
        if (scheduled.enabled) {
            tasks.push_back({make(), scheduled.interval});
        }
    };
    add(c.cpu, [&] { return std::make_unique<collectors::CpuCollector>(paths); });
    add(c.pressure, [&] { return std::make_unique<collectors::PressureCollector>(paths); });
    add(c.memory, [&] { return std::make_unique<collectors::MemoryCollector>(paths); });
    add(c.disk, [&] { return std::make_unique<collectors::DiskCollector>(paths, c.disk.options); });
    add(c.network,
        [&] { return std::make_unique<collectors::NetworkCollector>(paths, c.network.options); });
    add(c.filesystem, [&] {
        return std::make_unique<collectors::FilesystemCollector>(paths, c.filesystem.options,
                                                                 deps.calls);
    });
    add(c.process, [&] {
        return std::make_unique<collectors::ProcessCollector>(paths, c.process.options,
                                                              deps.own_epoch);
    });
    for (const auto& log : c.logs) {
        add(log, [&] {
            return std::make_unique<collectors::LogFileCollector>(log.options, deps.pool,
                                                                  deps.own_epoch);
        });
    }
    for (const auto& probe : c.probes) {
        auto made = collectors::HttpProbe::make(probe.options, deps.http, deps.own_epoch);
        if (!made) {
            return tl::unexpected(made.error());
        }
        tasks.push_back({std::move(*made), probe.interval});
    }
    for (const auto& scrape : c.scrapes) {
        auto made = collectors::ScrapeCollector::make(scrape.options, deps.http, deps.own_epoch);
        if (!made) {
            return tl::unexpected(made.error());
        }
        tasks.push_back({std::move(*made), scrape.interval});
    }
    return tasks;
}

Collecting::Collecting(Clock& clock, RowQueue& queue, SelfMetrics& metrics)
    : clock_{clock}, queue_{queue}, metrics_{metrics} {}

asio::awaitable<void> Collecting::run(std::vector<Task> tasks) {
    replaced_ = std::make_unique<asio::steady_timer>(co_await asio::this_coro::executor,
                                                     asio::steady_timer::time_point::max());
    for (;;) {
        sources_.clear();
        std::vector<asio::awaitable<void>> running;
        running.push_back(wait_for_replacement());
        for (auto& task : tasks) {
            sources_[source_name(*task.collector)] = {std::string{task.collector->name()},
                                                      std::string{task.collector->instance()},
                                                      task.interval};
            running.push_back(collect_forever(task));
        }
        co_await run_until_one_ends(std::move(running));
        tasks = std::move(*std::exchange(next_, std::nullopt));
    }
}

void Collecting::replace(std::vector<Task> tasks) {
    next_ = std::move(tasks);
    if (replaced_) {
        replaced_->cancel();
    }
}

asio::awaitable<void> Collecting::wait_for_replacement() {
    while (!next_) {
        co_await replaced_->async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

asio::awaitable<void> Collecting::collect_forever(Task& task) {
    auto& overruns = metrics_.collector_overruns_total.Add(
        {{"collector", std::string{task.collector->name()}},
         {"instance", std::string{task.collector->instance()}}});
    const auto source = source_name(*task.collector);
    Timestamp at = grid_before(clock_.now(), task.interval);
    for (;;) {
        const auto slot = next_slot(at, clock_.now(), task.interval);
        at = slot.at;
        overruns.Increment(static_cast<double>(slot.missed));
        co_await clock_.sleep_until(at);
        const auto begin = std::chrono::steady_clock::now();
        auto reading = co_await task.collector->collect(at);
        note(task, at, reading, std::chrono::steady_clock::now() - begin);
        if (reading && !reading->samples.empty()) {
            storage::Row row{source, at, std::move(*reading)};
            co_await queue_.async_send(boost::system::error_code{}, std::move(row),
                                       asio::use_awaitable);
        }
    }
}

void Collecting::note(Task& task, Timestamp at, const Result<Reading>& reading,
                      std::chrono::steady_clock::duration took) {
    const std::string name{task.collector->name()};
    const std::string instance{task.collector->instance()};
    const std::map<std::string, std::string> labels{{"collector", name}, {"instance", instance}};
    auto& status = sources_[source_name(*task.collector)];
    metrics_.collector_up.Add(labels).Set(reading ? 1 : 0);
    metrics_.collector_duration_seconds.Add(labels).Set(
        std::chrono::duration<double>(took).count());
    if (reading) {
        metrics_.collector_last_success_timestamp_seconds.Add(labels).Set(
            static_cast<double>(at.time_since_epoch().count()) / 1e3);
        if (!status.up && status.ever) {
            spdlog::info("collector works again collector={} instance={}", name, instance);
        }
        status.samples = reading->samples.size();
        status.last_success = at;
        status.last_error.clear();
    } else {
        metrics_.collector_errors(name, instance, reason_of(reading.error().code())).Increment();
        if (status.up || !status.ever) {  // once per change, not once per tick
            spdlog::warn("collector failed collector={} instance={} error=\"{}\"", name, instance,
                         reading.error().message());
        }
        status.last_error = reading.error().message();
        status.samples = 0;
    }
    status.up = reading.has_value();
    status.ever = true;
}

std::vector<SourceStatus> Collecting::sources() const {
    std::vector<SourceStatus> out;
    for (const auto& [name, status] : sources_) {
        out.push_back(status);
    }
    return out;
}

}  // namespace holdfast::daemon
