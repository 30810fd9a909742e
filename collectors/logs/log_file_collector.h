#pragma once
#include <array>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "collectors/collector.h"
#include "collectors/logs/severity.h"
#include "collectors/metric_info.h"

namespace holdfast::collectors {

struct LogFileOptions {
    std::string name;  ///< the label `source`
    std::filesystem::path path;
    std::size_t max_line = 65536;
};

/// Counts the lines of a log file by their severity, from the construction on. At most 1 MiB per
/// reading, the rest is `holdfast_log_lag_bytes`; when that exceeds 16 MiB lines are counted as
/// dropped for `flood` instead. Lines that are too long or no UTF-8 count under their severity and
/// as dropped for `long` or `encoding`: what else is made of lines has them not whole.
///
/// A file that is absent or cannot be read leaves the counts as they are and `holdfast_log_up` 0;
/// it is never an Error, and is tried again at each reading. What is a rotation: see Tail.
class LogFileCollector : public Collector {
public:
    /// The file is read on `pool`, which outlives the collector.
    LogFileCollector(const LogFileOptions& options, boost::asio::thread_pool& pool,
                     std::uint64_t own_epoch);

    std::string_view name() const override { return "log"; }
    std::string_view instance() const override { return name_; }
    boost::asio::awaitable<Result<Reading>> collect(Timestamp now) override;

private:
    using SeriesPtr = std::shared_ptr<const Series>;
    static constexpr std::array<std::string_view, 3> drop_names{"flood", "long", "encoding"};
    static constexpr std::array<std::string_view, 3> rotation_names{"rename", "truncate",
                                                                    "recreate"};
    struct Counts {
        std::array<std::uint64_t, severity_names.size()> lines{};
        std::uint64_t bytes = 0;
        std::array<std::uint64_t, drop_names.size()> drops{};
        std::array<std::uint64_t, rotation_names.size()> rotations{};
        std::uint64_t lag_bytes = 0;
        bool is_up = false;
        bool has_file = false;
    };
    class Counter;  // the Tail and what it has counted: touched on the pool only

    std::string name_;
    boost::asio::thread_pool& pool_;
    std::uint64_t own_epoch_;
    std::shared_ptr<Counter> counter_;

    std::array<SeriesPtr, severity_names.size()> line_series_;
    SeriesPtr bytes_series_;
    std::array<SeriesPtr, drop_names.size()> drop_series_;
    std::array<SeriesPtr, rotation_names.size()> rotation_series_;
    SeriesPtr lag_series_;
    SeriesPtr up_series_;
};

/// Every metric a LogFileCollector can emit.
std::span<const MetricInfo> log_metrics();

}  // namespace holdfast::collectors
