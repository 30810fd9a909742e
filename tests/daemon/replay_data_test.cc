#include "daemon/client/replay_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "daemon/client/replay.h"
#include "tests/support/temp_dir.h"

namespace holdfast::client {
namespace {

using namespace std::chrono_literals;
using holdfast::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr double gone = -1;  // a cell without data, in lists of values

Timestamp at(double seconds) {
    return Timestamp{Milliseconds{std::llround(seconds * 1000)}};
}

class Files {
public:
    std::filesystem::path plain(const std::string& name, const std::string& text) const {
        std::ofstream{dir_.path() / name, std::ios::binary} << text;
        return dir_.path() / name;
    }
    std::filesystem::path zipped(const std::string& name, const std::string& text) const {
        auto* const file = ::gzopen((dir_.path() / name).c_str(), "wb");
        ::gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
        ::gzclose(file);
        return dir_.path() / name;
    }
    std::filesystem::path path(const std::string& name) const { return dir_.path() / name; }

private:
    TempDir dir_;
};

Recording recording(const std::string& text) {
    const Files files;
    auto read = read_recording(files.plain("a.csv", text));
    EXPECT_TRUE(read) << read.error().message();
    return read ? std::move(*read) : Recording{};
}

/// The message of a text that is wrong, without the folder.
std::string problem(const std::string& text) {
    const Files files;
    const auto read = read_recording(files.plain("a.csv", text));
    if (read) {
        return "no problem";
    }
    EXPECT_EQ(read.error().code(), Errc::parse);
    const auto& message = read.error().message();
    return message.substr(std::min(message.find("a.csv"), message.size()));
}

std::vector<std::string> names(const Recording& recording) {
    std::vector<std::string> out;
    for (const auto& series : recording.series) {
        out.push_back(series.metric);
    }
    return out;
}

std::vector<double> values(const RecordedSeries& series) {
    std::vector<double> out;
    for (const auto& sample : series.samples) {
        out.push_back(sample.value);
    }
    return out;
}

std::vector<double> values(const Cells& cells) {
    std::vector<double> out;
    for (const auto& cell : cells) {
        EXPECT_TRUE(cell.denominator == 0 || cell.denominator == 1);
        out.push_back(cell.denominator > 0 ? cell.numerator : gone);
    }
    return out;
}

/// A recording of the metric `m`: pairs of seconds and value.
Recording of_m(const std::vector<std::pair<double, double>>& samples) {
    Recording out;
    out.series.push_back({"m", {}});
    for (const auto& [seconds, value] : samples) {
        out.series.front().samples.push_back({at(seconds), value});
        out.first = std::min(out.first.value_or(at(seconds)), at(seconds));
        out.last = std::max(out.last.value_or(at(seconds)), at(seconds));
    }
    return out;
}

ReplayData prepared(const Recording& baseline, const Recording& after, const ReplayCase& wanted,
                    const ReplayOptions& options = {}) {
    auto out = prepare_replay(baseline, after, wanted, options);
    EXPECT_TRUE(out) << out.error().message();
    return out ? std::move(*out) : ReplayData{};
}

std::string refusal(const Recording& baseline, const Recording& after, const ReplayCase& wanted,
                    const ReplayOptions& options = {}) {
    const auto out = prepare_replay(baseline, after, wanted, options);
    return out ? "no problem" : out.error().message();
}

const ReplayMetric m{"m", "cpu", Direction::up};
const ReplayCase by_minutes{.name = "", .step = 60s, .upgrade_at = at(6000), .metrics = {m}};

// ---- CSV

TEST(ReadRecording, ReadsTimesMetricsAndValues) {
    const auto read = recording(
        "timestamp_seconds,metric,value\n100,cpu,0.25\n100,mem,3e9\n"
        "160.5,cpu,-1\n");
    ASSERT_THAT(names(read), ElementsAre("cpu", "mem"));
    EXPECT_THAT(values(read.series[0]), ElementsAre(0.25, -1));
    EXPECT_THAT(values(read.series[1]), ElementsAre(3e9));
    EXPECT_EQ(read.series[0].samples[1].at, at(160.5));
    EXPECT_EQ(read.first, at(100));
    EXPECT_EQ(read.last, at(160.5));
}

TEST(ReadRecording, NeedsNoHeaderNoFinalNewlineAndNoParticularLineEnds) {
    for (const auto* text : {"1,a,2\n3,a,4\n", "1,a,2\n3,a,4", "1,a,2\r\n3,a,4\r\n",
                             "timestamp_seconds,metric,value\r\n1,a,2\r\n\r\n3,a,4\r\n\r\n",
                             "\xef\xbb\xbf\"Timestamp_Seconds\",\"metric\",\"value\"\n1,a,2\n3,a,4",
                             " 1 , a , 2 \n\"3\",\"a\",\"4\"\n"}) {
        const auto read = recording(text);
        ASSERT_THAT(names(read), ElementsAre("a")) << text;
        EXPECT_THAT(values(read.series[0]), ElementsAre(2, 4)) << text;
    }
    EXPECT_TRUE(recording("").series.empty());
    EXPECT_FALSE(recording("timestamp_seconds,metric,value\n").first);
}

TEST(ReadRecording, KeepsCommasOfLabelsAndOfQuotedMetrics) {
    const auto read = recording(R"(1,http{path="a,b",code="}"},1
1,http{path="\",{"},2
1,"http{path=""a,b"",code=""}""}",3
1,"plain, with comma",4
)");
    EXPECT_THAT(names(read), ElementsAre(R"(http{path="a,b",code="}"})", R"(http{path="\",{"})",
                                         "plain, with comma"));
    EXPECT_THAT(values(read.series[0]), ElementsAre(1, 3));
}

