#include "collectors/services/process_collector.h"

#include <unistd.h>

#include "tests/collectors/fixture_tree.h"

namespace holdfast::collectors {
namespace {
using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::uint64_t own_epoch = 42;
/// The host was booted 1000 s before noon: ticks of 10 ms since then.
constexpr std::uint64_t boot_seconds = 12 * 3600 - 1000;

/// What a test wants /proc/PID to say.
struct FakeProcess {
    std::uint64_t pid = 0;
    std::uint64_t parent = 1;
    std::uint64_t start_ticks = 100;
    std::uint64_t user_ticks = 0;
    std::uint64_t system_ticks = 0;
    std::uint64_t major_faults = 0;
    std::uint64_t threads = 1;
    std::uint64_t resident_pages = 10;
    std::uint64_t read_bytes = 0;
    std::uint64_t written_bytes = 0;
    std::size_t open_fds = 3;
    char state = 'S';
    std::string name = "app";
};

std::string stat_text(const FakeProcess& process) {
    return fmt::format(
        "{} ({}) {} {} {} {} 0 -1 4194560 900 0 {} 0 {} {} 7 8 20 0 {} 0 {} 1000000 "
        "{} 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0\n",
        process.pid, process.name, process.state, process.parent, process.pid, process.pid,
        process.major_faults, process.user_ticks, process.system_ticks, process.threads,
        process.start_ticks, process.resident_pages);
}

/// A procfs with processes and one group `app` with the pid file run/app.pid.
class ProcessTest : public ::testing::Test {
protected:
    ProcessTest() { tree_.write("proc/stat", fmt::format("btime {}\n", boot_seconds)); }

    /// Writes or overwrites it.
    void run(const FakeProcess& process) const {
        const auto folder = fmt::format("proc/{}", process.pid);
        tree_.remove(folder + "/fd");
        tree_.write(folder + "/stat", stat_text(process));
        tree_.write(folder + "/io",
                    fmt::format("rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: {}\n"
                                "write_bytes: {}\ncancelled_write_bytes: 9\n",
                                process.read_bytes, process.written_bytes));
        for (std::size_t fd = 0; fd < process.open_fds; ++fd) {
            tree_.write(fmt::format("{}/fd/{}", folder, fd), "");
        }
    }
    void exit(std::uint64_t pid) const { tree_.remove(fmt::format("proc/{}", pid)); }
    void lists_child(std::uint64_t pid, std::uint64_t thread, std::string_view children) const {
        tree_.write(fmt::format("proc/{}/task/{}/children", pid, thread), children);
    }
    void main_is(std::string_view pid) const { tree_.replace("run/app.pid", pid); }

    ProcessCollector collector() const {
        return {tree_.paths(), {{{"app", tree_.root() / "run/app.pid"}}}, own_epoch};
    }

