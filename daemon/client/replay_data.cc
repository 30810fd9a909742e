#include "daemon/client/replay_data.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>

#include "daemon/client/replay_rules.h"
#include "daemon/config.h"
#include "daemon/quantities.h"
#include "daemon/timezone.h"
#include "model/names.h"
#include "rules/excluded_time.h"

namespace holdfast::client {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

using namespace std::chrono_literals;

constexpr std::string_view header = "timestamp_seconds,metric,value";
constexpr double seconds_max = 253'402'300'800;  // the year 10000
constexpr Milliseconds cell_min = 30s;
constexpr Milliseconds step_max = 24h;
constexpr Milliseconds warmup = 15min;
constexpr std::size_t bridged_cells_max = 2;
constexpr std::size_t case_bytes_max = std::size_t{16} << 20U;
constexpr double missing = std::numeric_limits<double>::quiet_NaN();

// ---- text

std::string_view trimmed(std::string_view text) {
    const auto from = text.find_first_not_of(" \t\r");
    return from == std::string_view::npos
               ? std::string_view{}
               : text.substr(from, text.find_last_not_of(" \t\r") - from + 1);
}

/// A piece of the input for a message: short, and without control characters.
std::string shown(std::string_view text) {
    std::string out = "'";
    for (const char c : text.substr(0, 60)) {
        out += static_cast<unsigned char>(c) < 0x20U || c == 0x7f ? '?' : c;
    }
    return out + (text.size() > 60 ? "…'" : "'");
}

std::string_view unquoted(std::string_view text) {
    const bool quotes = text.size() >= 2 && text.front() == '"' && text.back() == '"';
    return quotes ? trimmed(text.substr(1, text.size() - 2)) : text;
}

std::optional<double> number_of(std::string_view text) {
    text.remove_prefix(text.starts_with('+') ? 1 : 0);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

std::optional<Timestamp> time_of(double seconds) {
    if (!(seconds >= 0 && seconds < seconds_max)) {
        return std::nullopt;
    }
    return Timestamp{Milliseconds{std::llround(seconds * 1000)}};
}

// ---- rows

struct Row {
    Timestamp at;
    std::string_view metric;
    double value;  // NaN: missing
};

/// Takes a quoted field, its doubled quotes made single in `unescaped`, off the front of `rest`.
Result<std::string_view> take_quoted_metric(std::string_view& rest, std::string& unescaped) {
    unescaped.clear();
    for (std::size_t i = 1; i < rest.size(); ++i) {
        if (rest[i] == '"') {
            if (i + 1 >= rest.size() || rest[i + 1] != '"') {
                rest.remove_prefix(i + 1);
                return std::string_view{unescaped};
            }
            ++i;
        }
        unescaped += rest[i];
    }
    return failure(Errc::parse, "the metric's quotes do not end");
}

/// Takes `name` or `name{a="b,c"}` off the front of `rest`: up to a comma outside braces.
Result<std::string_view> take_plain_metric(std::string_view& rest) {
    bool braces = false;
    bool quotes = false;
    std::size_t i = 0;
    for (; i < rest.size() && (braces || rest[i] != ','); ++i) {
        if (quotes && rest[i] == '\\') {
            ++i;
        } else if (rest[i] == '"') {
            quotes = braces && !quotes;
        } else if (!quotes && (rest[i] == '{' || rest[i] == '}')) {
            braces = rest[i] == '{';
        }
    }
    if (braces) {
        return failure(Errc::parse, "the braces of {} do not end", shown(rest));
    }
    const auto metric = rest.substr(0, i);
    rest.remove_prefix(i);
    return metric;
}

/// `scratch` holds a quoted metric's text, which the Row then points to.
Result<Row> parse_row(std::string_view line, std::string& scratch) {
    const auto comma = line.find(',');
    const auto time = unquoted(trimmed(line.substr(0, comma)));
    const auto seconds = number_of(time);
    if (!seconds) {
        return failure(Errc::parse, "{} is no time in seconds; the columns are {}", shown(time),
                       header);
    }
    const auto at = time_of(*seconds);
    if (!at) {
        return failure(Errc::parse,
                       "time {} is before 1970 or after 9999; write seconds since 1970",
                       shown(time));
    }
    auto rest =
        trimmed(comma == std::string_view::npos ? std::string_view{} : line.substr(comma + 1));
    const auto taken =
        rest.starts_with('"') ? take_quoted_metric(rest, scratch) : take_plain_metric(rest);
    if (!taken) {
        return tl::unexpected(taken.error());
    }
    const auto metric = trimmed(*taken);
    rest = trimmed(rest);
    if (!rest.starts_with(',')) {
        return failure(Errc::parse, "{} has no value column; the columns are {}", shown(line),
                       header);
    }
    if (metric.empty()) {
        return failure(Errc::parse, "the metric has no name");
    }
    const auto text = unquoted(trimmed(rest.substr(1)));
    const auto value = text.empty() ? missing : number_of(text);
    if (!value) {
        return failure(Errc::parse, "value {} is no number{}", shown(text),
                       text.find(',') != std::string_view::npos
                           ? "; there are 3 columns, and a metric with a comma is quoted"
                           : "");
    }
    return Row{*at, metric, std::isfinite(*value) ? *value : missing};
}

bool is_header(std::string_view line) {
    std::string bare;
    for (const char c : line) {
        if (c != '"' && c != ' ') {
            bare += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        }
    }
    return bare == header;
}

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
        return std::hash<std::string_view>{}(text);
    }
};