TEST(ReadRecording, TakesNoNumberForMissingNeverForZero) {
    const auto read = recording("1,a,\n2,a,NaN\n3,a,+Inf\n4,a,-inf\n5,a,nan\n6,b,\"\"\n7,a,+1\n");
    ASSERT_THAT(names(read), ElementsAre("a", "b"));
    EXPECT_THAT(values(read.series[0]), ElementsAre(1));
    EXPECT_TRUE(read.series[1].samples.empty());
    EXPECT_EQ(read.first, at(1));
}

TEST(ReadRecording, SortsTimesThatGoBackAndKeepsTheOrderOfEqualOnes) {
    const auto read = recording("30,a,3\n10,a,1\n20,a,2\n10,a,1.5\n");
    EXPECT_THAT(values(read.series[0]), ElementsAre(1, 1.5, 2, 3));
    EXPECT_EQ(read.first, at(10));
    EXPECT_EQ(read.last, at(30));
}

TEST(ReadRecording, NamesFileAndLineOfWhatIsWrong) {
    const std::string good = "timestamp_seconds,metric,value\n1,a,2\n";
    EXPECT_EQ(problem(good + "noon,a,2\n"),
              "a.csv:3: 'noon' is no time in seconds; the columns are "
              "timestamp_seconds,metric,value");
    EXPECT_EQ(problem(good + "\n1,a,two"), "a.csv:4: value 'two' is no number");
    EXPECT_THAT(problem(good + "1,a\n"), HasSubstr("a.csv:3: '1,a' has no value column"));
    EXPECT_THAT(problem(good + "1\n"), HasSubstr("a.csv:3: '1' has no value column"));
    EXPECT_THAT(problem(good + "1,,2\n"), HasSubstr("a.csv:3: the metric has no name"));
    EXPECT_THAT(problem(good + "1,a,b,2\n"), HasSubstr("value 'b,2' is no number; there are 3"));
    EXPECT_THAT(problem(good + "1,a{b=\"c\",2\n"), HasSubstr("a.csv:3: the braces of"));
    EXPECT_THAT(problem(good + "1,\"a,2\n"), HasSubstr("a.csv:3: the metric's quotes do not end"));
    EXPECT_THAT(problem(good + "1700000000000,a,2\n"), HasSubstr("write seconds since 1970"));
    EXPECT_THAT(problem(good + "-1,a,2\n"), HasSubstr("is before 1970"));
    EXPECT_THAT(problem(good + "nan,a,2\n"), HasSubstr("a.csv:3:"));
    EXPECT_THAT(problem(good + "1,a,1e999\n"), HasSubstr("value '1e999' is no number"));
    EXPECT_THAT(problem(good + "1,a,0x10\n"), HasSubstr("value '0x10' is no number"));
    EXPECT_THAT(problem("time,metric,value\n"), HasSubstr("a.csv:1: 'time' is no time"));
    EXPECT_THAT(problem(good + good), HasSubstr("a.csv:3: 'timestamp_seconds' is no time"));
    EXPECT_EQ(problem(std::string("1,a,\x1b")), "a.csv:1: value '?' is no number");
}

