#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collectors/collector.h"
#include "collectors/metric_info.h"
#include "collectors/support/http_client.h"

namespace re2 {
class RE2;
}

namespace holdfast::collectors {

struct HttpProbeOptions {
    std::string name;  ///< the label `probe`
    Url url;
    std::shared_ptr<const TlsClient> tls;  ///< of https; none: verified by the system's authorities
    Milliseconds timeout{2000};
    std::vector<int> expected_status;  ///< empty: 200 to 299
    std::string body_regex;            ///< RE2, found anywhere in the body; empty: any body
    std::size_t max_body_bytes = std::size_t{1} << 20;  ///< a larger body is a failure
};

/// Asks a URL and times the answer; the answer to "does it still serve?". A failed attempt is a
/// sample, never an Error of the collector, and counts under one reason:
///
///     dns      the name did not resolve, for an error or for lack of an answer
///     connect  no connection, or it broke before an answer
///     tls      no TLS: a certificate that is not trusted or for another host, a handshake that
///     failed timeout  not done within the timeout status   an answer that is no HTTP, or a status
///     that is not expected body     broken off, too large, or without a match of body_regex
///
/// A duration is measured when an answer has come in whole, expected or not; an attempt that took
/// all of its timeout counts as one that long. Counters count from the construction on.
class HttpProbe : public Collector {
public:
    /// `client` outlives the probe; `own_epoch` is the Reading::epoch of all its readings.
    /// Errc::config for a body_regex that RE2 does not take.
    static Result<std::unique_ptr<HttpProbe>> make(HttpProbeOptions options, HttpClient& client,
                                                   std::uint64_t own_epoch);
    ~HttpProbe() override;
    HttpProbe(const HttpProbe&) = delete;
    HttpProbe& operator=(const HttpProbe&) = delete;

    std::string_view name() const override { return "probe"; }
    std::string_view instance() const override { return options_.name; }
    boost::asio::awaitable<Result<Reading>> collect(Timestamp now) override;

private:
    using SeriesPtr = std::shared_ptr<const Series>;
    enum class Reason : std::size_t { dns, connect, tls, timeout, status, body };
    static constexpr std::array<std::string_view, 6> reason_names{"dns",     "connect", "tls",
                                                                  "timeout", "status",  "body"};
    static constexpr std::array<std::string_view, 5> phase_names{"resolve", "connect", "tls",
                                                                 "processing", "transfer"};

    HttpProbe(HttpProbeOptions options, std::unique_ptr<re2::RE2> body_regex, HttpClient& client,
              std::uint64_t own_epoch);

    static Reason reason_of(const HttpFailure& failure);
    bool expects(int status) const;
    bool expects(std::string_view body) const;
    /// Counts the attempt; true when it succeeded.
    bool count(const HttpOutcome& outcome);
    bool fail(Reason reason);
    void measure(HttpTimings::Seconds duration);

    HttpProbeOptions options_;
    std::unique_ptr<re2::RE2> body_regex_;
    HttpClient& client_;
    std::uint64_t own_epoch_;

    std::uint64_t attempts_ = 0;
    std::array<std::uint64_t, reason_names.size()> failures_{};
    HttpTimings::Seconds latency_{};
    std::uint64_t observations_ = 0;

    SeriesPtr attempts_series_;
    std::array<SeriesPtr, reason_names.size()> failure_series_;
    SeriesPtr success_series_;
    std::array<SeriesPtr, phase_names.size()> phase_series_;
    SeriesPtr latency_series_;
    SeriesPtr observations_series_;
    SeriesPtr status_series_;
};

/// Every metric a HttpProbe can emit.
std::span<const MetricInfo> probe_metrics();

}  // namespace holdfast::collectors