/// Takes a file line by line.
class RecordingParser {
public:
    Result<void> take(std::string_view line) {
        ++line_number_;
        if (line_number_ == 1) {
            line.remove_prefix(line.starts_with("\xef\xbb\xbf") ? 3 : 0);
        }
        line = trimmed(line);
        if (line.empty() || (!std::exchange(header_passed_, true) && is_header(line))) {
            return {};
        }
        const auto row = parse_row(line, scratch_);
        if (!row) {
            return tl::unexpected(row.error());
        }
        return add(*row);
    }

    std::size_t line_number() const { return line_number_; }

    Recording finish() {
        const auto earlier = [](const RecordedSample& a, const RecordedSample& b) {
            return a.at < b.at;
        };
        for (auto& series : recording_.series) {
            if (!std::is_sorted(series.samples.begin(), series.samples.end(), earlier)) {
                std::stable_sort(series.samples.begin(), series.samples.end(), earlier);
            }
        }
        return std::move(recording_);
    }

private:
    Result<void> add(const Row& row) {
        auto known = index_.find(row.metric);
        if (known == index_.end()) {
            if (recording_.series.size() == replay_metrics_max) {
                return failure(Errc::parse, "more than {} metrics; replay them in parts",
                               replay_metrics_max);
            }
            known = index_.emplace(row.metric, recording_.series.size()).first;
            recording_.series.push_back({std::string{row.metric}, {}});
        }
        recording_.first = std::min(recording_.first.value_or(row.at), row.at);
        recording_.last = std::max(recording_.last.value_or(row.at), row.at);
        if (std::isnan(row.value)) {
            return {};
        }
        if (++samples_ > replay_samples_max) {
            return failure(Errc::parse, "more than {} samples; use a longer step",
                           replay_samples_max);
        }
        recording_.series[known->second].samples.push_back({row.at, row.value});
        return {};
    }

    Recording recording_;
    std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> index_;
    std::string scratch_;
    std::size_t line_number_ = 0;
    std::size_t samples_ = 0;
    bool header_passed_ = false;
};

// ---- files

struct CloseGz {
    void operator()(gzFile_s* file) const { ::gzclose_r(file); }
};

/// Calls `line` with each line of `in`. Stops with its first error.
template <class Line>
Result<void> for_each_line(gzFile_s* in, Line line) {
    std::vector<char> buffer(std::size_t{256} << 10U);
    std::string begun;  // a line that the buffer cut
    for (;;) {
        const int got = ::gzread(in, buffer.data(), static_cast<unsigned>(buffer.size()));
        int code = Z_OK;
        const char* const text = ::gzerror(in, &code);
        if (got < 0 || (got == 0 && code != Z_OK && code != Z_STREAM_END)) {
            return failure(Errc::io, "{}", code == Z_ERRNO ? std::strerror(errno) : text);
        }
        std::string_view rest{buffer.data(), static_cast<std::size_t>(got)};
        for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
            begun += rest.substr(0, end);
            rest.remove_prefix(end + 1);
            if (auto taken = line(begun); !taken) {
                return taken;
            }
            begun.clear();
        }
        begun += rest;
        if (got == 0) {
            return begun.empty() ? Result<void>{} : line(begun);
        }
        if (begun.size() > replay_line_bytes_max) {
            return line(begun);  // which refuses it
        }
    }
}