TEST(ReadRecording, RefusesALineWithoutEnd) {
    const std::string endless(replay_line_bytes_max + 1, '1');
    EXPECT_THAT(problem("1,a,2\n" + endless), HasSubstr("a.csv:2: the line is longer than 65536"));
    EXPECT_THAT(problem("1,a,2\n" + endless + "\n"), HasSubstr("a.csv:2: the line is longer"));
    EXPECT_THAT(problem("1,a,2\n" + std::string(1'000'000, '1')), HasSubstr("a.csv:2: the line"));
}

TEST(ReadRecording, RefusesMoreMetricsThanItMayHold) {
    std::string text;
    for (std::size_t i = 0; i < replay_metrics_max; ++i) {
        text += "1,m" + std::to_string(i) + ",1\n";
    }
    EXPECT_EQ(recording(text).series.size(), replay_metrics_max);
    EXPECT_EQ(problem(text + "1,more,1\n"),
              "a.csv:10001: more than 10000 metrics; replay them in parts");
}

TEST(ReadRecording, ReadsGzipUnderItsNameOrWithoutIt) {
    const Files files;
    const auto zipped = files.zipped("b.csv.gz", "1,a,2\n");
    for (const auto& file : {zipped, files.path("b.csv")}) {
        const auto read = read_recording(file);
        ASSERT_TRUE(read) << read.error().message();
        EXPECT_THAT(values(read->series[0]), ElementsAre(2));
    }
    EXPECT_EQ(recorded_file(files.path("b.csv")), zipped);
    const auto plain = files.plain("b.csv", "1,a,3\n");  // now both are there
    EXPECT_THAT(values(read_recording(plain)->series[0]), ElementsAre(3));
}

TEST(ReadRecording, CountsLinesAcrossItsBuffers) {
    const Files files;
    std::string text;
    for (int i = 0; i < 100'000; ++i) {
        text += std::to_string(i) + ",metric_" + std::to_string(i % 7) + ",1.5\n";
    }
    const auto read = read_recording(files.zipped("a.csv.gz", text));
    ASSERT_TRUE(read) << read.error().message();
    std::size_t samples = 0;
    for (const auto& series : read->series) {
        samples += series.samples.size();
    }
    EXPECT_EQ(samples, 100'000);
    const auto wrong = read_recording(files.zipped("a.csv.gz", text + "x\n"));
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().message(), HasSubstr("a.csv.gz:100001: "));
}

TEST(ReadRecording, RefusesGzipThatWasCutOff) {
    const Files files;
    std::string text;
    for (int i = 0; i < 100'000; ++i) {
        text += std::to_string(i) + ",a," + std::to_string(i * 7919 % 1013) + "\n";
    }
    const auto file = files.zipped("a.csv.gz", text);
    std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
    const auto read = read_recording(file);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), Errc::io);
    EXPECT_THAT(read.error().message(), HasSubstr("a.csv.gz: unexpected end of file"));
}

