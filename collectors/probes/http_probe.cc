#include "collectors/probes/http_probe.h"

#include <re2/re2.h>

#include <algorithm>

namespace holdfast::collectors {
namespace {

constexpr auto metrics = std::to_array<MetricInfo>({
    {"holdfast_probe_attempts_total", SeriesType::counter, "Attempts of the probe"},
    {"holdfast_probe_failures_total", SeriesType::counter, "Failed attempts, by what failed"},
    {"holdfast_probe_success", SeriesType::gauge, "1 when the last attempt succeeded, else 0"},
    {"holdfast_probe_duration_seconds", SeriesType::gauge,
     "How long each phase of the last attempt took, absent without a whole answer"},
    {"holdfast_probe_latency_seconds_total", SeriesType::counter,
     "Sum of the durations of attempts that got an answer or ran into their timeout"},
    {"holdfast_probe_latency_observations_total", SeriesType::counter,
     "Number of durations in holdfast_probe_latency_seconds_total"},
    {"holdfast_probe_http_status", SeriesType::gauge,
     "Status of the last answer, absent without one"},
});

std::shared_ptr<const Series> series(std::string_view metric, Labels labels) {
    const auto* const info = std::find_if(metrics.begin(), metrics.end(),
                                          [&](const auto& known) { return known.name == metric; });
    return std::make_shared<const Series>(
        Series{std::string{metric}, std::move(labels), info->type});
}

}  // namespace

Result<std::unique_ptr<HttpProbe>> HttpProbe::make(HttpProbeOptions options, HttpClient& client,
                                                   std::uint64_t own_epoch) {
    std::unique_ptr<re2::RE2> body_regex;
    if (!options.body_regex.empty()) {
        body_regex = std::make_unique<re2::RE2>(options.body_regex, re2::RE2::Quiet);
        if (!body_regex->ok()) {
            return failure(Errc::config, "probe '{}': body_regex '{}': {}", options.name,
                           options.body_regex, body_regex->error());
        }
    }
    return std::unique_ptr<HttpProbe>{
        new HttpProbe{std::move(options), std::move(body_regex), client, own_epoch}};
}

HttpProbe::HttpProbe(HttpProbeOptions options, std::unique_ptr<re2::RE2> body_regex,
                     HttpClient& client, std::uint64_t own_epoch)
    : options_{std::move(options)},
      body_regex_{std::move(body_regex)},
      client_{client},
      own_epoch_{own_epoch} {
    const auto& probe = options_.name;
    attempts_series_ = series("holdfast_probe_attempts_total", {{"probe", probe}});
    for (std::size_t i = 0; i < reason_names.size(); ++i) {
        failure_series_[i] = series("holdfast_probe_failures_total",
                                    {{"probe", probe}, {"reason", std::string{reason_names[i]}}});
    }
    success_series_ = series("holdfast_probe_success", {{"probe", probe}});
    for (std::size_t i = 0; i < phase_names.size(); ++i) {
        phase_series_[i] = series("holdfast_probe_duration_seconds",
                                  {{"probe", probe}, {"phase", std::string{phase_names[i]}}});
    }
    latency_series_ = series("holdfast_probe_latency_seconds_total", {{"probe", probe}});
    observations_series_ = series("holdfast_probe_latency_observations_total", {{"probe", probe}});
    status_series_ = series("holdfast_probe_http_status", {{"probe", probe}});
}

HttpProbe::~HttpProbe() = default;

boost::asio::awaitable<Result<Reading>> HttpProbe::collect(Timestamp now) {
    HttpRequest request{options_.url, options_.timeout, options_.max_body_bytes};
    request.tls = options_.tls;
    const auto outcome = co_await client_.send(std::move(request));
    const bool success = count(outcome);

    Reading reading{own_epoch_, {}};
    const auto add = [&](const SeriesPtr& of, double value) {
        reading.samples.push_back({of, now, value});
    };
    add(attempts_series_, static_cast<double>(attempts_));
    for (std::size_t i = 0; i < failures_.size(); ++i) {
        add(failure_series_[i], static_cast<double>(failures_[i]));
    }
    add(success_series_, success ? 1 : 0);
    add(latency_series_, latency_.count());
    add(observations_series_, static_cast<double>(observations_));
    if (outcome) {
        const auto& timings = outcome->timings;
        const std::array phases{timings.resolve, timings.connect, timings.tls, timings.processing,
                                timings.transfer};
        for (std::size_t i = 0; i < phases.size(); ++i) {
            add(phase_series_[i], phases[i].count());
        }
        add(status_series_, outcome->status);
    }
    co_return reading;
}

bool HttpProbe::count(const HttpOutcome& outcome) {
    ++attempts_;
    if (!outcome) {
        if (outcome.error().error.code() == Errc::timeout) {
            measure(options_.timeout);
        }
        return fail(reason_of(outcome.error()));
    }
    measure(outcome->timings.total());
    if (!expects(outcome->status)) {
        return fail(Reason::status);
    }
    return expects(outcome->body) || fail(Reason::body);
}

HttpProbe::Reason HttpProbe::reason_of(const HttpFailure& failure) {
    if (failure.stage == HttpStage::resolve) {
        return Reason::dns;
    }
    if (failure.error.code() == Errc::timeout) {
        return Reason::timeout;
    }
    if (failure.stage == HttpStage::connect) {
        return Reason::connect;
    }
    if (failure.stage == HttpStage::tls) {
        return Reason::tls;
    }
    if (failure.status != 0) {
        return Reason::body;
    }
    return failure.error.code() == Errc::parse ? Reason::status : Reason::connect;
}

bool HttpProbe::expects(int status) const {
    const auto& expected = options_.expected_status;
    if (expected.empty()) {
        return status >= 200 && status <= 299;
    }
    return std::find(expected.begin(), expected.end(), status) != expected.end();
}

bool HttpProbe::expects(std::string_view body) const {
    return !body_regex_ || re2::RE2::PartialMatch({body.data(), body.size()}, *body_regex_);
}

bool HttpProbe::fail(Reason reason) {
    ++failures_[static_cast<std::size_t>(reason)];
    return false;
}

void HttpProbe::measure(HttpTimings::Seconds duration) {
    latency_ += duration;
    ++observations_;
}

std::span<const MetricInfo> probe_metrics() {
    return metrics;
}

}  // namespace holdfast::collectors