// ---- case.json

/// The fields of one object of case.json. `where` names it in messages: "" or `metrics[3].`.
class CaseFields {
public:
    CaseFields(const json::object& object, std::string where)
        : object_{object}, where_{std::move(where)} {}

    Result<std::string> text(std::string_view name) const {
        const auto* const value = find(name);
        if (value == nullptr) {
            return std::string{};
        }
        if (!value->is_string()) {
            return wrong(name, *value, "a string");
        }
        return std::string(value->get_string());
    }
    Result<std::optional<double>> number(std::string_view name) const {
        const auto* const value = find(name);
        if (value == nullptr) {
            return std::optional<double>{};
        }
        if (!value->is_number()) {
            return wrong(name, *value, "a number");
        }
        return std::optional{value->to_number<double>()};
    }
    Result<const json::array*> array(std::string_view name) const {
        const auto* const value = find(name);
        if (value != nullptr && !value->is_array()) {
            return wrong(name, *value, "an array");
        }
        return value == nullptr ? nullptr : &value->get_array();
    }

    static tl::unexpected<Error> wrong(const std::string& field, const json::value& value,
                                       std::string_view expected) {
        const auto text = json::serialize(value);
        return failure(Errc::parse, "{} is {}, expected {}", field, shown(text), expected);
    }

private:
    const json::value* find(std::string_view name) const {
        const auto* const value = object_.if_contains(name);
        return value == nullptr || value->is_null() ? nullptr : value;
    }
    tl::unexpected<Error> wrong(std::string_view name, const json::value& value,
                                std::string_view expected) const {
        return wrong(where_ + std::string{name}, value, expected);
    }

    const json::object& object_;
    std::string where_;
};

Direction direction_of_type(std::string_view type, Direction otherwise) {
    constexpr std::array up{"cpu",     "load",        "memory",      "queue",
                            "latency", "utilisation", "connections", "errors"};
    if (type == "success") {
        return Direction::down;
    }
    if (type == "traffic" || type == "kpi") {
        return Direction::both;
    }
    return std::find(up.begin(), up.end(), type) != up.end() ? Direction::up : otherwise;
}

Result<ReplayMetric> metric_of(const json::value& value, const std::string& where) {
    const auto* const object = value.if_object();
    if (object == nullptr) {
        return CaseFields::wrong(where, value, "an object");
    }
    const CaseFields fields{*object, where + "."};
    const auto name = fields.text("name");
    if (!name) {
        return tl::unexpected(name.error());
    }
    if (name->empty()) {
        return failure(Errc::parse, "{}.name is missing", where);
    }
    const auto type = fields.text("type");
    if (!type) {
        return tl::unexpected(type.error());
    }
    const auto direction = fields.text("direction");
    if (!direction) {
        return tl::unexpected(direction.error());
    }
    auto metric = guess_metric(*name);
    if (!type->empty()) {
        metric.type = *type;
        metric.worse = direction_of_type(*type, metric.worse);
    }
    if (!direction->empty()) {
        const auto worse = from_name<Direction>(*direction);
        if (!worse) {
            return failure(Errc::parse, "{}.direction is {}, expected up, down or both", where,
                           shown(*direction));
        }
        metric.worse = *worse;
    }
    return metric;
}

Result<std::vector<ReplayMetric>> metrics_of(const json::array& values) {
    std::vector<ReplayMetric> out;
    std::set<std::string> names;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto where = fmt::format("metrics[{}]", i);
        auto metric = metric_of(values[i], where);
        if (!metric) {
            return tl::unexpected(metric.error());
        }
        if (!names.insert(metric->name).second) {
            return failure(Errc::parse, "{}.name {} is there twice", where, shown(metric->name));
        }
        out.push_back(std::move(*metric));
    }
    if (out.empty()) {
        return failure(Errc::parse, "metrics is empty; leave it out to judge every metric");
    }
    return out;
}