TEST(ReadRecording, NamesTheFileItCouldNotRead) {
    const Files files;
    for (const auto& [file, why] : {std::pair{files.path("absent.csv"), "No such file"},
                                    std::pair{files.path("."), "Is a directory"}}) {
        const auto read = read_recording(file);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code(), Errc::io);
        EXPECT_THAT(read.error().message(), HasSubstr("read " + file.string() + ": " + why));
    }
}

// ---- case.json

std::string case_problem(const std::string& text) {
    const auto read = parse_case(text, "case.json");
    if (read) {
        return "no problem";
    }
    EXPECT_EQ(read.error().code(), Errc::parse);
    return read.error().message();
}

TEST(ParseCase, ReadsWhatACaseSays) {
    const auto read = parse_case(R"({"format": 1, "name": "dev-001", "step_seconds": 60,
 "upgrade_at": 1705014000.5, "unknown": {"a": [1]},
 "metrics": [{"name": "cpu_r", "type": "cpu", "direction": "up", "unknown": 1},
             {"name": "eth1_fi", "type": "traffic", "direction": "both"}]})",
                                 "case.json");
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->name, "dev-001");
    EXPECT_EQ(read->step, 60s);
    EXPECT_EQ(read->upgrade_at, at(1705014000.5));
    ASSERT_EQ(read->metrics.size(), 2);
    EXPECT_EQ(read->metrics[0].name, "cpu_r");
    EXPECT_EQ(read->metrics[0].worse, Direction::up);
    EXPECT_EQ(read->metrics[1].type, "traffic");
    EXPECT_EQ(read->metrics[1].worse, Direction::both);
}

TEST(ParseCase, GuessesWhatIsAbsentOrNull) {
    const auto empty = parse_case(R"({"step_seconds": null})", "case.json");
    ASSERT_TRUE(empty) << empty.error().message();
    EXPECT_FALSE(empty->step || empty->upgrade_at);
    EXPECT_TRUE(empty->metrics.empty());
    const auto read = parse_case(
        R"({"metrics": [{"name": "x", "type": "success"}, {"name": "failed"},
                        {"name": "failed_2", "type": "strange"}]})",
        "case.json");
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->metrics[0].worse, Direction::down);
    EXPECT_EQ(read->metrics[1].type, "errors");
    EXPECT_EQ(read->metrics[2].type, "strange");
    EXPECT_EQ(read->metrics[2].worse, Direction::up);
}

TEST(ParseCase, NamesTheFieldThatIsWrong) {
    EXPECT_EQ(case_problem(R"({"step_seconds": "60"})"),
              R"(case.json: step_seconds is '"60"', expected a number)");
    EXPECT_EQ(case_problem(R"({"upgrade_at": []})"),
              "case.json: upgrade_at is '[]', expected a number");
    EXPECT_EQ(case_problem(R"({"name": 1})"), "case.json: name is '1', expected a string");
    EXPECT_EQ(case_problem(R"({"metrics": {}})"), "case.json: metrics is '{}', expected an array");
    EXPECT_EQ(case_problem(R"({"metrics": [3]})"),
              "case.json: metrics[0] is '3', expected an object");
    EXPECT_EQ(case_problem(R"({"metrics": [{"name": "a"}, {"type": "cpu"}]})"),
              "case.json: metrics[1].name is missing");
    EXPECT_EQ(case_problem(R"({"metrics": [{"name": "a", "type": 1}]})"),
              "case.json: metrics[0].type is '1', expected a string");
    EXPECT_EQ(case_problem(R"({"metrics": [{"name": "a", "direction": "upwards"}]})"),
              "case.json: metrics[0].direction is 'upwards', expected up, down or both");
    EXPECT_EQ(case_problem(R"({"metrics": [{"name": "a"}, {"name": "a"}]})"),
              "case.json: metrics[1].name 'a' is there twice");
    EXPECT_THAT(case_problem(R"({"metrics": []})"), HasSubstr("metrics is empty"));
    EXPECT_THAT(case_problem(R"({"format": 2})"), HasSubstr("format is 2, expected 1"));
    EXPECT_THAT(case_problem(R"({"step_seconds": 0})"), HasSubstr("step_seconds is 0, expected"));
    EXPECT_THAT(case_problem(R"({"step_seconds": 86401})"), HasSubstr("step_seconds is 86401"));
    EXPECT_THAT(case_problem(R"({"upgrade_at": 1705014000000})"), HasSubstr("upgrade_at is"));
    EXPECT_THAT(case_problem(R"({"upgrade_at": -1})"), HasSubstr("expected seconds since 1970"));
}

