#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collectors/collector.h"
#include "collectors/metric_info.h"
#include "collectors/support/http_client.h"

namespace holdfast::collectors {

struct ScrapeOptions {
    std::string name;  ///< the label `source`
    Url url;
    std::shared_ptr<const TlsClient> tls;  ///< of https; none: verified by the system's authorities
    Milliseconds timeout{2000};
    std::vector<std::string> keep;  ///< RE2 for the whole metric name; empty: all
    std::vector<std::string> drop;  ///< RE2 for the whole metric name; wins over keep
    std::size_t max_series = 2000;
    std::size_t max_bytes = std::size_t{4} << 20;
};

/// Takes over the metrics that an application exposes in the Prometheus text format: its own names
/// with the label `source`; a label of theirs called so becomes `exported_source`. Values that are
/// not a number are absent. What is more than max_series, or has a label value of more than 1 KiB,
/// is left out and counted.
///
/// An application that cannot be reached, does not answer in time or answers with another status
/// than 2xx gives a reading with `holdfast_scrape_up` 0 alone: its absence is to be seen. A page
/// that cannot be read, or is too large, is Errc::parse: it needs somebody to look at it.
///
/// Reading::epoch is that of the application, by its `process_start_time_seconds`, if it tells.
class ScrapeCollector : public Collector {
public:
    /// `client` outlives the collector. `own_epoch` is the epoch of applications that do not tell.
    /// Errc::config for a keep or drop that RE2 does not take.
    static Result<std::unique_ptr<ScrapeCollector>> make(ScrapeOptions options, HttpClient& client,
                                                         std::uint64_t own_epoch);
    ~ScrapeCollector() override;
    ScrapeCollector(const ScrapeCollector&) = delete;
    ScrapeCollector& operator=(const ScrapeCollector&) = delete;

    std::string_view name() const override { return "scrape"; }
    std::string_view instance() const override { return options_.name; }
    boost::asio::awaitable<Result<Reading>> collect(Timestamp now) override;

private:
    using SeriesPtr = std::shared_ptr<const Series>;
    class Filter;       // keep and drop
    class SeriesCache;  // Series by their text on the page

    ScrapeCollector(ScrapeOptions options, std::unique_ptr<Filter> filter, HttpClient& client,
                    std::uint64_t own_epoch);

    Result<Reading> read(const HttpResponse& response, Timestamp now);
    Reading reading_when_down(Timestamp now) const;
    /// The epoch that `page` is in. A start time that moves by less than two seconds is the same
    /// one: applications compute it from a boot time that the clock's corrections shift.
    std::uint64_t epoch_of(std::string_view page);

    ScrapeOptions options_;
    std::unique_ptr<Filter> filter_;
    HttpClient& client_;
    std::uint64_t own_epoch_;
    std::uint64_t epoch_;
    std::optional<double> start_time_seconds_;
    std::unique_ptr<SeriesCache> cache_;
    std::uint64_t scrapes_ = 0;
    std::uint64_t dropped_ = 0;

    SeriesPtr up_series_;
    SeriesPtr samples_series_;
    SeriesPtr duration_series_;
    SeriesPtr dropped_series_;
};

/// Every metric of its own that a ScrapeCollector can emit.
std::span<const MetricInfo> scrape_metrics();

}  // namespace holdfast::collectors
