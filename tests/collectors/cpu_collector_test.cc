#include "collectors/system/cpu_collector.h"

#include "tests/collectors/fixture_tree.h"

namespace holdfast::collectors {
namespace {
using ::testing::HasSubstr;

constexpr std::size_t user = 0;
constexpr std::size_t idle = 3;
constexpr std::size_t iowait = 4;
constexpr std::uint64_t fall_max = 300;

CpuLine cpu(std::uint64_t number, std::uint64_t user_ticks, std::uint64_t idle_ticks,
            std::uint64_t iowait_ticks = 0) {
    return {number, {user_ticks, 0, 0, idle_ticks, iowait_ticks}, 10};
}

std::string mode(std::string_view name) {
    return fmt::format("holdfast_cpu_seconds_total{{mode=\"{}\"}}", name);
}

TEST(CpuCollector, ReadsTheTypicalHostInSeconds) {
    CpuCollector collector{typical_host()};
    const auto reading = read(collector);
    expect_documented(reading, cpu_metrics(), noon);
    EXPECT_EQ(reading.samples.size(), 10);
    EXPECT_EQ(value(reading, mode("system")), 884.12);
    EXPECT_EQ(value(reading, mode("idle")), 91204.55);
    EXPECT_EQ(value(reading, mode("iowait")), 203.11);
    EXPECT_EQ(value(reading, mode("irq")), 0);
    EXPECT_EQ(value(reading, mode("softirq")), 41.27);
    EXPECT_EQ(value(reading, mode("steal")), 19.02);
}

TEST(CpuCollector, CountsGuestTimeOnceAsPitfall1Demands) {
    CpuCollector collector{typical_host()};
    const auto reading = read(collector);
    EXPECT_EQ(value(reading, mode("user")), 3012.40 - 410.00);
    EXPECT_EQ(value(reading, mode("guest")), 410.00);
    EXPECT_DOUBLE_EQ(value(reading, mode("nice")).value(), 52.10 - 3.10);
    EXPECT_EQ(value(reading, mode("guest_nice")), 3.10);
}

TEST(CpuCollector, StartsAnewWithANewBoot) {
    const FixtureTree tree;
    CpuCollector collector{tree.paths()};
    tree.write("proc/sys/kernel/random/boot_id", "one");
    tree.write("proc/stat", "cpu0 100 0 0 1000\n");
    const auto before = read(collector);
    tree.write("proc/sys/kernel/random/boot_id", "two");
    tree.write("proc/stat", "cpu0 5 0 0 900\n");
    const auto after = read(collector);
    EXPECT_NE(before.epoch, after.epoch);
    EXPECT_EQ(value(after, mode("user")), 0.05);
    EXPECT_EQ(value(after, mode("idle")), 9);
}

TEST(CpuCollector, ExportsOnlyTheModesThatTheKernelHas) {
    const FixtureTree tree;
    tree.write("proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\nintr 0\n");
    CpuCollector collector{tree.paths()};
    const auto reading = read(collector);
    EXPECT_EQ(reading.samples.size(), 4);
    EXPECT_EQ(value(reading, mode("idle")), 0.04);
    EXPECT_EQ(value(reading, mode("iowait")), std::nullopt);
}

TEST(CpuCollector, FailsAndThenGoesOn) {
    const FixtureTree tree;
    CpuCollector collector{tree.paths()};
    const auto missing = holdfast::testing::run(collector.collect(noon));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), Errc::unsupported);
    tree.write("proc/stat", "intr 1\n");
    const auto empty = holdfast::testing::run(collector.collect(noon));
    ASSERT_FALSE(empty);
    EXPECT_EQ(empty.error().code(), Errc::parse);
    EXPECT_THAT(empty.error().message(), HasSubstr("/proc/stat: no line 'cpu "));
    tree.write("proc/stat", "cpu0 1 2 3 4\n");
    EXPECT_EQ(read(collector).samples.size(), 4);
}

