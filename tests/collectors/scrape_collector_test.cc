#include "collectors/scrape/scrape_collector.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "collectors/support/resolver.h"
#include "tests/support/run.h"
#include "tests/support/tiny_server.h"

namespace holdfast::collectors {
namespace {

using namespace holdfast::testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using Values = std::map<std::string, double>;

constexpr Timestamp noon{Milliseconds{1'000'000}};
constexpr std::uint64_t own_epoch = 7;

Values values_of(const Reading& reading) {
    Values values;
    for (const auto& sample : reading.samples) {
        EXPECT_EQ(sample.at, noon);
        values.emplace(to_string(*sample.series), sample.value);
    }
    EXPECT_EQ(values.size(), reading.samples.size()) << "a series comes twice";
    return values;
}

/// A server whose page can be changed between two scrapes.
class Page {
public:
    explicit Page(std::string body) { set(std::move(body)); }

    void set(std::string body, const std::string& status = "200 OK") {
        const std::lock_guard lock{mutex_};
        answer_ = http_answer(status, body);
    }
    std::string port() const { return server_.port(); }

private:
    boost::asio::awaitable<void> answer(tcp::socket& socket) {
        co_await read_request(socket);
        const auto answer = current();
        const auto buffer = boost::asio::buffer(answer);
        co_await boost::asio::async_write(socket, buffer, boost::asio::use_awaitable);
    }
    std::string current() {
        const std::lock_guard lock{mutex_};
        return answer_;
    }

