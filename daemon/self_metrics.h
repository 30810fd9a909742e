#pragma once
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

namespace holdfast::daemon {

/// What the daemon counts of itself, in prometheus-cpp's registry. A counter for every drop, retry,
/// skip and failure; each is there, at 0, from the start.
struct SelfMetrics {
    static SelfMetrics make();

    prometheus::Counter& collector_errors(const std::string& collector, const std::string& instance,
                                          const std::string& reason);

    // Of one collector, made by the scheduler.
    prometheus::Family<prometheus::Gauge>& collector_up;
    prometheus::Family<prometheus::Gauge>& collector_duration_seconds;
    prometheus::Family<prometheus::Gauge>& collector_last_success_timestamp_seconds;
    prometheus::Family<prometheus::Counter>& collector_errors_total;
    prometheus::Family<prometheus::Counter>& collector_overruns_total;

    prometheus::Counter& rows_appended;
    prometheus::Counter& rows_dropped;
    prometheus::Counter& append_errors;
    prometheus::Gauge& rows_waiting;
    prometheus::Gauge& space_waiting;
    prometheus::Gauge& series;
    prometheus::Counter& series_refused;
    prometheus::Counter& signals_dropped;

    prometheus::Counter& evaluations;
    prometheus::Counter& evaluations_missed;
    prometheus::Gauge& evaluation_duration_seconds;
    prometheus::Counter& watch_rows_dropped;

    prometheus::Family<prometheus::Counter>& notifications_sent;
    prometheus::Family<prometheus::Counter>& notifications_errors;
    prometheus::Family<prometheus::Counter>& notifications_dropped;
    prometheus::Gauge& notifications_queue_length;
    prometheus::Gauge& notifications_queue_capacity;
    prometheus::Gauge& alertmanagers_discovered;

    prometheus::Gauge& config_last_reload_successful;
    prometheus::Gauge& config_last_reload_success_timestamp_seconds;
    prometheus::Family<prometheus::Counter>& http_requests;
    prometheus::Counter& http_connections_refused;
    prometheus::Counter& http_tls_handshakes_failed;
    prometheus::Family<prometheus::Counter>& http_refused;

    std::shared_ptr<prometheus::Registry> registry;
};

}  // namespace holdfast::daemon