TEST(ParseCpuLines, TakesTheLineOfAllWhenThereIsNoneByProcessor) {
    const auto lines = parse_cpu_lines("cpu  1 2 3 4 5 6 7 8 0 0\nintr 5\n");
    ASSERT_TRUE(lines);
    ASSERT_EQ(lines->size(), 1);
    EXPECT_EQ(lines->front().cpu, std::nullopt);
    EXPECT_EQ(lines->front().ticks[iowait], 5);
}

TEST(ParseCpuLines, DropsTornLinesOnly) {
    const auto lines =
        parse_cpu_lines("cpu  1 2 3 4\ncpu0 1 2 3\ncpux 1 2 3 4\ncpu1 1 2 3 4x\ncpu2 1 2 3 4");
    ASSERT_TRUE(lines);
    ASSERT_EQ(lines->size(), 1);
    EXPECT_EQ(lines->front().cpu, 2);
}

TEST(ParseCpuLines, IgnoresModesOfTheFuture) {
    const auto lines = parse_cpu_lines("cpu0 1 2 3 4 5 6 7 8 1 2 99 100\n");
    ASSERT_TRUE(lines);
    EXPECT_EQ(lines->front().modes, 10);
    EXPECT_EQ(lines->front().ticks[user], 0);
}

TEST(ParseCpuLines, HasNoNegativeUserTimeWhenGuestIsAhead) {
    EXPECT_EQ(parse_cpu_lines("cpu0 5 0 0 0 0 0 0 0 6 0\n")->front().ticks[user], 0);
}

TEST(CpuSums, ClampsAFallOfIdleUpTo3SecondsAsPitfall2Demands) {
    CpuSums sums{fall_max};
    sums.add({cpu(0, 100, 1000, 500)});
    sums.add({cpu(0, 150, 700, 499)});
    EXPECT_EQ(sums.sums()[user], 150);
    EXPECT_EQ(sums.sums()[idle], 1000);
    EXPECT_EQ(sums.sums()[iowait], 500);
    sums.add({cpu(0, 160, 1001, 501)});
    EXPECT_EQ(sums.sums()[idle], 1001);
    EXPECT_EQ(sums.sums()[iowait], 501);
}

TEST(CpuSums, RestartsTheOneProcessorWithALargerFallAsPitfall3Demands) {
    CpuSums sums{fall_max};
    sums.add({cpu(0, 100, 1000), cpu(1, 200, 2000)});
    sums.add({cpu(0, 110, 1010), cpu(1, 5, 1699)});
    EXPECT_EQ(sums.sums()[user], 310);  // never lower, and no jump
    EXPECT_EQ(sums.sums()[idle], 3010);
    sums.add({cpu(0, 120, 1020), cpu(1, 6, 1709)});
    EXPECT_EQ(sums.sums()[user], 321);
    EXPECT_EQ(sums.sums()[idle], 3030);
}

TEST(CpuSums, KeepsWhatAnUnpluggedProcessorHasDone) {
    CpuSums sums{fall_max};
    sums.add({cpu(0, 100, 1000), cpu(1, 200, 2000)});
    sums.add({cpu(0, 101, 1010)});
    EXPECT_EQ(sums.sums()[idle], 3010);
    sums.add({cpu(0, 102, 1020), cpu(1, 201, 2001)});
    EXPECT_EQ(sums.sums()[idle], 3021);
}

TEST(CpuSums, GivesNoRateToTheFirstReadingOfAProcessorThatAppears) {
    CpuSums sums{fall_max};
    sums.add({cpu(0, 100, 1000)});
    sums.add({cpu(0, 100, 1000), cpu(1, 7000, 90000)});
    EXPECT_EQ(sums.sums()[idle], 1000);
    sums.add({cpu(0, 100, 1000), cpu(1, 7001, 90002)});
    EXPECT_EQ(sums.sums()[user], 101);
    EXPECT_EQ(sums.sums()[idle], 1002);
}

}  // namespace
}  // namespace holdfast::collectors
