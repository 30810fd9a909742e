#include "collectors/system/pressure_collector.h"

#include "tests/collectors/fixture_tree.h"

namespace holdfast::collectors {
namespace {
using ::testing::HasSubstr;

std::string stalled(std::string_view resource, std::string_view kind) {
    return fmt::format("holdfast_pressure_seconds_total{{kind=\"{}\",resource=\"{}\"}}", kind,
                       resource);
}

TEST(PressureCollector, ReadsTheTypicalHostInSeconds) {
    PressureCollector collector{typical_host()};
    const auto reading = read(collector);
    expect_documented(reading, pressure_metrics(), noon);
    EXPECT_EQ(reading.samples.size(), 7);
    EXPECT_EQ(value(reading, stalled("cpu", "some")), 5419.673120);
    EXPECT_EQ(value(reading, stalled("cpu", "full")), 0);
    EXPECT_EQ(value(reading, stalled("memory", "full")), 81.234567);
    EXPECT_EQ(value(reading, stalled("io", "some")), 3547.574211);
}

TEST(PressureCollector, DoesWithoutLinesAndFilesThatAKernelLacksAsPitfall19Demands) {
    const FixtureTree tree;
    tree.write("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");  // 5.10
    tree.write("proc/pressure/irq", "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
    PressureCollector collector{tree.paths()};
    const auto reading = read(collector);
    EXPECT_EQ(reading.samples.size(), 2);
    EXPECT_EQ(value(reading, stalled("cpu", "full")), std::nullopt);
    EXPECT_EQ(value(reading, stalled("irq", "full")), 7e-6);
}

TEST(PressureCollector, IsUnsupportedWithoutKernelSupport) {
    PressureCollector collector{Paths{.procfs = FIXTURES "/absent"}};
    const auto reading = holdfast::testing::run(collector.collect(noon));
    ASSERT_FALSE(reading);
    EXPECT_EQ(reading.error().code(), Errc::unsupported);
    EXPECT_THAT(reading.error().message(), HasSubstr("pressure/cpu: No such file or directory"));
}

TEST(PressureCollector, ReportsWhatIsWrongRatherThanWhatIsMissing) {
    const FixtureTree tree;
    tree.write("proc/pressure/io", "none\n");
    PressureCollector collector{tree.paths()};
    const auto reading = holdfast::testing::run(collector.collect(noon));
    ASSERT_FALSE(reading);
    EXPECT_EQ(reading.error().code(), Errc::parse);
    EXPECT_THAT(reading.error().message(), HasSubstr("/proc/pressure/io: no line 'some|full"));
}

TEST(PressureCollector, CollectsTheOtherFilesWhenOneCannotBeRead) {
    const FixtureTree tree;
    tree.write("proc/pressure/cpu/a-folder", "");
    tree.write("proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
    PressureCollector collector{tree.paths()};
    EXPECT_EQ(read(collector).samples.size(), 1);
}

TEST(ParsePressure, DropsTornLinesOnly) {
    const auto pressure = parse_pressure("some avg10=0.00 total=1\nfull avg10=0.00 tot");
    ASSERT_TRUE(pressure);
    EXPECT_EQ(pressure->some_microseconds, 1);
    EXPECT_EQ(pressure->full_microseconds, std::nullopt);
    EXPECT_FALSE(parse_pressure("some total=\nfull total=x\n"));
    EXPECT_FALSE(parse_pressure(""));
}

}  // namespace
}  // namespace holdfast::collectors