Result<ReplayCase> case_of(const json::value& root) {
    const auto* const object = root.if_object();
    if (object == nullptr) {
        return failure(Errc::parse, "expected an object");
    }
    const CaseFields fields{*object, ""};
    const auto format = fields.number("format");
    const auto name = fields.text("name");
    const auto step = fields.number("step_seconds");
    const auto upgrade_at = fields.number("upgrade_at");
    const auto metrics = fields.array("metrics");
    for (const auto* number : {&format, &step, &upgrade_at}) {
        if (!*number) {
            return tl::unexpected(number->error());
        }
    }
    if (!name) {
        return tl::unexpected(name.error());
    }
    if (!metrics) {
        return tl::unexpected(metrics.error());
    }
    if (const double version = format->value_or(1); version < 1 || version > 1) {
        return failure(Errc::parse, "format is {}, expected 1; use a newer holdfast", version);
    }
    ReplayCase out;
    out.name = *name;
    if (*step) {
        if (!(**step >= 0.001 && **step * 1000 <= static_cast<double>(step_max.count()))) {
            return failure(Errc::parse, "step_seconds is {}, expected 0.001 to 86400", **step);
        }
        out.step = Milliseconds{std::llround(**step * 1000)};
    }
    if (*upgrade_at) {
        out.upgrade_at = time_of(**upgrade_at);
        if (!out.upgrade_at) {
            return failure(Errc::parse, "upgrade_at is {}, expected seconds since 1970",
                           **upgrade_at);
        }
    }
    if (*metrics != nullptr) {
        auto read = metrics_of(**metrics);
        if (!read) {
            return tl::unexpected(read.error());
        }
        out.metrics = std::move(*read);
    }
    return out;
}

// ---- guessing

struct Guess {
    const char* type;
    std::string_view words;
};

/// Documented at guess_metric(); earlier ones win.
constexpr std::array guesses{
    Guess{"errors",
          "error errors err fail fails failed failure failures fault faults drop drops dropped "
          "timeout timeouts retrans 5xx"},
    Guess{"success", "success successes successful ok availability available"},
    Guess{"queue", "queue queued backlog pending"},
    Guess{"latency", "latency duration delay wait lag response p50 p90 p95 p99"},
    Guess{"cpu", "cpu"},
    Guess{"load", "load load1 load5 load15"},
    Guess{"memory", "memory mem rss heap swap"},
    Guess{"utilisation", "util utilisation utilization usage used busy pressure"},
    Guess{"connections", "connections conns sockets sessions"},
    Guess{"latency", "seconds milliseconds ms"},
    Guess{"traffic",
          "throughput request requests traffic rps qps tps bytes packets received sent"}};

/// `Http-requests_failed{job="a"}` → http requests failed.
std::set<std::string> words_of(std::string_view name) {
    std::set<std::string> out;
    std::string word;
    for (const char c : name.substr(0, name.find('{'))) {
        const bool upper = c >= 'A' && c <= 'Z';
        if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            word += upper ? static_cast<char>(c - 'A' + 'a') : c;
        } else {
            out.insert(std::exchange(word, {}));
        }
    }
    out.insert(std::move(word));
    out.erase("");
    return out;
}

/// `words`, with blanks between them, holds `word`.
bool holds(std::string_view words, const std::string& word) {
    return fmt::format(" {} ", words).find(fmt::format(" {} ", word)) != std::string::npos;
}

// ---- cells

/// Cell `k` is [anchor + k·cell, anchor + (k+1)·cell).
struct Grid {
    Timestamp anchor;
    Milliseconds cell;

    std::int64_t index(Timestamp at) const {
        const auto past = (at - anchor).count();
        return past / cell.count() - (past % cell.count() < 0 ? 1 : 0);
    }
    Timestamp begin_of(std::int64_t k) const { return anchor + k * cell; }
};

/// Cells [first, last) of a grid.
struct CellRange {
    std::int64_t first;
    std::int64_t last;
    std::int64_t size() const { return last - first; }
};

/// Replaces sums by means.
void average(Cells& cells) {
    for (auto& cell : cells) {
        const double mean = cell.denominator > 0 ? cell.numerator / cell.denominator : missing;
        cell = std::isfinite(mean) ? Cell{mean, 1} : Cell{};
    }
}

/// Interpolates short gaps between two cells with samples.
void bridge(Cells& cells) {
    std::optional<std::size_t> before;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        if (cells[i].denominator <= 0) {
            continue;
        }
        const auto empty = before ? i - *before - 1 : 0;
        if (empty <= bridged_cells_max) {
            for (std::size_t k = 1; k <= empty; ++k) {
                const double share = static_cast<double>(k) / static_cast<double>(empty + 1);
                cells[*before + k] = {
                    std::lerp(cells[*before].numerator, cells[i].numerator, share), 1};
            }
        }
        before = i;
    }
}

