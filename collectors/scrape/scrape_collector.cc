#include "collectors/scrape/scrape_collector.h"

#include <re2/re2.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "collectors/scrape/text_parser.h"

namespace holdfast::collectors {
namespace {

/// Scrapes that a series may be missing in before its Series is made anew.
constexpr std::uint64_t unseen_scrapes_max = 10;
constexpr double start_time_jitter_seconds = 2;

constexpr auto metrics = std::to_array<MetricInfo>({
    {"holdfast_scrape_up", SeriesType::gauge, "1 when the last scrape got a page, else 0"},
    {"holdfast_scrape_samples", SeriesType::gauge, "Samples taken from the last page"},
    {"holdfast_scrape_duration_seconds", SeriesType::gauge, "How long the last page took to come"},
    {"holdfast_scrape_series_dropped_total", SeriesType::counter,
     "Samples left out for a limit or for a name and labels that came before on the page"},
});

std::shared_ptr<const Series> own_series(std::size_t metric, const std::string& source) {
    return std::make_shared<const Series>(
        Series{std::string{metrics[metric].name}, {{"source", source}}, metrics[metric].type});
}

/// Steele, Lea, Flood 2014 (SplitMix64): spreads the bits of a start time.
std::uint64_t mixed(std::uint64_t bits) {
    bits += 0x9E3779B97F4A7C15;
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9;
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB;
    return bits ^ (bits >> 31);
}

/// The labels of the page with ours. A name that is taken gets `exported_` before it, again and
/// again if need be, as Prometheus does (honor_labels: false).
Labels with_source(Labels labels, const std::string& source) {
    const auto theirs = labels.find("source");
    if (theirs != labels.end()) {
        std::string moved = "exported_source";
        while (labels.contains(moved)) {
            moved.insert(0, "exported_");
        }
        labels.emplace(std::move(moved), std::move(theirs->second));
    }
    labels.insert_or_assign("source", source);
    return labels;
}

}  // namespace

class ScrapeCollector::Filter {
public:
    static Result<std::unique_ptr<Filter>> make(const ScrapeOptions& options) {
        auto filter = std::make_unique<Filter>();
        for (const auto& pattern : options.keep) {
            filter->keep_.push_back(std::make_unique<re2::RE2>(pattern, re2::RE2::Quiet));
        }
        for (const auto& pattern : options.drop) {
            filter->drop_.push_back(std::make_unique<re2::RE2>(pattern, re2::RE2::Quiet));
        }
        for (const auto* patterns : {&filter->keep_, &filter->drop_}) {
            for (const auto& regex : *patterns) {
                if (!regex->ok()) {
                    return failure(Errc::config, "scrape '{}': {} '{}': {}", options.name,
                                   patterns == &filter->keep_ ? "keep" : "drop", regex->pattern(),
                                   regex->error());
                }
            }
        }
        return filter;
    }

    bool wants(std::string_view metric) const {
        return (keep_.empty() || matches(keep_, metric)) && !matches(drop_, metric);
    }

private:
    using Patterns = std::vector<std::unique_ptr<re2::RE2>>;

    static bool matches(const Patterns& patterns, std::string_view metric) {
        return std::any_of(patterns.begin(), patterns.end(), [&](const auto& regex) {
            return re2::RE2::FullMatch({metric.data(), metric.size()}, *regex);
        });
    }

    Patterns keep_;
    Patterns drop_;
};

/// Two texts may mean one series (order of labels, blanks): they share an entry.
class ScrapeCollector::SeriesCache {
public:
    struct Entry {
        SeriesPtr series;
        std::uint64_t seen_in = 0;  ///< number of the last scrape that had it
        std::size_t place = 0;      ///< of its sample in the reading of that scrape
    };

    static constexpr auto reserved = std::numeric_limits<std::uint64_t>::max();

    SeriesCache(std::string source, std::size_t max_entries)
        : source_{std::move(source)}, max_entries_{max_entries} {}

    /// A series of ours: the page may not have it.
    void reserve(const SeriesPtr& series) {
        by_identity_[to_string(*series)] = std::make_shared<Entry>(Entry{series, reserved, 0});
    }

    /// Begins scrape number `scrape` and forgets what has not been seen for long.
    void begin(std::uint64_t scrape) {
        scrape_ = scrape;
        if (scrape > unseen_scrapes_max) {
            forget_before(scrape - unseen_scrapes_max);
        }
    }

    Entry& entry(const ScrapedSample& sample) {
        const auto known = by_text_.find(sample.text);
        if (known != by_text_.end() &&
            (known->second->series->type == sample.type || known->second->seen_in == reserved)) {
            return *known->second;
        }
        if (by_text_.size() >= max_entries_) {
            forget_before(scrape_);
        }
        auto series = std::make_shared<const Series>(Series{
            std::string{sample.metric}, with_source(labels_of(sample.text), source_), sample.type});
        auto& shared = by_identity_[to_string(*series)];
        if (!shared) {
            shared = std::make_shared<Entry>();
        }
        if (shared->seen_in != reserved) {
            shared->series = std::move(series);
        }
        by_text_.insert_or_assign(std::string{sample.text}, shared);
        return *shared;
    }

private:
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };
    using Map = std::unordered_map<std::string, std::shared_ptr<Entry>, TextHash, std::equal_to<>>;