    std::mutex mutex_;
    std::string answer_;
    TinyServer server_{[this](tcp::socket& socket) { return answer(socket); }};
};

class ScrapeCollectorTest : public ::testing::Test {
protected:
    static ScrapeOptions options_for(const std::string& port) {
        ScrapeOptions options;
        options.name = "app";
        options.url = {.host = "127.0.0.1", .port = port, .target = "/metrics"};
        options.timeout = Milliseconds{20'000};
        return options;
    }
    std::unique_ptr<ScrapeCollector> make(ScrapeOptions options) {
        auto collector = ScrapeCollector::make(std::move(options), client_, own_epoch);
        EXPECT_TRUE(collector);
        return std::move(*collector);
    }
    static Reading collect(ScrapeCollector& collector) {
        auto reading = run(collector.collect(noon));
        EXPECT_TRUE(reading) << (reading ? "" : reading.error().message());
        return reading ? std::move(*reading) : Reading{};
    }
    Values scrape(const std::string& body) {
        const Page page{body};
        const auto collector = make(options_for(page.port()));
        return values_of(collect(*collector));
    }

    DetachedCalls calls_{4};
    Resolver resolver_{calls_};
    HttpClient client_{resolver_, "1"};
};

const std::string up = "holdfast_scrape_up{source=\"app\"}";
const std::string samples = "holdfast_scrape_samples{source=\"app\"}";
const std::string dropped = "holdfast_scrape_series_dropped_total{source=\"app\"}";

TEST_F(ScrapeCollectorTest, TakesTheNamesOfTheApplicationWithItsSource) {
    const auto values = scrape("jobs_total{queue=\"a\"} 3\nsessions 5\n");
    EXPECT_EQ(values.at("jobs_total{queue=\"a\",source=\"app\"}"), 3);
    EXPECT_EQ(values.at("sessions{source=\"app\"}"), 5);
    EXPECT_EQ(values.at(up), 1);
    EXPECT_EQ(values.at(samples), 2);
    EXPECT_EQ(values.at(dropped), 0);
    EXPECT_GT(values.at("holdfast_scrape_duration_seconds{source=\"app\"}"), 0);
}

TEST_F(ScrapeCollectorTest, ASourceOfTheirsBecomesExportedSource) {
    EXPECT_THAT(scrape("a{source=\"x\"} 1\n"),
                Contains(Pair("a{exported_source=\"x\",source=\"app\"}", 1)));
    EXPECT_THAT(
        scrape("a{source=\"x\",exported_source=\"y\"} 1\n"),
        Contains(Pair(R"(a{exported_exported_source="x",exported_source="y",source="app"})", 1)));
}

TEST_F(ScrapeCollectorTest, KnowsCountersFromGauges) {
    const Page page{
        "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\n# TYPE s "
        "summary\ns{quantile=\"0.5\"} 1\n# TYPE c counter\nc 1\nx_total 1\ng 1\n"};
    const auto collector = make(options_for(page.port()));
    std::vector<std::string> counters;
    for (const auto& sample : collect(*collector).samples) {
        if (sample.series->type == SeriesType::counter) {
            counters.push_back(sample.series->metric);
        }
    }
    EXPECT_THAT(counters, ElementsAre("h_bucket", "h_sum", "h_count", "c", "x_total",
                                      "holdfast_scrape_series_dropped_total"));
}

TEST_F(ScrapeCollectorTest, ValuesThatAreNoNumberAreAbsent) {
    const auto values = scrape("a NaN\nb +Inf\n");
    EXPECT_FALSE(values.contains("a{source=\"app\"}"));
    EXPECT_TRUE(values.contains("b{source=\"app\"}"));
    EXPECT_EQ(values.at(samples), 1);
}

TEST_F(ScrapeCollectorTest, KeepAndDropMatchTheWholeName) {
    const Page page{"jobs_total 1\njobs_total_created 2\nother 3\njobs_failed 4\n"};
    auto options = options_for(page.port());
    options.keep = {"jobs_total", "jobs_f.*"};
    EXPECT_EQ(values_of(collect(*make(options))).at(samples), 2);
    options.drop = {"jobs_.*"};
    EXPECT_EQ(values_of(collect(*make(options))).at(samples), 0);
    options.keep.clear();
    EXPECT_EQ(values_of(collect(*make(options))).at(samples), 1);
}

TEST_F(ScrapeCollectorTest, RefusesAPatternThatIsNone) {
    auto options = options_for("80");
    options.drop = {"["};
    const auto collector = ScrapeCollector::make(std::move(options), client_, own_epoch);
    ASSERT_FALSE(collector);
    EXPECT_EQ(collector.error().code(), Errc::config);
    EXPECT_THAT(collector.error().message(), HasSubstr("scrape 'app': drop '[': "));
}

TEST_F(ScrapeCollectorTest, MoreThanMaxSeriesIsLeftOutAndCounted) {
    const Page page{"a 1\nb 1\nc 1\n"};
    auto options = options_for(page.port());
    options.max_series = 3;
    EXPECT_EQ(values_of(collect(*make(options))).at(dropped), 0);
    options.max_series = 2;
    const auto collector = make(options);
    EXPECT_EQ(values_of(collect(*collector)).at(samples), 2);
    EXPECT_EQ(values_of(collect(*collector)).at(dropped), 2) << "over both scrapes";
}

TEST_F(ScrapeCollectorTest, OneSeriesWrittenInTwoWaysComesOnce) {  // pitfall 9
    const auto values = scrape("a{x=\"1\",y=\"2\"} 1\na{y=\"2\", x=\"1\"} 5\n");
    EXPECT_EQ(values.at(R"(a{source="app",x="1",y="2"})"), 5);
    EXPECT_EQ(values.at(samples), 1);
    EXPECT_EQ(values.at(dropped), 1);
}

TEST_F(ScrapeCollectorTest, APageCannotPassForOurOwnSeries) {
    const auto values = scrape("holdfast_scrape_up 0\nholdfast_scrape_up{source=\"x\"} 0\n");
    EXPECT_EQ(values.at(up), 1);
    EXPECT_EQ(values.at("holdfast_scrape_up{exported_source=\"x\",source=\"app\"}"), 0);
    EXPECT_EQ(values.at(dropped), 1);
}

TEST_F(ScrapeCollectorTest, AnUnreachableTargetGivesUpZeroAlone) {
    const auto collector = make(options_for(refused_port()));
    EXPECT_THAT(values_of(collect(*collector)), ElementsAre(Pair(up, 0)));
}

TEST_F(ScrapeCollectorTest, AnotherStatusThan2xxGivesUpZeroAlone) {
    Page page{""};
    page.set("a 1\n", "503 Busy");
    const auto collector = make(options_for(page.port()));
    EXPECT_THAT(values_of(collect(*collector)), ElementsAre(Pair(up, 0)));
}

TEST_F(ScrapeCollectorTest, ATargetThatHangsCostsItsTimeoutAndGivesUpZero) {
    const TinyServer server{hangs_after("HTTP/1.1 200 OK\r\n\r\na 1\n")};
    auto options = options_for(server.port());
    options.timeout = Milliseconds{150};
    EXPECT_THAT(values_of(collect(*make(options))), ElementsAre(Pair(up, 0)));
}

TEST_F(ScrapeCollectorTest, APageThatCannotBeReadIsAnErrorWithUrlAndLine) {
    const Page page{"a 1\nb{ 2\n"};
    const auto collector = make(options_for(page.port()));
    const auto reading = run(collector->collect(noon));
    ASSERT_FALSE(reading);
    EXPECT_EQ(reading.error().code(), Errc::parse);
    EXPECT_EQ(reading.error().message(), "GET http://127.0.0.1:" + page.port() +
                                             "/metrics: line 2: expected a label name: 'b{ 2'");
}

TEST_F(ScrapeCollectorTest, APageThatIsTooLargeIsAnErrorWithBothFigures) {
    const Page page{"a 1\n"};
    auto options = options_for(page.port());
    options.max_bytes = 4;
    EXPECT_EQ(values_of(collect(*make(options))).at(samples), 1);
    options.max_bytes = 3;
    const auto reading = run(make(options)->collect(noon));
    ASSERT_FALSE(reading);
    EXPECT_EQ(reading.error().code(), Errc::parse);
    EXPECT_THAT(reading.error().message(), HasSubstr("the body has 4 bytes, at most 3 are taken"));
}

TEST_F(ScrapeCollectorTest, TheEpochIsThatOfTheApplicationsProcess) {
    Page page{"a 1\n"};
    const auto collector = make(options_for(page.port()));
    EXPECT_EQ(collect(*collector).epoch, own_epoch);
    page.set("process_start_time_seconds 1700000000.5\n");
    const auto first = collect(*collector).epoch;
    EXPECT_NE(first, own_epoch);
    page.set("process_start_time_seconds 1700000002.4\n");  // the boot time has been corrected
    EXPECT_EQ(collect(*collector).epoch, first);
    page.set("process_start_time_seconds 1700000100.5\n");
    EXPECT_NE(collect(*collector).epoch, first);
}

TEST_F(ScrapeCollectorTest, TheEpochIsReadWhateverIsKept) {
    const Page page{"a 1\nprocess_start_time_seconds 1700000000\n"};
    auto options = options_for(page.port());
    options.keep = {"a"};
    options.max_series = 1;
    const auto reading = collect(*make(options));
    EXPECT_NE(reading.epoch, own_epoch);
    EXPECT_EQ(values_of(reading).at(samples), 1);
}

TEST_F(ScrapeCollectorTest, TheEpochOutlivesAFailedScrape) {
    Page page{"process_start_time_seconds 1700000000\n"};
    const auto collector = make(options_for(page.port()));
    const auto epoch = collect(*collector).epoch;
    page.set("", "500 Broken");
    EXPECT_EQ(collect(*collector).epoch, epoch);
}

std::shared_ptr<const Series> series_called(const Reading& reading, std::string_view metric) {
    for (const auto& sample : reading.samples) {
        if (sample.series->metric == metric) {
            return sample.series;
        }
    }
    return nullptr;
}

TEST_F(ScrapeCollectorTest, SeriesAreMadeOnceAndForgottenAfterTenScrapesWithoutThem) {
    Page page{"a 1\n"};
    const auto collector = make(options_for(page.port()));
    const auto made = series_called(collect(*collector), "a");
    page.set("b 1\n");
    for (int i = 0; i < 9; ++i) {
        collect(*collector);
    }
    page.set("a 1\n");
    EXPECT_EQ(series_called(collect(*collector), "a"), made) << "unseen for nine scrapes";
    page.set("b 1\n");
    for (int i = 0; i < 10; ++i) {
        collect(*collector);
    }
    page.set("a 1\n");
    EXPECT_NE(series_called(collect(*collector), "a"), made) << "unseen for ten scrapes";
}

TEST_F(ScrapeCollectorTest, SeriesThatAlwaysChangeDoNotPileUp) {
    Page page{"a{id=\"0\"} 1\nstays 1\n"};
    auto options = options_for(page.port());
    options.max_series = 2;
    const auto collector = make(std::move(options));
    const std::weak_ptr<const Series> first = series_called(collect(*collector), "a");
    EXPECT_FALSE(first.expired()) << "kept for the next scrape";
    page.set("a{id=\"1\"} 1\nstays 1\n");
    collect(*collector);
    EXPECT_TRUE(first.expired()) << "no room for three";
}

TEST_F(ScrapeCollectorTest, ASeriesWhoseTypeChangesIsMadeAnew) {
    Page page{"a 1\n"};
    const auto collector = make(options_for(page.port()));
    EXPECT_EQ(series_called(collect(*collector), "a")->type, SeriesType::gauge);
    page.set("# TYPE a counter\na 1\n");
    EXPECT_EQ(series_called(collect(*collector), "a")->type, SeriesType::counter);
}

TEST_F(ScrapeCollectorTest, ListsEveryMetricOfItsOwnWithItsType) {
    const Page page{""};
    const auto collector = make(options_for(page.port()));
    const auto reading = collect(*collector);
    EXPECT_EQ(reading.samples.size(), scrape_metrics().size());
    for (const auto& info : scrape_metrics()) {
        ASSERT_NE(series_called(reading, info.name), nullptr) << info.name;
        EXPECT_EQ(series_called(reading, info.name)->type, info.type);
        EXPECT_FALSE(info.help.empty() || info.help.ends_with('.'));
    }
    EXPECT_EQ(collector->name(), "scrape");
    EXPECT_EQ(collector->instance(), "app");
}

}  // namespace
}  // namespace holdfast::collectors