using SeriesByName = std::map<std::string_view, const RecordedSeries*>;

SeriesByName by_name(const Recording& recording) {
    SeriesByName out;
    for (const auto& series : recording.series) {
        out.emplace(series.metric, &series);
    }
    return out;
}

const RecordedSeries* series_of(const SeriesByName& known, std::string_view metric) {
    const auto found = known.find(metric);
    return found == known.end() ? nullptr : found->second;
}

using BothSeries = std::array<const RecordedSeries*, 2>;  // nullptr: not in that file

Cells cells_of(const BothSeries& both, const Grid& grid, const CellRange& range,
               const rules::ExcludedTime& excluded) {
    Cells out(static_cast<std::size_t>(range.size()));
    for (const auto* series : both) {
        if (series == nullptr) {
            continue;
        }
        for (const auto& sample : series->samples) {
            const auto k = grid.index(sample.at);
            if (k >= range.first && k < range.last && !excluded.contains(sample.at)) {
                auto& cell = out[static_cast<std::size_t>(k - range.first)];
                cell.numerator += sample.value;
                cell.denominator += 1;
            }
        }
    }
    average(out);
    bridge(out);
    return out;
}

template <class T>
std::optional<T> median(std::vector<T>& values) {
    if (values.empty()) {
        return std::nullopt;
    }
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// Median over the metrics of the median time between their samples, in whole seconds.
Result<Milliseconds> step_of(const Recording& recording) {
    std::vector<Milliseconds> medians;
    std::vector<Milliseconds> steps;
    for (const auto& series : recording.series) {
        steps.clear();
        for (std::size_t i = 1; i < series.samples.size(); ++i) {
            if (const auto step = series.samples[i].at - series.samples[i - 1].at; step > 0ms) {
                steps.push_back(step);
            }
        }
        if (const auto typical = median(steps)) {
            medians.push_back(*typical);
        }
    }
    const auto step = median(medians);
    if (!step) {
        return failure(Errc::invalid, "no metric of the baseline has two samples");
    }
    if (*step > step_max) {
        return failure(Errc::invalid,
                       "the baseline's samples are {} apart, replay needs 1d or less",
                       daemon::format_duration(*step));
    }
    return std::chrono::round<std::chrono::seconds>(*step);
}

Result<std::vector<RuledMetric>> metrics_wanted(const Recording& baseline, const ReplayCase& wanted,
                                                const ReplayOptions& options) {
    if (!baseline.first) {
        return failure(Errc::invalid, "the baseline has no rows");
    }
    if (options.config) {
        return ruled_metrics(baseline, wanted, *options.config);
    }
    auto metrics = wanted.metrics;
    if (metrics.empty()) {
        for (const auto& series : baseline.series) {
            metrics.push_back(guess_metric(series.metric));
        }
    }
    std::vector<RuledMetric> out;
    out.reserve(metrics.size());
    for (const auto& metric : metrics) {
        out.push_back({metric.name, std::nullopt, ensemble_signal(metric)});
    }
    return out;
}

std::optional<Timestamp> first_value(const std::vector<BothSeries>& metrics) {
    std::optional<Timestamp> out;
    for (const auto& both : metrics) {
        for (const auto* series : both) {
            if (series != nullptr && !series->samples.empty()) {
                const auto at = series->samples.front().at;
                out = std::min(out.value_or(at), at);
            }
        }
    }
    return out;
}

Milliseconds cycle_by_default(Milliseconds history) {
    const Milliseconds cycle = history >= 14 * 24h ? 7 * 24h : 24h;
    return std::min(cycle, history);
}

/// Which cells of a grid are history, and which come after the upgrade.
struct Course {
    Grid grid;
    std::int64_t begin;
    std::int64_t upgrade;
    std::int64_t end;
};

Result<Milliseconds> cell_of(const Recording& baseline, const ReplayCase& wanted) {
    const auto step = wanted.step ? Result<Milliseconds>{*wanted.step} : step_of(baseline);
    return step ? Result<Milliseconds>{std::max(*step, cell_min)} : step;
}

std::vector<BothSeries> recorded_of(const std::vector<RuledMetric>& metrics,
                                    const SeriesByName& before, const SeriesByName& after) {
    std::vector<BothSeries> out;
    out.reserve(metrics.size());
    for (const auto& metric : metrics) {
        out.push_back({series_of(before, metric.metric), series_of(after, metric.metric)});
    }
    return out;
}

/// The cell of the first value, which lies before the grid's anchor.
Result<std::int64_t> history_begin(const std::vector<BothSeries>& recorded, const Grid& grid) {
    const auto begin = first_value(recorded);
    if (!begin || *begin >= grid.anchor) {
        return failure(Errc::invalid, "no metric to judge has a value before the upgrade at {}",
                       daemon::format_time(grid.anchor));
    }
    return grid.index(*begin);
}

Result<ReplayData> on_grid(std::vector<RuledMetric> metrics,
                           const std::vector<BothSeries>& recorded, const Course& course,
                           const ReplayOptions& options) {
    const auto& grid = course.grid;
    const CellRange history{course.begin, course.upgrade};
    const CellRange watch{course.upgrade, course.end};
    const auto cells = (history.size() + watch.size()) * static_cast<std::int64_t>(metrics.size());
    if (cells > replay_cells_max) {
        return failure(Errc::invalid,
                       "{} metrics from {} to {} are {} cells of {}, more than {}; check the times",
                       metrics.size(), daemon::format_time(grid.begin_of(course.begin)),
                       daemon::format_time(grid.begin_of(course.end)), cells,
                       daemon::format_duration(grid.cell), replay_cells_max);
    }
    ReplayData out;
    out.plan = {.begin = grid.begin_of(history.first),
                .upgrade = grid.begin_of(history.last),
                .planned_end = grid.begin_of(watch.last),
                .cell = grid.cell,
                .cycle = options.cycle.value_or(cycle_by_default(history.size() * grid.cell)),
                .warmup = warmup,
                .offsets = {},
                .levels = {}};
    if (options.config) {
        out.plan.levels = options.config->levels;
        out.plan.warmup =
            options.config->upgrades.warmup.value_or(std::min(warmup, out.plan.cycle / 96));
    }
    if (!options.timezone.empty()) {
        auto offsets =
            daemon::utc_offsets(options.timezone, {out.plan.begin, out.plan.planned_end});
        if (!offsets) {
            return tl::unexpected(offsets.error());
        }
        out.plan.offsets = std::move(*offsets);
    }
    const rules::ExcludedTime nothing{{}};
    const rules::ExcludedTime excluded{options.config ? options.config->upgrades.exclude
                                                      : std::vector<Exclusion>{}};
    for (std::size_t i = 0; i < metrics.size(); ++i) {
        out.history.push_back(cells_of(recorded[i], grid, history, excluded));
        out.after.push_back(cells_of(recorded[i], grid, watch, nothing));
        out.signals.push_back(std::move(metrics[i].signal));
        if (options.config) {
            out.rules.push_back(std::move(metrics[i].rule));
        }
    }
    return out;
}

}  // namespace

