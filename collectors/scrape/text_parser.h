#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/result.h"
#include "model/sample.h"

namespace holdfast::collectors {

/// What a # TYPE line says of a family.
enum class FamilyType { unknown, counter, gauge, histogram, summary };

/// What a page says of a family of series.
struct ScrapedFamily {
    FamilyType type = FamilyType::unknown;
    std::string_view help;  ///< as written; see unescaped()
};

/// One series of a page and its value. The views point into the page.
struct ScrapedSample {
    std::string_view text;    ///< name and labels as written: `http_requests_total{code="200"}`
    std::string_view metric;  ///< the name alone
    double value;             ///< may be NaN or infinite; a time stamp after it is left out
    SeriesType type;          ///< see series_type()
};

/// A page of the Prometheus text format. The views point into the text it was made from.
struct ScrapedPage {
    std::vector<ScrapedSample> samples;  ///< in the order of the page, each text once
    std::unordered_map<std::string_view, ScrapedFamily> families;
    std::size_t duplicates = 0;       ///< samples that a later one of the same text has replaced
    std::size_t over_max_series = 0;  ///< samples left out: ScrapeLimits::max_series
    std::size_t over_max_label = 0;   ///< samples left out: ScrapeLimits::max_label_bytes
};

struct ScrapeLimits {
    std::size_t max_bytes = std::size_t{4} << 20;  ///< of the page; more is an error
    std::size_t max_series = 2000;                 ///< kept; more are left out and counted
    std::size_t max_label_bytes = 1024;            ///< of one value as written; see over_max_label
};

/// Reads a page of the text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
/// What OpenMetrics adds is taken and left out: # UNIT, # EOF (what follows it too), exemplars,
/// fractional time stamps. `keep` says by the name which series are wanted; null: all.
/// Errc::parse for a bad line, with its number and its beginning, and for a page too large.
Result<ScrapedPage> parse_page(std::string_view page, const ScrapeLimits& limits,
                               const std::function<bool(std::string_view metric)>& keep);

/// The labels in a ScrapedSample::text: unescaped, invalid UTF-8 replaced by U+FFFD, those with an
/// empty value left out, since a label without a value is no label (Prometheus data model).
/// Total: what parse_page() has not accepted gives the labels before the error.
Labels labels_of(std::string_view text);

/// How the values of a series behave. A declared type decides; without one the name does.
///
///     counter          `_created` is a gauge, all else a counter
///     gauge            gauge, whatever its name
///     histogram        `_bucket`, `_count` and `_sum` are counters, all else gauges
///     summary          `_count` and `_sum` are counters, the quantiles gauges
///     none             `_total` is a counter, all else a gauge
SeriesType series_type(std::string_view metric, FamilyType family);

/// `text` of a HELP line or between the quotes of a label: `\\`, `\n` and `\"` are resolved, a
/// backslash before anything else stands for itself.
std::string unescaped(std::string_view text);

/// The value of the first series called `metric` on the page, labels or not; no other line is
/// looked at. Empty when there is none or when its value is no number.
std::optional<double> first_value(std::string_view page, std::string_view metric);

}  // namespace holdfast::collectors