TEST(ParseCase, NamesTheLineThatIsNoJson) {
    EXPECT_THAT(case_problem("{\n\"name\": \"a\",\n oops}"), HasSubstr("case.json:3: no JSON: "));
    for (const auto* text : {"", "{", "{} {}"}) {
        EXPECT_THAT(case_problem(text), HasSubstr("case.json:1: no JSON: ")) << text;
    }
    EXPECT_EQ(case_problem("[]"), "case.json: expected an object");
    EXPECT_EQ(case_problem("{}\n\n"), "no problem");
}

TEST(ReadCase, NamesTheFileItCouldNotRead) {
    for (const auto& [file, why] : {std::pair{"/absent/case.json", "No such file or directory"},
                                    std::pair{"/", "Is a directory"}}) {
        const auto read = read_case(file);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code(), Errc::io);
        EXPECT_EQ(read.error().message(), std::string{"read "} + file + ": " + why);
    }
}

TEST(GuessMetric, GoesByTheWordsOfTheName) {
    const auto guess = [](const char* name) {
        const auto metric = guess_metric(name);
        return std::pair{metric.type, metric.worse};
    };
    EXPECT_EQ(guess("http_requests_failed"), std::pair(std::string{"errors"}, Direction::up));
    EXPECT_EQ(guess("login.Success.ratio"), std::pair(std::string{"success"}, Direction::down));
    EXPECT_EQ(guess("ratio_ok"), std::pair(std::string{"success"}, Direction::down));
    EXPECT_EQ(guess("request_latency_p99"), std::pair(std::string{"latency"}, Direction::up));
    EXPECT_EQ(guess("cpu_seconds"), std::pair(std::string{"cpu"}, Direction::up));
    EXPECT_EQ(guess("scrape_seconds"), std::pair(std::string{"latency"}, Direction::up));
    EXPECT_EQ(guess("disk-util"), std::pair(std::string{"utilisation"}, Direction::up));
    EXPECT_EQ(guess("request_queue"), std::pair(std::string{"queue"}, Direction::up));
    EXPECT_EQ(guess("http_requests{path=\"/error\"}"),
              std::pair(std::string{"traffic"}, Direction::both));
    EXPECT_EQ(guess("c08"), std::pair(std::string{"kpi"}, Direction::both));
}

TEST(EnsembleSignal, IsAGaugeThatIsRequiredAndKnowsLoadAndErrors) {
    const auto traffic = ensemble_signal({"eth1_fi", "traffic", Direction::both});
    EXPECT_EQ(traffic.name, "eth1_fi");
    EXPECT_EQ(traffic.kind, Kind::gauge);
    EXPECT_TRUE(traffic.is_load && traffic.required && !traffic.is_errors);
    const auto errors = ensemble_signal({"out_rsts", "errors", Direction::up});
    EXPECT_TRUE(errors.is_errors && errors.required && !errors.is_load);
    EXPECT_EQ(errors.worse, Direction::up);
    const auto cpu = ensemble_signal({"cpu_r", "cpu", Direction::up});
    EXPECT_FALSE(cpu.is_load || cpu.is_errors);
}

// ---- cells