fs::path recorded_file(const fs::path& file) {
    std::error_code ignored;
    auto zipped = file;
    zipped += ".gz";
    return !fs::exists(file, ignored) && fs::exists(zipped, ignored) ? zipped : file;
}

Result<Recording> read_recording(const fs::path& file) {
    const auto found = recorded_file(file);
    errno = 0;
    const std::unique_ptr<gzFile_s, CloseGz> in{::gzopen(found.c_str(), "rbe")};
    if (!in) {
        return failure(Errc::io, "read {}: {}", found.string(), std::strerror(errno));
    }
    ::gzbuffer(in.get(), 128U << 10U);
    RecordingParser parser;
    const auto read = for_each_line(in.get(), [&](const std::string& line) -> Result<void> {
        auto taken = line.size() <= replay_line_bytes_max
                         ? parser.take(line)
                         : Result<void>{failure(Errc::parse, "the line is longer than {} bytes",
                                                replay_line_bytes_max)};
        return taken ? Result<void>{}
                     : failure(taken.error().code(), "{}:{}: {}", found.string(),
                               parser.line_number() + (line.size() > replay_line_bytes_max ? 1 : 0),
                               taken.error().message());
    });
    if (!read) {
        return tl::unexpected(read.error().code() == Errc::io
                                  ? read.error().while_doing("read " + found.string())
                                  : read.error());
    }
    return parser.finish();
}