    void forget_before(std::uint64_t scrape) {
        const auto is_old = [&](const auto& item) { return item.second->seen_in < scrape; };
        std::erase_if(by_text_, is_old);
        std::erase_if(by_identity_, is_old);
    }

    std::string source_;
    std::size_t max_entries_;
    std::uint64_t scrape_ = 0;
    Map by_text_;
    Map by_identity_;
};

Result<std::unique_ptr<ScrapeCollector>> ScrapeCollector::make(ScrapeOptions options,
                                                               HttpClient& client,
                                                               std::uint64_t own_epoch) {
    auto filter = Filter::make(options);
    if (!filter) {
        return tl::unexpected(filter.error());
    }
    return std::unique_ptr<ScrapeCollector>{
        new ScrapeCollector{std::move(options), std::move(*filter), client, own_epoch}};
}

ScrapeCollector::ScrapeCollector(ScrapeOptions options, std::unique_ptr<Filter> filter,
                                 HttpClient& client, std::uint64_t own_epoch)
    : options_{std::move(options)},
      filter_{std::move(filter)},
      client_{client},
      own_epoch_{own_epoch},
      epoch_{own_epoch},
      cache_{std::make_unique<SeriesCache>(options_.name, options_.max_series)},
      up_series_{own_series(0, options_.name)},
      samples_series_{own_series(1, options_.name)},
      duration_series_{own_series(2, options_.name)},
      dropped_series_{own_series(3, options_.name)} {
    for (const auto& series : {up_series_, samples_series_, duration_series_, dropped_series_}) {
        cache_->reserve(series);
    }
}

ScrapeCollector::~ScrapeCollector() = default;

boost::asio::awaitable<Result<Reading>> ScrapeCollector::collect(Timestamp now) {
    HttpRequest request{options_.url, options_.timeout, options_.max_bytes};
    request.tls = options_.tls;
    request.headers.emplace_back("Accept", "text/plain;version=0.0.4");
    const auto outcome = co_await client_.send(std::move(request));
    if (!outcome && outcome.error().error.code() == Errc::parse) {
        co_return tl::unexpected(outcome.error().error);
    }
    if (!outcome || outcome->status < 200 || outcome->status > 299) {
        co_return reading_when_down(now);
    }
    auto reading = read(*outcome, now);
    if (!reading) {
        co_return tl::unexpected(reading.error().while_doing("GET " + to_string(options_.url)));
    }
    co_return reading;
}

Result<Reading> ScrapeCollector::read(const HttpResponse& response, Timestamp now) {
    const ScrapeLimits limits{.max_bytes = options_.max_bytes, .max_series = options_.max_series};
    const auto page = parse_page(response.body, limits,
                                 [&](std::string_view metric) { return filter_->wants(metric); });
    if (!page) {
        return tl::unexpected(page.error());
    }
    Reading reading{epoch_of(response.body), {}};
    auto& samples = reading.samples;
    dropped_ += page->duplicates + page->over_max_series + page->over_max_label;
    cache_->begin(++scrapes_);
    for (const auto& sample : page->samples) {
        if (std::isnan(sample.value)) {
            continue;
        }
        auto& entry = cache_->entry(sample);
        if (entry.seen_in == SeriesCache::reserved) {
            ++dropped_;
            continue;
        }
        if (entry.seen_in == scrapes_) {
            samples[entry.place].value = sample.value;
            ++dropped_;
            continue;
        }
        entry.seen_in = scrapes_;
        entry.place = samples.size();
        samples.push_back({entry.series, now, sample.value});
    }
    const auto count = static_cast<double>(samples.size());
    samples.push_back({up_series_, now, 1});
    samples.push_back({samples_series_, now, count});
    samples.push_back({duration_series_, now, response.timings.total().count()});
    samples.push_back({dropped_series_, now, static_cast<double>(dropped_)});
    return reading;
}

Reading ScrapeCollector::reading_when_down(Timestamp now) const {
    return {epoch_, {{up_series_, now, 0}}};
}

std::uint64_t ScrapeCollector::epoch_of(std::string_view page) {
    const auto start = first_value(page, "process_start_time_seconds");
    if (!start || !std::isfinite(*start)) {
        start_time_seconds_.reset();
        epoch_ = own_epoch_;
    } else if (!start_time_seconds_ ||
               std::abs(*start - *start_time_seconds_) >= start_time_jitter_seconds) {
        start_time_seconds_ = *start;
        epoch_ = mixed(std::bit_cast<std::uint64_t>(*start));
    }
    return epoch_;
}

std::span<const MetricInfo> scrape_metrics() {
    return metrics;
}

}  // namespace holdfast::collectors