TEST(PrepareReplay, AnchorsTheGridAtTheUpgrade) {
    // 6000 is no multiple of the cell that one at 5890 would begin
    const auto data = prepared(of_m({{5850, 1}, {5890, 2}, {5950, 3}}),
                               of_m({{6000, 4}, {6059.999, 6}, {6060, 7}}), by_minutes);
    EXPECT_EQ(data.plan.begin, at(5820));
    EXPECT_EQ(data.plan.upgrade, at(6000));
    EXPECT_EQ(data.plan.planned_end, at(6120));
    EXPECT_EQ(data.plan.cell, 60s);
    EXPECT_EQ(data.plan.warmup, 15min);
    EXPECT_TRUE(data.plan.offsets.empty());
    EXPECT_THAT(values(data.history.at(0)), ElementsAre(1, 2, 3));
    EXPECT_THAT(values(data.after.at(0)), ElementsAre(5, 7));
}

TEST(PrepareReplay, AveragesFineSamplesInCellsOfThirtySeconds) {
    auto wanted = by_minutes;
    wanted.step = 10s;
    const auto data = prepared(of_m({{5970, 1}, {5980, 2}, {5990, 6}}),
                               of_m({{6000, 4}, {6030, 1}, {6040, 2}}), wanted);
    EXPECT_EQ(data.plan.cell, 30s);
    EXPECT_THAT(values(data.history.at(0)), ElementsAre(3));
    EXPECT_THAT(values(data.after.at(0)), ElementsAre(4, 1.5));
}

TEST(PrepareReplay, InterpolatesUpToTwoEmptyCells) {
    const auto data = prepared(of_m({{5940, 1}}),
                               of_m({{6000, 10}, {6120, 20}, {6300, 50}, {6540, 90}}), by_minutes);
    EXPECT_THAT(values(data.after.at(0)),
                ElementsAre(10, 15, 20, 30, 40, 50, gone, gone, gone, 90));
}

TEST(PrepareReplay, NeverInterpolatesAcrossTheUpgradeNorBeyondTheSamples) {
    auto after = of_m({{6060, 2}});
    after.last = at(6120);  // a row without a value
    const auto data = prepared(of_m({{5820, 1}, {5880, 1}}), after, by_minutes);
    EXPECT_THAT(values(data.history.at(0)), ElementsAre(1, 1, gone));
    EXPECT_THAT(values(data.after.at(0)), ElementsAre(gone, 2, gone));
}

TEST(PrepareReplay, GoesByTimeWhicheverFileASampleIsFrom) {
    const auto data =
        prepared(of_m({{5940, 1}, {6000, 2}}), of_m({{5880, 3}, {6060, 4}}), by_minutes);
    EXPECT_THAT(values(data.history.at(0)), ElementsAre(3, 1));
    EXPECT_THAT(values(data.after.at(0)), ElementsAre(2, 4));
}

TEST(PrepareReplay, TakesStepUpgradeAndMetricsFromTheDataWithoutACase) {
    auto baseline = of_m({{5000, 1}, {5045.2, 2}, {5090, 3}, {5300, 4}, {5345, 4}});
    baseline.series.push_back({"requests_failed", {{at(5000), 1}}});
    auto after = of_m({{6000, 1}});
    after.series.push_back({"only_after", {{at(6000), 1}}});
    after.first = at(5990);  // a row without a value
    const auto data = prepared(baseline, after, {});
    EXPECT_EQ(data.plan.cell, 45s);
    EXPECT_EQ(data.plan.upgrade, at(5990));
    ASSERT_EQ(data.signals.size(), 2);
    EXPECT_EQ(data.signals[0].name, "m");
    EXPECT_EQ(data.signals[0].worse, Direction::both);
    EXPECT_TRUE(data.signals[0].required);
    EXPECT_TRUE(data.signals[1].is_errors);
}

