#include "collectors/logs/log_file_collector.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "tests/support/run.h"
#include "tests/support/temp_dir.h"

namespace holdfast::collectors {
namespace {

using holdfast::testing::run;
using Values = std::map<std::string, double>;
namespace fs = std::filesystem;

constexpr Timestamp noon{Milliseconds{1'000'000}};
constexpr std::uint64_t epoch = 7;

class LogFileCollectorTest : public ::testing::Test {
protected:
    void append(std::string_view text) {
        std::ofstream{log_, std::ios::binary | std::ios::app} << text;
    }
    Reading reading() {
        auto result = run(collector_.collect(noon));
        EXPECT_TRUE(result);
        return std::move(*result);
    }
    Values collect() {
        const auto result = reading();
        EXPECT_EQ(result.epoch, epoch);
        Values values;
        for (const auto& sample : result.samples) {
            EXPECT_EQ(sample.at, noon);
            values.emplace(to_string(*sample.series), sample.value);
        }
        EXPECT_EQ(values.size(), result.samples.size()) << "a series comes twice";
        return values;
    }

    holdfast::testing::TempDir dir_;
    fs::path log_ = dir_.path() / "app.log";
    boost::asio::thread_pool pool_{1};
    LogFileCollector collector_{{.name = "app", .path = log_, .max_line = 100}, pool_, epoch};
};

std::string of(std::string_view metric, std::string_view label, std::string_view value) {
    const auto ours = std::string{label} + "=\"" + std::string{value} + "\"";
    const auto all = label < "source" ? ours + ",source=\"app\"" : "source=\"app\"," + ours;
    return "holdfast_log_" + std::string{metric} + "{" + all + "}";
}
std::string lines(std::string_view severity) {
    return of("lines_total", "severity", severity);
}
std::string drops(std::string_view reason) {
    return of("events_dropped_total", "reason", reason);
}
std::string rotations(std::string_view kind) {
    return of("rotations_total", "kind", kind);
}

const std::string bytes = "holdfast_log_bytes_total{source=\"app\"}";
const std::string lag = "holdfast_log_lag_bytes{source=\"app\"}";
const std::string up = "holdfast_log_up{source=\"app\"}";

TEST_F(LogFileCollectorTest, HasEveryCounterAtZeroFromTheFirstReadingOn) {
    append("ERROR old\n");
    const auto values = collect();
    for (const auto severity : severity_names) {
        EXPECT_EQ(values.at(lines(severity)), 0) << severity;
    }
    for (const auto* reason : {"flood", "long", "encoding"}) {
        EXPECT_EQ(values.at(drops(reason)), 0) << reason;
    }
    for (const auto* kind : {"rename", "truncate", "recreate"}) {
        EXPECT_EQ(values.at(rotations(kind)), 0) << kind;
    }
    EXPECT_EQ(values.at(bytes), 0);
    EXPECT_EQ(values.at(lag), 0);
    EXPECT_EQ(values.at(up), 1);
}

TEST_F(LogFileCollectorTest, CountsLinesBySeverityAndBytes) {
    append("");
    collect();
    append("INFO a\nERROR b\nERROR c\nd\n");
    append("{\"level\":60}\n");
    const auto values = collect();
    EXPECT_EQ(values.at(lines("info")), 1);
    EXPECT_EQ(values.at(lines("error")), 2);
    EXPECT_EQ(values.at(lines("unknown")), 1);
    EXPECT_EQ(values.at(lines("fatal")), 1);
    EXPECT_EQ(values.at(bytes), 38);
    append("WARN e\n");
    EXPECT_EQ(collect().at(lines("warning")), 1);
    EXPECT_EQ(collect().at(lines("error")), 2);
}

TEST_F(LogFileCollectorTest, AnAbsentFileIsUpZeroWithItsCountsAsTheyWere) {
    const auto absent = collect();
    EXPECT_EQ(absent.at(up), 0);
    EXPECT_EQ(absent.at(lines("error")), 0);
    EXPECT_FALSE(absent.contains(lag)) << "missing is never 0";
    append("ERROR a\n");
    EXPECT_EQ(collect().at(lines("error")), 1);
    fs::remove(log_);
    const auto gone = collect();
    EXPECT_EQ(gone.at(up), 0);
    EXPECT_EQ(gone.at(lines("error")), 1);
}

TEST_F(LogFileCollectorTest, CountsLongLinesUnderTheirSeverityToo) {  // pitfall 30
    append("");
    collect();
    append("ERROR " + std::string(94, 'x') + "\n");
    EXPECT_EQ(collect().at(drops("long")), 0);
    append("ERROR " + std::string(95, 'x') + "\n");
    const auto values = collect();
    EXPECT_EQ(values.at(drops("long")), 1);
    EXPECT_EQ(values.at(lines("error")), 2);
}

TEST_F(LogFileCollectorTest, CountsInvalidUtf8UnderItsSeverityToo) {  // pitfall 31
    append("");
    collect();
    append("ERROR \xFF\xFE\nERROR caf\xC3\xA9\n");
    append(std::string_view{"ERROR \0 nul\n", 12});
    append("ERROR " + std::string(93, 'x') + "\xC3\xA9 clipped within the character\n");
    const auto values = collect();
    EXPECT_EQ(values.at(drops("encoding")), 1);
    EXPECT_EQ(values.at(drops("long")), 1);
    EXPECT_EQ(values.at(lines("error")), 4);
}

TEST_F(LogFileCollectorTest, CountsRotationsByTheirKind) {
    append("first line\n");
    collect();
    fs::rename(log_, dir_.path() / "app.log.1");
    append("second line\n");
    EXPECT_EQ(collect().at(rotations("rename")), 1);
    std::ofstream{log_} << "x\n";
    EXPECT_EQ(collect().at(rotations("truncate")), 1);
    fs::remove(log_);
    append("third line\n");
    const auto values = collect();
    EXPECT_EQ(values.at(rotations("recreate")), 1);
    EXPECT_EQ(values.at(rotations("rename")), 1);
    EXPECT_EQ(values.at(rotations("truncate")), 1);
    EXPECT_EQ(values.at(lines("unknown")), 3);
}

TEST_F(LogFileCollectorTest, ListsEveryMetricItEmitsWithItsType) {
    append("");
    const auto result = reading();
    for (const auto& sample : result.samples) {
        const auto infos = log_metrics();
        const auto info = std::find_if(infos.begin(), infos.end(), [&](const auto& known) {
            return known.name == sample.series->metric;
        });
        ASSERT_NE(info, infos.end()) << sample.series->metric;
        EXPECT_EQ(info->type, sample.series->type);
        EXPECT_FALSE(info->help.empty() || info->help.ends_with('.'));
    }
    EXPECT_EQ(collector_.name(), "log");
    EXPECT_EQ(collector_.instance(), "app");
}

}  // namespace
}  // namespace holdfast::collectors
