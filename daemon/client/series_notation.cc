#include "daemon/client/series_notation.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

#include "collectors/scrape/text_parser.h"
#include "collectors/support/utf8.h"

namespace holdfast::client {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view blanks = " \t\r\n";
constexpr std::uint64_t run_ticks_max = 1'000'000'000;

bool is_counter(std::string_view metric) {
    return metric.ends_with("_total") || metric.ends_with("_count") || metric.ends_with("_sum") ||
           metric.ends_with("_bucket");
}

/// Takes a number off the front of `text`; one that follows a sign has none of its own.
std::optional<double> take_number(std::string_view& text, bool sign_allowed) {
    const bool plus = text.starts_with('+');
    auto rest = text.substr(plus ? 1 : 0);
    if (rest.starts_with('-') && (plus || !sign_allowed)) {
        return std::nullopt;
    }
    double value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc{} || !std::isfinite(value) || (plus && !sign_allowed)) {
        return std::nullopt;
    }
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    text = rest;
    return value;
}

/// `x20` is 20; nothing is 0.
std::optional<std::uint64_t> repetitions(std::string_view text) {
    if (text.empty()) {
        return 0;
    }
    std::uint64_t count = 0;
    const auto* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + 1, last, count);
    const bool good = text.front() == 'x' && error == std::errc{} && end == last;
    return good && count <= run_ticks_max ? std::optional{count} : std::nullopt;
}

std::optional<ValueRun> run_of(std::string_view text) {
    if (text == "stale") {
        return ValueRun{.sort = ValueRun::Sort::stale};
    }
    if (text.starts_with('_')) {
        const auto more = repetitions(text.substr(1));
        if (!more) {
            return std::nullopt;
        }
        return ValueRun{.sort = ValueRun::Sort::missing, .ticks = text.size() > 1 ? *more : 1};
    }
    ValueRun run;
    const auto first = take_number(text, true);
    if (!first) {
        return std::nullopt;
    }
    run.first = *first;
    const bool steps = text.starts_with('+') || text.starts_with('-');
    if (steps) {
        const double sign = text.front() == '-' ? -1 : 1;
        text.remove_prefix(1);
        const auto step = take_number(text, false);
        if (!step || text.empty()) {
            return std::nullopt;
        }
        run.step = sign * *step;
    }
    const auto more = repetitions(text);
    if (!more) {
        return std::nullopt;
    }
    run.ticks = *more + 1;
    return run;
}

std::mt19937_64 seeded(std::uint64_t seed, const Series& series) {
    std::vector<std::uint32_t> words{static_cast<std::uint32_t>(seed),
                                     static_cast<std::uint32_t>(seed >> 32U)};
    for (const char c : to_string(series)) {
        words.push_back(static_cast<unsigned char>(c));
    }
    std::seed_seq mixed(words.begin(), words.end());
    return std::mt19937_64{mixed};
}

/// What the hour and the weekday make of a pattern's level.
double season_factor(const Pattern& pattern, const UtcOffsets& offsets, Timestamp at) {
    auto offset = offsets.empty() ? 0s : offsets.front().offset;
    for (const auto& change : offsets) {
        offset = change.from <= at ? change.offset : offset;
    }
    const auto local = std::chrono::floor<std::chrono::seconds>(at) + offset;
    const auto midnight = std::chrono::floor<std::chrono::days>(local);
    const double hour = std::chrono::duration<double, std::ratio<3600>>(local - midnight).count();
    const std::chrono::weekday weekday{midnight};
    const bool weekend = weekday == std::chrono::Saturday || weekday == std::chrono::Sunday;
    return (1 + pattern.day * std::sin(2 * std::numbers::pi * (hour - 9) / 24)) *
           (weekend ? pattern.weekend : 1);
}

}  // namespace

Result<Series> parse_series(std::string_view text) {
    const auto begin = std::min(text.find_first_not_of(blanks), text.size());
    const auto wanted = text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
    const auto line = std::string{wanted} + " 0\n";
    const auto page = collectors::parse_page(line, {}, nullptr);
    if (!page || page->samples.size() != 1 || page->samples.front().text != wanted) {
        return failure(Errc::parse, "{} is no series; write name{{label=\"value\"}}",
                       collectors::quoted(text));
    }
    const auto& sample = page->samples.front();
    Series series{std::string{sample.metric}, collectors::labels_of(sample.text)};
    series.type = is_counter(series.metric) ? SeriesType::counter : SeriesType::gauge;
    return series;
}

Result<std::vector<ValueRun>> parse_values(std::string_view text) {
    std::vector<ValueRun> out;
    auto begin = text.find_first_not_of(blanks);
    while (begin != std::string_view::npos) {
        const auto end = std::min(text.find_first_of(blanks, begin), text.size());
        const auto stretch = text.substr(begin, end - begin);
        const auto run = run_of(stretch);
        if (!run) {
            return failure(Errc::parse,
                           "{} is no stretch of values; write 5, 5x10, 0+0.3x10, 9-1x4, _, _x10 or "
                           "stale",
                           collectors::quoted(stretch));
        }
        out.push_back(*run);
        begin = text.find_first_not_of(blanks, end);
    }
    if (out.empty()) {
        return failure(Errc::parse, "there are no values");
    }
    return out;
}

SeriesValues::SeriesValues(const SeriesInput& input, const Ticks& ticks)
    : input_{input},
      ticks_{ticks},
      at_{ticks.begin},
      random_{seeded(input.pattern ? input.pattern->seed : 0, input.series)},
      noise_{normal_(random_)} {}

SeriesValues::Value SeriesValues::next() {
    const auto value =
        input_.pattern ? Value{.value = next_of_pattern(*input_.pattern)} : next_of_runs();
    at_ += ticks_.interval;
    return value;
}

SeriesValues::Value SeriesValues::next_of_runs() {
    while (run_ < input_.runs.size() && in_run_ == input_.runs[run_].ticks) {
        ++run_;  // also past stretches without a tick: _x0
        in_run_ = 0;
    }
    if (run_ == input_.runs.size()) {
        return {};
    }
    const auto& run = input_.runs[run_];
    const auto tick = in_run_++;
    if (run.sort == ValueRun::Sort::values) {
        return {.value = run.first + run.step * static_cast<double>(tick),
                .ended = std::exchange(ended_, false)};
    }
    ended_ = ended_ || run.sort == ValueRun::Sort::stale;
    return {};
}

double SeriesValues::next_of_pattern(const Pattern& pattern) {
    const double memory = pattern.autocorrelation;
    noise_ = memory * noise_ + std::sqrt(1 - memory * memory) * normal_(random_);
    const double now = pattern.level * season_factor(pattern, ticks_.offsets, at_) *
                       std::exp(pattern.noise * noise_) *
                       (at_ >= ticks_.judging + pattern.from ? pattern.after : 1);
    if (input_.series.type != SeriesType::counter) {
        return now;
    }
    counted_ += now * std::chrono::duration<double>(ticks_.interval).count();
    return counted_;
}

}  // namespace holdfast::client
