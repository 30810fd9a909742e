#include "collectors/logs/log_file_collector.h"

#include <utility>

#include "collectors/logs/tail.h"
#include "collectors/run_blocking.h"
#include "collectors/support/utf8.h"

namespace holdfast::collectors {
namespace {

constexpr auto metrics = std::to_array<MetricInfo>({
    {"holdfast_log_lines_total", SeriesType::counter, "Lines of the log, by severity"},
    {"holdfast_log_bytes_total", SeriesType::counter, "Bytes of the log that were read"},
    {"holdfast_log_events_dropped_total", SeriesType::counter,
     "Lines that were not taken whole: flood, not counted by severity; long, clipped; encoding, no "
     "UTF-8"},
    {"holdfast_log_rotations_total", SeriesType::counter, "Rotations of the log, by their kind"},
    {"holdfast_log_lag_bytes", SeriesType::gauge, "Bytes of the log that are not read yet"},
    {"holdfast_log_up", SeriesType::gauge, "1 when the log is there and can be read, else 0"},
});

std::shared_ptr<const Series> series(std::size_t metric, Labels labels) {
    return std::make_shared<const Series>(
        Series{std::string{metrics[metric].name}, std::move(labels), metrics[metric].type});
}

}  // namespace

class LogFileCollector::Counter {
public:
    explicit Counter(const LogFileOptions& options) : tail_{tail_options(options)} {}

    Counts step(Timestamp now) {
        const auto step = tail_.step(now, [this](std::string_view line) { count(line); });
        counts_.bytes += step.bytes;
        counts_.drops[0] += step.flooded_lines;
        counts_.drops[1] += step.long_lines;
        counts_.rotations[0] += step.renames;
        counts_.rotations[1] += step.truncates;
        counts_.rotations[2] += step.recreates;
        counts_.lag_bytes = step.lag_bytes;
        counts_.is_up = step.is_up;
        counts_.has_file = step.has_file;
        return counts_;
    }

private:
    static TailOptions tail_options(const LogFileOptions& options) {
        TailOptions tail;
        tail.path = options.path;
        tail.max_line = options.max_line;
        return tail;
    }

    void count(std::string_view line) {
        ++counts_.lines[static_cast<std::size_t>(severity_of(line))];
        counts_.drops[2] += is_utf8(line) ? 0 : 1;
    }

    Tail tail_;
    Counts counts_;
};

LogFileCollector::LogFileCollector(const LogFileOptions& options, boost::asio::thread_pool& pool,
                                   std::uint64_t own_epoch)
    : name_{options.name},
      pool_{pool},
      own_epoch_{own_epoch},
      counter_{std::make_shared<Counter>(options)},
      bytes_series_{series(1, {{"source", name_}})},
      lag_series_{series(4, {{"source", name_}})},
      up_series_{series(5, {{"source", name_}})} {
    for (std::size_t i = 0; i < line_series_.size(); ++i) {
        line_series_[i] =
            series(0, {{"source", name_}, {"severity", std::string{severity_names[i]}}});
    }
    for (std::size_t i = 0; i < drop_series_.size(); ++i) {
        drop_series_[i] = series(2, {{"source", name_}, {"reason", std::string{drop_names[i]}}});
    }
    for (std::size_t i = 0; i < rotation_series_.size(); ++i) {
        rotation_series_[i] =
            series(3, {{"source", name_}, {"kind", std::string{rotation_names[i]}}});
    }
}

boost::asio::awaitable<Result<Reading>> LogFileCollector::collect(Timestamp now) {
    auto job = [counter = counter_, now] { return counter->step(now); };
    const auto counts = co_await run_blocking(pool_, std::move(job));

    Reading reading{own_epoch_, {}};
    const auto add = [&](const SeriesPtr& of, std::uint64_t value) {
        reading.samples.push_back({of, now, static_cast<double>(value)});
    };
    for (std::size_t i = 0; i < line_series_.size(); ++i) {
        add(line_series_[i], counts.lines[i]);
    }
    add(bytes_series_, counts.bytes);
    for (std::size_t i = 0; i < drop_series_.size(); ++i) {
        add(drop_series_[i], counts.drops[i]);
    }
    for (std::size_t i = 0; i < rotation_series_.size(); ++i) {
        add(rotation_series_[i], counts.rotations[i]);
    }
    if (counts.has_file) {
        add(lag_series_, counts.lag_bytes);
    }
    add(up_series_, counts.is_up ? 1 : 0);
    co_return reading;
}

std::span<const MetricInfo> log_metrics() {
    return metrics;
}

}  // namespace holdfast::collectors