    const FixtureTree tree_;
};

std::optional<double> app(const Reading& reading, std::string_view metric) {
    return value(reading, fmt::format("holdfast_process_{}{{group=\"app\"}}", metric));
}

std::optional<double> processes(const Reading& reading) {
    return value(reading, "holdfast_processes{group=\"app\"}");
}

TEST_F(ProcessTest, ReportsAServiceWithItsGauges) {
    main_is("100\n");
    run({.pid = 100, .start_ticks = 5050, .threads = 4, .resident_pages = 20, .open_fds = 5});
    run({.pid = 101, .parent = 100, .start_ticks = 6000, .resident_pages = 7});
    run({.pid = 102, .parent = 101, .start_ticks = 7000});
    run({.pid = 103, .parent = 1});  // somebody else's
    auto watched = collector();
    const auto reading = read(watched);
    expect_documented(reading, process_metrics(), noon);
    EXPECT_EQ(reading.epoch, own_epoch);
    EXPECT_EQ(reading.samples.size(), 10);
    EXPECT_EQ(processes(reading), 3);
    EXPECT_EQ(app(reading, "threads"), 6);
    EXPECT_EQ(app(reading, "resident_bytes"), 37.0 * static_cast<double>(::sysconf(_SC_PAGESIZE)));
    EXPECT_EQ(app(reading, "open_fds"), 11);
    EXPECT_EQ(app(reading, "oldest_start_time_seconds"), boot_seconds + 50.5);
    EXPECT_EQ(app(reading, "restarts_total"), 0);
}

TEST_F(ProcessTest, FollowsChildrenFilesOfAllThreadsWhereTheKernelHasThem) {
    main_is("100");
    run({.pid = 100, .threads = 2});
    run({.pid = 101, .parent = 100});
    run({.pid = 102, .parent = 100});
    run({.pid = 103, .parent = 102});
    run({.pid = 104, .parent = 100});  // in no list: only a scan would find it
    lists_child(100, 100, "101 ");
    lists_child(100, 105, "102 999 ");  // 999 is gone by now
    lists_child(101, 101, "");
    lists_child(102, 102, "103 ");
    lists_child(103, 103, "");
    auto watched = collector();
    EXPECT_EQ(processes(read(watched)), 4);
}

TEST_F(ProcessTest, CountsFromItsOwnStartNotFromThatOfTheService) {
    main_is("100");
    run({.pid = 100,
         .user_ticks = 500,
         .system_ticks = 100,
         .major_faults = 9,
         .read_bytes = 4096});
    auto watched = collector();
    auto reading = read(watched);
    EXPECT_EQ(app(reading, "cpu_seconds_total"), 0);
    EXPECT_EQ(app(reading, "major_faults_total"), 0);
    EXPECT_EQ(app(reading, "read_bytes_total"), 0);
    EXPECT_EQ(app(reading, "written_bytes_total"), 0);
    run({.pid = 100,
         .user_ticks = 550,
         .system_ticks = 110,
         .major_faults = 10,
         .read_bytes = 8192,
         .written_bytes = 512});
    reading = read(watched, noon + 5s);
    EXPECT_EQ(app(reading, "cpu_seconds_total"), 0.6);
    EXPECT_EQ(app(reading, "major_faults_total"), 1);
    EXPECT_EQ(app(reading, "read_bytes_total"), 4096);
    EXPECT_EQ(app(reading, "written_bytes_total"), 512);
}

TEST_F(ProcessTest, NeverLetsACounterFallWhenAProcessExitsAsPitfall15Demands) {
    main_is("100");
    run({.pid = 100});
    run({.pid = 101, .parent = 100, .user_ticks = 1000});
    auto watched = collector();
    read(watched);
    run({.pid = 101, .parent = 100, .user_ticks = 1200, .written_bytes = 100});
    EXPECT_EQ(app(read(watched, noon + 5s), "cpu_seconds_total"), 2);
    exit(101);
    const auto reading = read(watched, noon + 10s);
    EXPECT_EQ(processes(reading), 1);
    EXPECT_EQ(app(reading, "cpu_seconds_total"), 2);
    EXPECT_EQ(app(reading, "written_bytes_total"), 100);
}

TEST_F(ProcessTest, CountsAProcessBornSinceTheLastReadingFromItsBirth) {
    main_is("100");
    run({.pid = 100});
    auto watched = collector();
    read(watched);
    // Noon is tick 100000; the boot is known to the second, rounded down.
    run({.pid = 101, .parent = 100, .start_ticks = 99901, .user_ticks = 30, .read_bytes = 7});
    run({.pid = 102, .parent = 100, .start_ticks = 99900, .user_ticks = 5000, .read_bytes = 9});
    const auto reading = read(watched, noon + 5s);
    EXPECT_EQ(processes(reading), 3);
    EXPECT_EQ(app(reading, "cpu_seconds_total"), 0.3);
    EXPECT_EQ(app(reading, "read_bytes_total"), 7);
}

TEST_F(ProcessTest, TakesTheLastOfAZombieButDoesNotCountIt) {
    main_is("100");
    run({.pid = 100});
    run({.pid = 101, .parent = 100, .user_ticks = 10});
    auto watched = collector();
    read(watched);
    run({.pid = 101, .parent = 100, .user_ticks = 35, .state = 'Z'});
    const auto reading = read(watched, noon + 5s);
    EXPECT_EQ(processes(reading), 1);
    EXPECT_EQ(app(reading, "threads"), 1);
    EXPECT_EQ(app(reading, "cpu_seconds_total"), 0.25);
}

TEST_F(ProcessTest, CountsARestartByPidAndByStartTime) {
    main_is("100");
    run({.pid = 100, .user_ticks = 500});
    auto watched = collector();
    EXPECT_EQ(app(read(watched), "restarts_total"), 0);
    EXPECT_EQ(app(read(watched, noon + 5s), "restarts_total"), 0);
    exit(100);
    run({.pid = 200, .start_ticks = 100600, .user_ticks = 20});
    main_is("200");
    auto reading = read(watched, noon + 10s);
    EXPECT_EQ(app(reading, "restarts_total"), 1);
    EXPECT_EQ(app(reading, "cpu_seconds_total"), 0.2);
    run({.pid = 200, .start_ticks = 101100, .user_ticks = 3});  // the same pid again
    reading = read(watched, noon + 15s);
    EXPECT_EQ(app(reading, "restarts_total"), 2);
    EXPECT_DOUBLE_EQ(app(reading, "cpu_seconds_total").value(), 0.23);
}

TEST_F(ProcessTest, HasACountOfZeroAndNothingElseWithoutALivingProcess) {
    auto watched = collector();
    const auto is_down = [&watched] {
        const auto reading = read(watched);
        return reading.samples.size() == 1 && processes(reading) == 0;
    };
    EXPECT_TRUE(is_down());  // no pid file
    main_is("");
    EXPECT_TRUE(is_down());
    main_is("100\n");
    EXPECT_TRUE(is_down());  // no such process
    run({.pid = 100, .state = 'Z'});
    EXPECT_TRUE(is_down());
    run({.pid = 100});
    EXPECT_FALSE(is_down());
}

TEST_F(ProcessTest, CountsTheRestartAfterTheServiceWasDown) {
    main_is("100");
    run({.pid = 100});
    auto watched = collector();
    read(watched);
    exit(100);
    EXPECT_EQ(processes(read(watched, noon + 5s)), 0);
    main_is("200");
    run({.pid = 200, .start_ticks = 100700, .user_ticks = 10});
    const auto reading = read(watched, noon + 10s);
    EXPECT_EQ(app(reading, "restarts_total"), 1);
    EXPECT_EQ(app(reading, "cpu_seconds_total"), 0.1);
}

TEST_F(ProcessTest, SeesNoRestartWhenThePidFileWasAwayForAMoment) {
    main_is("100");
    run({.pid = 100, .user_ticks = 100});
    auto watched = collector();
    read(watched);
    tree_.remove("run/app.pid");
    EXPECT_EQ(processes(read(watched, noon + 5s)), 0);
    main_is("100");
    run({.pid = 100, .user_ticks = 150});
    const auto reading = read(watched, noon + 10s);
    EXPECT_EQ(app(reading, "restarts_total"), 0);
    EXPECT_EQ(app(reading, "cpu_seconds_total"), 0.5);
}

TEST_F(ProcessTest, KeepsADescendantWhoseParentDied) {
    main_is("100");
    run({.pid = 100});
    run({.pid = 101, .parent = 100});
    run({.pid = 102, .parent = 101, .user_ticks = 10});
    auto watched = collector();
    read(watched);
    exit(101);
    run({.pid = 102, .parent = 1, .user_ticks = 40});
    run({.pid = 103, .parent = 102, .start_ticks = 100100, .user_ticks = 1});
    const auto reading = read(watched, noon + 5s);
    EXPECT_EQ(processes(reading), 3);
    EXPECT_DOUBLE_EQ(app(reading, "cpu_seconds_total").value(), 0.31);
    run({.pid = 200, .start_ticks = 100600});
    main_is("200");  // but a restart ends that
    EXPECT_EQ(processes(read(watched, noon + 10s)), 1);
}

TEST_F(ProcessTest, TakesAPidThatIsUsedAgainForAnotherProcess) {
    main_is("100");
    run({.pid = 100});
    run({.pid = 101, .parent = 100, .user_ticks = 1000});
    auto watched = collector();
    read(watched);
    run({.pid = 101, .parent = 1, .start_ticks = 100100, .user_ticks = 7});
    EXPECT_EQ(processes(read(watched, noon + 5s)), 1);
    run({.pid = 101, .parent = 100, .start_ticks = 100700, .user_ticks = 8});
    EXPECT_DOUBLE_EQ(app(read(watched, noon + 10s), "cpu_seconds_total").value(), 0.08);
}

TEST_F(ProcessTest, TakesFilesThatAreGoneForNormalAsPitfall14Demands) {
    main_is("100");
    run({.pid = 100});
    run({.pid = 101, .parent = 100});
    tree_.remove("proc/101/io");
    tree_.remove("proc/101/fd");
    tree_.write("proc/102/stat", "");  // exits while it is read
    auto watched = collector();
    const auto reading = read(watched);
    EXPECT_EQ(processes(reading), 2);
    EXPECT_EQ(app(reading, "read_bytes_total"), 0);
    EXPECT_EQ(app(reading, "open_fds"), 3);
}

TEST_F(ProcessTest, HasNoIoAndFdsWhereTheyCannotBeRead) {
    main_is("100");
    run({.pid = 100, .user_ticks = 5});
    tree_.remove("proc/100/io");  // no CONFIG_TASK_IO_ACCOUNTING
    tree_.remove("proc/100/fd");
    auto watched = collector();
    auto reading = read(watched);
    EXPECT_EQ(processes(reading), 1);
    EXPECT_EQ(app(reading, "cpu_seconds_total"), 0);
    EXPECT_EQ(app(reading, "read_bytes_total"), std::nullopt);
    EXPECT_EQ(app(reading, "open_fds"), std::nullopt);
    run({.pid = 101, .parent = 100});
    tree_.remove("proc/101/io");
    tree_.write("proc/101/io/not-a-file", "");  // a sum that lacks one is no sum
    tree_.remove("proc/101/fd");
    tree_.write("proc/101/fd", "");
    reading = read(watched);
    EXPECT_EQ(processes(reading), 2);
    EXPECT_EQ(app(reading, "read_bytes_total"), std::nullopt);
    EXPECT_EQ(app(reading, "open_fds"), std::nullopt);
}

TEST_F(ProcessTest, CountsIoThatBecomesReadableFromThenOn) {
    main_is("100");
    run({.pid = 100, .start_ticks = 100, .read_bytes = 1000});
    tree_.remove("proc/100/io");
    auto watched = collector();
    read(watched);
    run({.pid = 100, .start_ticks = 100, .read_bytes = 5000});
    EXPECT_EQ(app(read(watched, noon + 5s), "read_bytes_total"), 0);
    run({.pid = 100, .start_ticks = 100, .read_bytes = 5100});
    EXPECT_EQ(app(read(watched, noon + 10s), "read_bytes_total"), 100);
}

TEST_F(ProcessTest, FailsForAPidFileThatIsNone) {
    auto watched = collector();
    for (const auto* text : {"none\n", "0\n", "-1\n", "2147483648\n", "99999999999999999999\n"}) {
        main_is(text);
        const auto reading = holdfast::testing::run(watched.collect(noon));
        ASSERT_FALSE(reading) << text;
        EXPECT_EQ(reading.error().code(), Errc::parse);
        EXPECT_THAT(reading.error().message(), HasSubstr("/run/app.pid: expected a pid, got '"));
    }
    main_is("2147483647\n");
    EXPECT_EQ(processes(read(watched)), 0);
}

TEST_F(ProcessTest, TakesThePidFromTheFirstLineOfAPostmasterFile) {
    main_is("100\n/var/lib/postgresql/15/main\n1767225600\n5432\n");
    run({.pid = 100});
    auto watched = collector();
    EXPECT_EQ(processes(read(watched)), 1);
}

TEST_F(ProcessTest, ReportsTheOtherGroupsWhenOneCannotBeRead) {
    main_is("none");
    tree_.write("run/db.pid", "100");
    run({.pid = 100});
    ProcessCollector watched{
        tree_.paths(),
        {{{"app", tree_.root() / "run/app.pid"}, {"db", tree_.root() / "run/db.pid"}}},
        own_epoch};
    const auto reading = read(watched);
    EXPECT_EQ(value(reading, R"(holdfast_processes{group="db"})"), 1);
    EXPECT_EQ(processes(reading), std::nullopt);
}

TEST_F(ProcessTest, HasNoLabelsThatMultiplyAsPitfall18Demands) {
    main_is("100");
    run({.pid = 100});
    auto watched = collector();
    for (const auto& sample : read(watched).samples) {
        EXPECT_EQ(sample.series->labels, (Labels{{"group", "app"}}));
    }
}

TEST(ProcessCollector, WatchesThisVeryProcess) {
    const FixtureTree tree;
    tree.write("own.pid", fmt::format("{}\n", ::getpid()));
    ProcessCollector watched{Paths{}, {{{"own", tree.root() / "own.pid"}}}, own_epoch};
    const auto reading = read(watched);
    EXPECT_EQ(value(reading, R"(holdfast_processes{group="own"})"), 1);
    EXPECT_GT(value(reading, R"(holdfast_process_open_fds{group="own"})"), 2);
    EXPECT_GT(value(reading, R"(holdfast_process_resident_bytes{group="own"})"), 1e6);
}

TEST(ParseProcessStat, FindsTheEndOfANameWithBlanksAndParentheses) {
    for (const auto* name : {"app", "tmux: server", ") S 1 (", "a)b", "((", ""}) {
        const auto stat = parse_process_stat(stat_text({.pid = 7, .parent = 3, .name = name}));
        ASSERT_TRUE(stat) << name;
        EXPECT_EQ(stat->pid, 7);
        EXPECT_EQ(stat->parent, 3);
        EXPECT_EQ(stat->state, 'S');
        EXPECT_EQ(stat->start_ticks, 100);
        EXPECT_EQ(stat->resident_pages, 10);
    }
}

TEST(ParseProcessStat, RefusesATornText) {
    const auto whole = stat_text({.pid = 7});
    for (const auto& torn : {std::string{}, std::string{"7 (app"}, std::string{"7 (app) S 1"},
                             whole.substr(0, whole.find("1000000"))}) {
        const auto stat = parse_process_stat(torn);
        ASSERT_FALSE(stat) << torn;
        EXPECT_EQ(stat.error().code(), Errc::parse);
    }
}

TEST(ParseProcessIo, TakesWholeNamesAndNeedsBoth) {
    const auto io = parse_process_io("cancelled_write_bytes: 9\nread_bytes: 1\nwrite_bytes: 2\n");
    ASSERT_TRUE(io);
    EXPECT_EQ(io->read_bytes, 1);
    EXPECT_EQ(io->written_bytes, 2);
    EXPECT_FALSE(parse_process_io("read_bytes: 1\n"));
    EXPECT_FALSE(parse_process_io("read_bytes: 1\nwrite_bytes: \n"));
}

}  // namespace
}  // namespace holdfast::collectors