TEST(PrepareReplay, KeepsAMetricThatNoFileHasAsMissing) {
    auto wanted = by_minutes;
    wanted.metrics.push_back({"absent", "cpu", Direction::up});
    const auto data = prepared(of_m({{5940, 1}}), of_m({{6000, 1}}), wanted);
    EXPECT_THAT(values(data.history.at(1)), ElementsAre(gone));
    EXPECT_THAT(values(data.after.at(1)), ElementsAre(gone));
}

TEST(PrepareReplay, TakesAMeanThatOverflowsForMissing) {
    const double huge = std::numeric_limits<double>::max();
    const auto data = prepared(of_m({{5940, 1}}), of_m({{6000, huge}, {6001, huge}}), by_minutes);
    EXPECT_THAT(values(data.after.at(0)), ElementsAre(gone));
}

TEST(PrepareReplay, ChoosesTheCycleByTheLengthOfTheBaseline) {
    const double day = 86'400;
    const auto cycle = [&](double days, ReplayOptions options = {}) {
        auto wanted = by_minutes;
        wanted.step = 1h;
        wanted.upgrade_at = at(100 * day);
        return prepared(of_m({{(100 - days) * day, 1}}), of_m({{100 * day, 1}}), wanted, options)
            .plan.cycle;
    };
    EXPECT_EQ(cycle(14), 7 * 24h);
    EXPECT_EQ(cycle(13.9), 24h);
    EXPECT_EQ(cycle(1), 24h);
    EXPECT_EQ(cycle(0.5), 12h);
    EXPECT_EQ(cycle(14, {.cycle = 24h, .timezone = {}}), 24h);
    EXPECT_EQ(cycle(5, {.cycle = 7 * 24h, .timezone = {}}), 7 * 24h);
}

TEST(PrepareReplay, KnowsTheTimeZone) {
    const auto data =
        prepared(of_m({{5940, 1}}), of_m({{6000, 1}}), by_minutes, {{}, "Asia/Kolkata"});
    ASSERT_EQ(data.plan.offsets.size(), 1);
    EXPECT_EQ(data.plan.offsets[0].offset, 5h + 30min);
    EXPECT_THAT(refusal(of_m({{5940, 1}}), of_m({{6000, 1}}), by_minutes, {{}, "Mars/Olympus"}),
                HasSubstr("no time zone 'Mars/Olympus'"));
}

TEST(PrepareReplay, RefusesWhatCannotBeJudged) {
    const auto before = of_m({{5940, 1}});
    const auto after = of_m({{6000, 1}});
    EXPECT_EQ(refusal({}, after, by_minutes), "the baseline has no rows");
    EXPECT_EQ(refusal(before, {}, by_minutes), "the after file has no rows");
    EXPECT_EQ(refusal(before, after, {}), "no metric of the baseline has two samples");
    EXPECT_EQ(refusal(of_m({{6000, 1}}), after, by_minutes),
              "no metric to judge has a value before the upgrade at 1970-01-01T01:40:00.000Z");
    EXPECT_THAT(refusal(before, of_m({{5950, 1}}), by_minutes),
                HasSubstr("no rows from the upgrade"));
    EXPECT_THAT(refusal(of_m({{0, 1}, {200'000, 1}}), of_m({{300'000, 1}}), {}),
                EndsWith("apart, replay needs 1d or less"));
}

TEST(PrepareReplay, RefusesAGridThatNoMemoryHolds) {
    const auto baseline = of_m({{0, 1}, {30, 1}, {60, 1}, {90, 1}});  // one clock was at 0
    EXPECT_THAT(refusal(baseline, of_m({{250e9, 1}}), {}),
                HasSubstr("more than 100000000; check the times"));
}

// ---- a baseline alone

