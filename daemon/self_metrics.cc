#include "daemon/self_metrics.h"

namespace holdfast::daemon {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, const char* name,
                                                  const char* help) {
    return BuildCounter().Name(name).Help(help).Register(registry);
}
prometheus::Family<prometheus::Gauge>& gauges(prometheus::Registry& registry, const char* name,
                                              const char* help) {
    return BuildGauge().Name(name).Help(help).Register(registry);
}
prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
    return counters(registry, name, help).Add({});
}
prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
    return gauges(registry, name, help).Add({});
}

}  // namespace

SelfMetrics SelfMetrics::make() {
    const auto owner = std::make_shared<prometheus::Registry>();
    auto& r = *owner;
    return {
        gauges(r, "holdfast_collector_up", "Whether the collector's last reading succeeded"),
        gauges(r, "holdfast_collector_duration_seconds", "How long the last reading took"),
        gauges(r, "holdfast_collector_last_success_timestamp_seconds",
               "When the collector last succeeded"),
        counters(r, "holdfast_collector_errors_total", "Readings that failed"),
        counters(r, "holdfast_collector_overruns_total",
                 "Slots skipped because a reading took longer than its interval"),
        counter(r, "holdfast_storage_rows_appended_total", "Rows appended to the sample store"),
        counter(r, "holdfast_storage_rows_dropped_total",
                "Rows dropped because the sample store did not take them in time"),
        counter(r, "holdfast_storage_append_errors_total", "Writes that the sample store refused"),
        gauge(r, "holdfast_storage_rows_waiting", "Rows in memory that wait to be appended"),
        gauge(r, "holdfast_storage_space_waiting",
              "Whether a writer waits for space on a full disk"),
        gauge(r, "holdfast_storage_series", "Series in the sample store"),
        counter(r, "holdfast_storage_series_refused_total",
                "Samples refused because their series was beyond the bound"),
        counter(r, "holdfast_signals_dropped_total",
                "Signals not derived because they were beyond the bound"),
        counter(r, "holdfast_evaluations_total", "Evaluations of open upgrades"),
        counter(r, "holdfast_evaluations_missed_total",
                "Evaluation slots skipped because the one before was still running"),
        gauge(r, "holdfast_evaluation_duration_seconds", "How long the last evaluation took"),
        counter(r, "holdfast_watch_rows_dropped_total",
                "Rows that were read again from the store because judging fell behind"),
        counters(r, "holdfast_notifications_sent_total", "Alerts accepted by an Alertmanager"),
        counters(r, "holdfast_notifications_errors_total",
                 "Requests that an Alertmanager refused or did not answer"),
        counters(r, "holdfast_notifications_dropped_total",
                 "Alerts given up: refused as invalid, or beyond the bound"),
        gauge(r, "holdfast_notifications_queue_length", "Alerts that fire or are still resent"),
        gauge(r, "holdfast_notifications_queue_capacity", "Bound of the alerts kept"),
        gauge(r, "holdfast_notifications_alertmanagers_discovered", "Alertmanagers configured"),
        gauge(r, "holdfast_config_last_reload_successful",
              "Whether the last reading of the configuration succeeded"),
        gauge(r, "holdfast_config_last_reload_success_timestamp_seconds",
              "When the configuration was last read successfully"),
        counters(r, "holdfast_http_requests_total", "Requests answered, by status code"),
        counter(r, "holdfast_http_connections_refused_total",
                "Connections closed because too many were open"),
        counter(r, "holdfast_http_tls_handshakes_failed_total",
                "Connections closed because they did not become TLS"),
        counters(r, "holdfast_http_requests_refused_total",
                 "Requests refused before they were looked at, by reason"),
        owner,
    };
}

prometheus::Counter& SelfMetrics::collector_errors(const std::string& collector,
                                                   const std::string& instance,
                                                   const std::string& reason) {
    return collector_errors_total.Add(
        {{"collector", collector}, {"instance", instance}, {"reason", reason}});
}

}  // namespace holdfast::daemon
