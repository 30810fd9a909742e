#pragma once
#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <vector>

#include "model/sample.h"

namespace holdfast::daemon {

/// The one serialiser of the Prometheus text format 0.0.4: HELP and label values escaped, families
/// contiguous, shortest round-trip values. The caller adds families in any order, each once.
/// Ref: prometheus.io/docs/instrumenting/exposition_formats.
class TextPage {
public:
    static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins a family: its # HELP and # TYPE.
    void family(std::string_view name, SeriesType type, std::string_view help);
    /// `name{labels} value` of the family begun last.
    void value(std::string_view name, const Labels& labels, double value);
    /// The same for a name with labels that was rendered before.
    void rendered(std::string_view name_and_labels, double value);
    /// A family of prometheus-cpp's registry: counters and gauges.
    void family(const prometheus::MetricFamily& family);

    std::string take() { return std::move(text_); }

private:
    std::string text_;
};

/// A label set's names and values are merged; a name of `more` that `base` has becomes
/// `exported_<name>`, as Prometheus does.
Labels merged(Labels base, const Labels& more);

}  // namespace holdfast::daemon