Result<ReplayCase> parse_case(std::string_view text, std::string_view file) {
    json::error_code problem;
    json::stream_parser parser;
    const auto read = parser.write_some(text.data(), text.size(), problem);
    if (!problem && trimmed(text.substr(read)).empty()) {
        parser.finish(problem);
    } else if (!problem) {
        problem = json::error::extra_data;
    }
    if (problem) {
        return failure(Errc::parse, "{}:{}: no JSON: {}", file,
                       1 + std::count(text.begin(), text.begin() + static_cast<long>(read), '\n'),
                       problem.message());
    }
    auto out = case_of(parser.release());
    if (!out) {
        return tl::unexpected(out.error().while_doing(file));
    }
    return out;
}

Result<ReplayCase> read_case(const fs::path& file) {
    std::string text(case_bytes_max + 1, '\0');
    errno = 0;
    std::ifstream in{file, std::ios::binary};
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!in.is_open() || in.bad()) {
        return failure(Errc::io, "read {}: {}", file.string(), std::strerror(errno));
    }
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > case_bytes_max) {
        return failure(Errc::parse, "{}: longer than {} bytes", file.string(), case_bytes_max);
    }
    return parse_case(text, file.string());
}

ReplayMetric guess_metric(std::string_view name) {
    const auto words = words_of(name);
    for (const auto& guess : guesses) {
        if (std::any_of(words.begin(), words.end(),
                        [&](const std::string& word) { return holds(guess.words, word); })) {
            return {std::string{name}, guess.type, direction_of_type(guess.type, Direction::both)};
        }
    }
    return {std::string{name}, "kpi", Direction::both};
}

rules::EnsembleSignal ensemble_signal(const ReplayMetric& metric) {
    return {.name = metric.name,
            .kind = Kind::gauge,
            .worse = metric.worse,
            .is_load = metric.type == "traffic",
            .is_errors = metric.type == "errors",
            .required = true};
}

Result<ReplayData> prepare_replay(const Recording& baseline, const Recording& after,
                                  const ReplayCase& wanted, const ReplayOptions& options) {
    auto metrics = metrics_wanted(baseline, wanted, options);
    if (!metrics) {
        return tl::unexpected(metrics.error());
    }
    if (!after.first) {
        return failure(Errc::invalid, "the after file has no rows");
    }
    const auto cell = cell_of(baseline, wanted);
    if (!cell) {
        return tl::unexpected(cell.error());
    }
    const Grid grid{wanted.upgrade_at.value_or(*after.first), *cell};
    const auto recorded = recorded_of(*metrics, by_name(baseline), by_name(after));
    const auto begin = history_begin(recorded, grid);
    if (!begin) {
        return tl::unexpected(begin.error());
    }
    const auto last = std::max(*baseline.last, *after.last);
    if (last < grid.anchor) {
        return failure(Errc::invalid, "no rows from the upgrade at {} on; the last is of {}",
                       daemon::format_time(grid.anchor), daemon::format_time(last));
    }
    auto out =
        on_grid(std::move(*metrics), recorded, {grid, *begin, 0, grid.index(last) + 1}, options);
    if (out && options.config) {
        out->unseen_jobs = unseen_jobs(after, grid.anchor, options.config->upgrades.jobs);
    }
    return out;
}

Result<ReplayData> prepare_baseline(const Recording& baseline, const ReplayCase& wanted,
                                    const ReplayOptions& options) {
    auto metrics = metrics_wanted(baseline, wanted, options);
    if (!metrics) {
        return tl::unexpected(metrics.error());
    }
    const auto cell = cell_of(baseline, wanted);
    if (!cell) {
        return tl::unexpected(cell.error());
    }
    const Grid grid{wanted.upgrade_at.value_or(*baseline.last + *cell), *cell};
    const auto recorded = recorded_of(*metrics, by_name(baseline), {});
    const auto begin = history_begin(recorded, grid);
    if (!begin) {
        return tl::unexpected(begin.error());
    }
    const auto end = std::min<std::int64_t>(0, grid.index(*baseline.last) + 1);
    return on_grid(std::move(*metrics), recorded, {grid, *begin, end, end}, options);
}

}  // namespace holdfast::client
