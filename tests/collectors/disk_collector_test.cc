#include "collectors/system/disk_collector.h"

#include "tests/collectors/fixture_tree.h"

namespace holdfast::collectors {
namespace {
using ::testing::ElementsAre;
using namespace std::chrono_literals;

constexpr std::uint64_t two_to_32 = std::uint64_t{1} << 32;

std::string of(std::string_view metric, std::string_view device, std::string_view dir = {}) {
    return dir.empty()
               ? fmt::format("holdfast_disk_{}{{device=\"{}\"}}", metric, device)
               : fmt::format("holdfast_disk_{}{{device=\"{}\",dir=\"{}\"}}", metric, device, dir);
}

std::vector<std::string> devices(const Reading& reading) {
    std::vector<std::string> names;
    for (const auto& sample : reading.samples) {
        if (sample.series->metric == "holdfast_disk_in_flight") {
            names.push_back(sample.series->labels.at("device"));
        }
    }
    return names;
}

/// A line of sda with the times set, all in milliseconds.
DiskLine sda(std::uint64_t busy, std::uint64_t weighted, std::uint64_t requests_in_flight = 0) {
    DiskLine line{8, 0, "sda", {}, 11};
    line.numbers = {100, 0, 800, 50, 200, 0, 1600, 60, requests_in_flight, busy, weighted};
    return line;
}

TEST(DiskCollector, ReadsLinesOf20FieldsInBaseUnits) {
    DiskCollector collector{typical_host()};
    const auto reading = read(collector);
    expect_documented(reading, disk_metrics(), noon);
    EXPECT_EQ(value(reading, of("ops_total", "sda", "read")), 912345);
    EXPECT_EQ(value(reading, of("ops_total", "sda", "write")), 1234567);
    EXPECT_EQ(value(reading, of("ops_total", "sda", "discard")), 41231);
    EXPECT_EQ(value(reading, of("ops_total", "sda", "flush")), 512345);
    EXPECT_EQ(value(reading, of("bytes_total", "sda", "read")), 81234560.0 * 512);
    EXPECT_EQ(value(reading, of("bytes_total", "sda", "write")), 112345672.0 * 512);
    EXPECT_EQ(value(reading, of("bytes_total", "sda", "discard")), 91234568.0 * 512);
    EXPECT_EQ(value(reading, of("bytes_total", "sda", "flush")), std::nullopt);
    EXPECT_DOUBLE_EQ(value(reading, of("time_seconds_total", "sda", "read")).value(), 412.3);
    EXPECT_DOUBLE_EQ(value(reading, of("time_seconds_total", "sda", "write")).value(), 9123.45);
    EXPECT_DOUBLE_EQ(value(reading, of("time_seconds_total", "sda", "discard")).value(), 31.2);
    EXPECT_DOUBLE_EQ(value(reading, of("time_seconds_total", "sda", "flush")).value(), 901.234);
    EXPECT_DOUBLE_EQ(value(reading, of("io_time_seconds_total", "sda")).value(), 4123.4);
    EXPECT_DOUBLE_EQ(value(reading, of("io_time_weighted_seconds_total", "sda")).value(),
                     10123.456);
    EXPECT_EQ(value(reading, of("in_flight", "sda")), 3);
}

TEST(DiskCollector, HasNoSampleForWhatA14Or18FieldKernelDoesNotCount) {
    DiskCollector collector{typical_host()};
    const auto reading = read(collector);
    EXPECT_EQ(value(reading, of("ops_total", "drbd0", "write")), 4004);
    EXPECT_EQ(value(reading, of("ops_total", "drbd0", "discard")), std::nullopt);
    EXPECT_EQ(value(reading, of("ops_total", "dm-0", "discard")), 0);
    EXPECT_EQ(value(reading, of("ops_total", "dm-0", "flush")), std::nullopt);
}

TEST(DiskCollector, ExcludesPartitionsAndPseudoDisksByDefault) {
    DiskCollector collector{typical_host()};
    EXPECT_THAT(devices(read(collector)), ElementsAre("sda", "dm-0", "nvme0n1", "drbd0"));
}

TEST(DiskCollector, KeepsWhatIsIncludedAndNotExcluded) {
    DiskCollector collector{typical_host(), {.exclude = "^sda1$", .include = "^(sda|loop)"}};
    EXPECT_THAT(devices(read(collector)), ElementsAre("loop0", "sda"));
}

TEST(DiskCollector, FollowsDevicesThatComeAndGo) {
    const FixtureTree tree;
    DiskCollector collector{tree.paths()};
    tree.write("proc/diskstats", "8 0 sda 1 0 8 1 0 0 0 0 0 1 1\n");
    EXPECT_THAT(devices(read(collector)), ElementsAre("sda"));
    tree.write("proc/diskstats", "8 0 sda 1 0 8 1 0 0 0 0 0 1 1\n8 16 sdb 5 0 8 1 0 0 0 0 0 1 1\n");
    const auto reading = read(collector, noon + 1s);
    EXPECT_THAT(devices(reading), ElementsAre("sda", "sdb"));
    EXPECT_EQ(value(reading, of("ops_total", "sdb", "read")), 5);
    tree.write("proc/diskstats", "");
    EXPECT_TRUE(read(collector, noon + 2s).samples.empty());
}

TEST(DiskCollector, UsesTheSameSeriesObjectsInEachReading) {
    DiskCollector collector{typical_host()};
    const auto first = read(collector);
    const auto second = read(collector, noon + 1s);
    ASSERT_EQ(first.samples.size(), second.samples.size());
    for (std::size_t i = 0; i < first.samples.size(); ++i) {
        EXPECT_EQ(first.samples[i].series, second.samples[i].series);
    }
}

TEST(DiskCollector, KeepsTimesMonotoneThroughAWrapAndForgetsItWithTheBoot) {
    const FixtureTree tree;
    tree.write("proc/sys/kernel/random/boot_id", "one");
    tree.write("proc/diskstats", "8 0 sda 9 0 8 1 9 0 0 0 0 5 4294967000\n");
    DiskCollector collector{tree.paths()};
    EXPECT_DOUBLE_EQ(value(read(collector), of("io_time_weighted_seconds_total", "sda")).value(),
                     4294967.0);
    tree.write("proc/diskstats", "8 0 sda 9 0 8 1 9 0 0 0 2 5 704\n");
    EXPECT_DOUBLE_EQ(
        value(read(collector, noon + 1s), of("io_time_weighted_seconds_total", "sda")).value(),
        4294968.0);
    tree.write("proc/sys/kernel/random/boot_id", "two");
    EXPECT_DOUBLE_EQ(
        value(read(collector, noon + 2s), of("io_time_weighted_seconds_total", "sda")).value(),
        0.704);
}

TEST(DiskCollector, IsUnsupportedWithoutTheFile) {
    DiskCollector collector{Paths{.procfs = FIXTURES "/absent"}};
    const auto reading = holdfast::testing::run(collector.collect(noon));
    ASSERT_FALSE(reading);
    EXPECT_EQ(reading.error().code(), Errc::unsupported);
}

TEST(ParseDiskstats, DropsTornLinesOnly) {
    const std::string whole = "8 0 sda 1 2 3 4 5 6 7 8 9 10 11";
    EXPECT_EQ(parse_diskstats(whole).size(), 1);
    EXPECT_EQ(parse_diskstats(whole + " 12").size(), 0);
    EXPECT_EQ(parse_diskstats(whole + " 12 13 14").size(), 0);
    EXPECT_EQ(parse_diskstats(whole + " 12 13 14 15").size(), 1);
    EXPECT_EQ(parse_diskstats(whole + " 12 13 14 15 16").size(), 0);
    EXPECT_EQ(parse_diskstats(whole + " 12 13 14 15 16 17").size(), 1);
    EXPECT_EQ(parse_diskstats(whole + " 12 13 14 15 16 17 18 19").front().count, 17);
    EXPECT_EQ(parse_diskstats("8 0 sda 1 2 3 4 5 6 7 8 9 10\n" + whole + "\n252:0 \n").size(), 1);
    EXPECT_EQ(parse_diskstats("8 0 sda 1 2 3 4 5 6 7 8 9 10 x\n").size(), 0);
}

TEST(DiskCounters, TakeTheWrapOfATimeField32BitsWideAsPitfall4Demands) {
    DiskCounters counters;
    counters.add(sda(1000, two_to_32 - 500), noon);
    counters.add(sda(1900, 400), noon + 1s);
    EXPECT_EQ(counters.value(disk::time_weighted), two_to_32 + 400);
    counters.add(sda(2900, 1400), noon + 2s);
    EXPECT_EQ(counters.value(disk::time_weighted), two_to_32 + 1400);
}

TEST(DiskCounters, TakeAWrapOnlyFromAbove2To31) {
    for (const auto& [before, after] :
         {std::pair{two_to_32 / 2, two_to_32 / 2}, std::pair{two_to_32 / 2 + 1, two_to_32 + 7}}) {
        DiskCounters counters;
        counters.add(sda(1000, before), noon);
        counters.add(sda(1900, 7), noon + 1000h);
        EXPECT_EQ(counters.value(disk::time_weighted), after);
    }
}

TEST(DiskCounters, TakeAWrapOfBusyTimeOnlyIfNoLongerThanTheClockSays) {
    for (const auto& [rise, plausible] : {std::pair{1100U, true}, std::pair{1101U, false}}) {
        DiskCounters counters;
        counters.add(sda(two_to_32 - 1, 5), noon);
        counters.add(sda(rise - 1, 5), noon + 1s);
        EXPECT_EQ(counters.value(disk::time_busy), two_to_32 - 1 + (plausible ? rise : 0));
    }
}

TEST(DiskCounters, TakeAWrapOfWeightedTimeOnlyIfTheQueueCouldHaveBeenThatLong) {
    constexpr std::uint64_t rise_max = std::uint64_t{1100} * (2 + 1024);
    for (const auto& [rise, plausible] :
         {std::pair{rise_max, true}, std::pair{rise_max + 1, false}}) {
        DiskCounters counters;
        counters.add(sda(5, two_to_32 - 1), noon);
        counters.add(sda(5, rise - 1, 2), noon + 1s);
        EXPECT_EQ(counters.value(disk::time_weighted), two_to_32 - 1 + (plausible ? rise : 0));
    }
}

TEST(DiskCounters, DropTheRiseOfACounterThatFellOtherwiseAndGoOn) {
    DiskCounters counters;
    auto line = sda(1000, 1000);
    counters.add(line, noon);
    line.numbers[disk::sectors_read] = 100;
    counters.add(line, noon + 1s);
    EXPECT_EQ(counters.value(disk::sectors_read), 800);
    line.numbers[disk::sectors_read] = 130;
    counters.add(line, noon + 2s);
    EXPECT_EQ(counters.value(disk::sectors_read), 830);
}

TEST(DiskCounters, LetOnlyTheNumberInFlightFall) {
    DiskCounters counters;
    counters.add(sda(1000, 1000, 7), noon);
    counters.add(sda(1000, 1000, 2), noon + 1s);
    EXPECT_EQ(counters.value(disk::in_flight), 2);
}

TEST(DiskCounters, StartAnewForADeviceMadeAgainUnderTheSameNameAsPitfall5Demands) {
    DiskCounters counters;
    counters.add(sda(1000, two_to_32 - 500), noon);
    counters.add(sda(1001, 400), noon + 1s);  // wrapped
    DiskLine fresh{8, 0, "sda", {1, 0, 8, 1, 1, 0, 8, 1, 0, 1, 1}, 11};
    counters.add(fresh, noon + 2s);
    EXPECT_EQ(counters.value(disk::reads), 1);
    EXPECT_EQ(counters.value(disk::time_weighted), 1);
}

TEST(DiskCounters, StartAnewForOtherNumbersOfTheDevice) {
    DiskCounters counters;
    auto line = sda(1000, 1000);
    counters.add(line, noon);
    line.minor = 16;
    line.numbers[disk::reads] = 3;
    counters.add(line, noon + 1s);
    EXPECT_EQ(counters.value(disk::reads), 3);
    EXPECT_EQ(counters.value(disk::writes), 200);
}

TEST(DiskCounters, AreOfTheSameDeviceWhenOneCounterDidNotFall) {
    DiskCounters counters;
    counters.add(sda(1000, 1000), noon);
    DiskLine line{8, 0, "sda", {100, 0, 8, 1, 1, 0, 8, 1, 0, 1, 1}, 11};  // reads as before
    counters.add(line, noon + 1s);
    EXPECT_EQ(counters.value(disk::writes), 200);
}

}  // namespace
}  // namespace holdfast::collectors