TEST(PrepareBaseline, EndsWithItsLastRowOrAtTheUpgrade) {
    const auto baseline = of_m({{5880, 1}, {5940, 2}, {6000, 3}});
    const auto to_the_upgrade = prepare_baseline(baseline, by_minutes, {});
    ASSERT_TRUE(to_the_upgrade);
    EXPECT_THAT(values(to_the_upgrade->history.at(0)), ElementsAre(1, 2));
    EXPECT_EQ(to_the_upgrade->plan.upgrade, at(6000));
    EXPECT_EQ(to_the_upgrade->plan.planned_end, at(6000));
    EXPECT_TRUE(to_the_upgrade->after.at(0).empty());
    auto wanted = by_minutes;
    wanted.upgrade_at = at(9000);
    const auto to_the_last_row = prepare_baseline(baseline, wanted, {});
    ASSERT_TRUE(to_the_last_row);
    EXPECT_THAT(values(to_the_last_row->history.at(0)), ElementsAre(1, 2, 3));
    EXPECT_EQ(to_the_last_row->plan.upgrade, at(6060));
    wanted.upgrade_at.reset();
    EXPECT_EQ(prepare_baseline(baseline, wanted, {})->plan.upgrade, at(6060));
}

TEST(PrepareBaseline, RefusesWhatHasNoPast) {
    EXPECT_EQ(prepare_baseline({}, by_minutes, {}).error().message(), "the baseline has no rows");
    EXPECT_THAT(prepare_baseline(of_m({{6000, 1}}), by_minutes, {}).error().message(),
                HasSubstr("before the upgrade"));
}

// ---- result.json

rules::EnsembleJudged judged(Judgement judgement) {
    rules::EnsembleJudged out;
    out.judgement = judgement;
    return out;
}

TEST(ReplayVerdict, FailsByAPagePassesByProofAndIsElseInconclusive) {
    const auto signal = ensemble_signal(m);
    auto optional = signal;
    optional.required = false;
    const auto proven = judged(Judgement::proven);
    const auto watching = judged(Judgement::watching);
    const rules::EnsembleAlert warned{.severity = Severity::warn};
    const rules::EnsembleAlert paged{.severity = Severity::page};
    const rules::EnsembleAlert rolled{.severity = Severity::rollback};
    EXPECT_EQ(replay_verdict({signal, signal}, {}, {proven, proven}), "pass");
    EXPECT_EQ(replay_verdict({signal, signal}, {}, {proven, watching}), "inconclusive");
    EXPECT_EQ(replay_verdict({signal, optional}, {warned}, {proven, watching}), "pass");
    EXPECT_EQ(replay_verdict({optional}, {}, {proven}), "inconclusive");
    EXPECT_EQ(replay_verdict({signal}, {paged}, {proven}), "fail");
    EXPECT_EQ(replay_verdict({signal}, {warned, rolled}, {watching}), "fail");
    EXPECT_EQ(replay_verdict({signal}, {}, {}), "inconclusive");
}

TEST(ReplayResult, HasTimesInSecondsAndNullForWhatIsNoNumber) {
    auto said = judged(Judgement::regressed);
    said.severity = Severity::page;
    said.effect_ratio = 0.5;
    said.effect_upper_ratio = std::numeric_limits<double>::infinity();
    const rules::EnsembleAlert alert{.severity = Severity::page,
                                     .at = at(6000),
                                     .until = at(6060.5),
                                     .detector = "level",
                                     .effect_ratio = std::nan("")};
    EXPECT_EQ(boost::json::value(replay_result({ensemble_signal(m)}, {alert}, {said}, {"because"})),
              boost::json::parse(R"({"verdict": "fail",
 "alerts": [{"metric": "m", "severity": "page", "at": 6000, "until": 6060.5, "detector": "level",
             "effect_ratio": null}],
 "metrics": [{"metric": "m", "judgement": "regressed", "severity": "page", "effect_ratio": 0.5,
              "effect_lower_ratio": 0.0, "effect_upper_ratio": null, "margin_ratio": 0.0,
              "coverage_ratio": 0.0, "reason": "because"}]})"));
}

}  // namespace
}  // namespace holdfast::client
