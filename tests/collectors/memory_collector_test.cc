#include "collectors/system/memory_collector.h"

#include "tests/collectors/fixture_tree.h"

namespace holdfast::collectors {
namespace {
using ::testing::HasSubstr;

TEST(MemoryCollector, ReadsTheTypicalHost) {
    MemoryCollector collector{typical_host()};
    const auto reading = read(collector);
    expect_documented(reading, memory_metrics(), noon);
    EXPECT_EQ(reading.samples.size(), 8);
    EXPECT_NE(reading.epoch, 0);
    EXPECT_EQ(value(reading, "holdfast_memory_total_bytes"), 16266292.0 * 1024);
    EXPECT_EQ(value(reading, "holdfast_memory_available_bytes"), 11213640.0 * 1024);
    EXPECT_EQ(value(reading, "holdfast_memory_swap_used_bytes"), (4194300.0 - 4063484) * 1024);
    EXPECT_EQ(value(reading, "holdfast_memory_dirty_bytes"), 2316.0 * 1024);
    EXPECT_EQ(value(reading, "holdfast_major_faults_total"), 214511);
    EXPECT_EQ(value(reading, R"(holdfast_swap_pages_total{dir="in"})"), 1204);
    EXPECT_EQ(value(reading, R"(holdfast_swap_pages_total{dir="out"})"), 34011);
    EXPECT_EQ(value(reading, "holdfast_oom_kills_total"), 2);
}

TEST(MemoryCollector, KeepsMeminfoWhenVmstatIsMissingAndTheOtherWayRound) {
    const FixtureTree tree;
    MemoryCollector collector{tree.paths()};
    tree.write("proc/meminfo", "MemTotal: 8 kB\nMemAvailable: 4 kB\n");
    auto reading = read(collector);
    EXPECT_EQ(reading.samples.size(), 2);
    EXPECT_EQ(value(reading, "holdfast_memory_available_bytes"), 4096);
    tree.remove("proc/meminfo");
    tree.write("proc/vmstat", "pgmajfault 7\n");
    reading = read(collector);
    EXPECT_EQ(reading.samples.size(), 1);
    EXPECT_EQ(value(reading, "holdfast_major_faults_total"), 7);
}

TEST(MemoryCollector, NamesTheFileItCouldNotReadAndWhatToDo) {
    MemoryCollector collector{Paths{.procfs = FIXTURES "/absent"}};
    const auto reading = holdfast::testing::run(collector.collect(noon));
    ASSERT_FALSE(reading);
    EXPECT_EQ(reading.error().code(), Errc::unsupported);
    EXPECT_THAT(reading.error().message(),
                HasSubstr("absent/meminfo: No such file or directory; check --paths.procfs"));
}

TEST(MemoryCollector, FailsWithTheFileAndTheLineThatIsWrong) {
    const FixtureTree tree;
    tree.write("proc/meminfo", "MemTotal: many kB\n");
    MemoryCollector collector{tree.paths()};
    const auto reading = holdfast::testing::run(collector.collect(noon));
    ASSERT_FALSE(reading);
    EXPECT_EQ(reading.error().code(), Errc::parse);
    EXPECT_THAT(reading.error().message(),
                HasSubstr("/proc/meminfo: expected 'MemTotal: <number> kB', got 'MemTotal: many"));
}

TEST(MemoryCollector, HasNoSampleForWhatAnOldKernelDoesNotCount) {
    const FixtureTree tree;
    tree.write("proc/meminfo", "MemTotal: 8 kB\nMemFree: 4 kB\n");  // before Linux 3.14
    tree.write("proc/vmstat", "pgmajfault 7\npswpin 1\n");          // before Linux 4.13
    MemoryCollector collector{tree.paths()};
    const auto reading = read(collector);
    EXPECT_EQ(value(reading, "holdfast_memory_available_bytes"), std::nullopt);
    EXPECT_EQ(value(reading, "holdfast_memory_swap_used_bytes"), std::nullopt);
    EXPECT_EQ(value(reading, "holdfast_oom_kills_total"), std::nullopt);
    EXPECT_EQ(value(reading, R"(holdfast_swap_pages_total{dir="in"})"), 1);
    EXPECT_EQ(value(reading, R"(holdfast_swap_pages_total{dir="out"})"), std::nullopt);
}

TEST(ParseMeminfo, DropsTornLinesOnly) {
    const auto meminfo = parse_meminfo("MemTotal: 8 kB\nMemAvailable: 4\nDirty: x kB\nSwapTotal:");
    ASSERT_TRUE(meminfo);
    EXPECT_EQ(meminfo->total_bytes, 8192);
    EXPECT_EQ(meminfo->available_bytes, std::nullopt);
    EXPECT_EQ(meminfo->dirty_bytes, std::nullopt);
    EXPECT_EQ(meminfo->swap_used_bytes(), std::nullopt);
}

TEST(ParseMeminfo, NeedsTheTotal) {
    EXPECT_EQ(parse_meminfo("").error().message(), "no field 'MemTotal'");
    EXPECT_EQ(parse_meminfo("MemTotalX: 1 kB\n").error().code(), Errc::parse);
}

TEST(ParseMeminfo, RefusesNumbersThatDoNotFitInBytes) {
    EXPECT_EQ(parse_meminfo("MemTotal: 18014398509481983 kB\n")->total_bytes,
              18014398509481983U * 1024);
    EXPECT_FALSE(parse_meminfo("MemTotal: 18014398509481984 kB\n"));
}

TEST(ParseMeminfo, HasNoSwapUsedWhenFreeIsAboveTotal) {
    EXPECT_EQ(parse_meminfo("MemTotal: 1 kB\nSwapTotal: 2 kB\nSwapFree: 2 kB\n")->swap_used_bytes(),
              0);
    EXPECT_EQ(parse_meminfo("MemTotal: 1 kB\nSwapTotal: 2 kB\nSwapFree: 3 kB\n")->swap_used_bytes(),
              std::nullopt);
}

TEST(ParseVmstat, TakesWholeNamesOnly) {
    const auto vmstat = parse_vmstat("pgmajfault_x 1\nxpgmajfault 2\npgmajfault 3x\npswpout 4");
    EXPECT_EQ(vmstat.major_faults, std::nullopt);
    EXPECT_EQ(vmstat.swap_out_pages, 4);
}

}  // namespace
}  // namespace holdfast::collectors
