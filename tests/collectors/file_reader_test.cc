#include "collectors/support/file_reader.h"

#include <cerrno>
#include <stdexcept>

#include "collectors/support/boot_epoch.h"
#include "collectors/support/text.h"
#include "tests/collectors/fixture_tree.h"

namespace holdfast::collectors {
namespace {
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(FileReader, ReadsTheWholeFileAsItIsAtEachCall) {
    const FixtureTree tree;
    tree.write("proc/uptime", "1.0 2.0\n");
    FileReader reader{tree.root() / "proc/uptime"};
    EXPECT_EQ(reader.read().value(), "1.0 2.0\n");
    tree.write("proc/uptime", "10.0 20.0\n");
    EXPECT_EQ(reader.read().value(), "10.0 20.0\n");
    tree.write("proc/uptime", "");
    EXPECT_EQ(reader.read().value(), "");
}

TEST(FileReader, NoticesThatAnotherFileWasRenamedOverIt) {
    const FixtureTree tree;
    tree.write("stat", "old");
    FileReader reader{tree.root() / "stat"};
    EXPECT_EQ(reader.read().value(), "old");
    tree.replace("stat", "new one");
    EXPECT_EQ(reader.read().value(), "new one");
}

TEST(FileReader, ReadsFilesAboveAndBelowTheSizeOfItsBuffer) {
    const FixtureTree tree;
    FileReader reader{tree.root() / "file"};
    for (const std::size_t size : {4095U, 4096U, 4097U, 8192U, 100'000U, 1U}) {
        const std::string text(size, 'x');
        tree.write("file", text);
        EXPECT_EQ(reader.read().value(), text) << size;
    }
}

TEST(FileReader, SaysWhichFileIsMissingAndWhatToDoAndFindsItLater) {
    const FixtureTree tree;
    FileReader reader{tree.root() / "meminfo"};
    const auto missing = reader.read();
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), Errc::unsupported);
    EXPECT_THAT(missing.error().message(), StartsWith("read /"));
    EXPECT_THAT(missing.error().message(), EndsWith("/meminfo: No such file or directory; "
                                                    "check --paths.procfs and the mount"));
    tree.write("meminfo", "here");
    EXPECT_EQ(reader.read().value(), "here");
}

TEST(FileReader, ReportsAFileThatVanishedAndTakesItUpAgain) {
    const FixtureTree tree;
    tree.write("operstate", "up\n");
    FileReader reader{tree.root() / "operstate", sysfs_hint};
    EXPECT_TRUE(reader.read());
    tree.remove("operstate");
    const auto gone = reader.read();
    ASSERT_FALSE(gone);
    EXPECT_THAT(gone.error().message(), EndsWith("check --paths.sysfs and the mount"));
    tree.write("operstate", "down\n");
    EXPECT_EQ(reader.read().value(), "down\n");
}

TEST(FileReader, TellsDeniedFromUnsupportedFromTrouble) {
    EXPECT_EQ(file_error("/f", EACCES, "h").code(), Errc::denied);
    EXPECT_EQ(file_error("/f", EPERM, "h").code(), Errc::denied);
    EXPECT_EQ(file_error("/f", ENOENT, "h").code(), Errc::unsupported);
    EXPECT_EQ(file_error("/f", EOPNOTSUPP, "h").code(), Errc::unsupported);
    EXPECT_EQ(file_error("/f", ESRCH, "h").code(), Errc::io);
    EXPECT_EQ(file_error("/f", EIO, "h").message(), "read /f: Input/output error; h");
}

TEST(FileReader, CannotReadAFolder) {
    FileReader reader{FIXTURES};
    const auto text = reader.read();
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code(), Errc::io);
    EXPECT_THAT(text.error().message(), HasSubstr("Is a directory"));
}

TEST(FileReader, ReadsTheLiveProcfsAgainAndAgain) {
    FileReader mounts{"/proc/self/mountinfo"};
    FileReader boot_id{"/proc/sys/kernel/random/boot_id"};
    const auto first = boot_id.read();
    ASSERT_TRUE(first);
    const std::string id{*first};
    EXPECT_EQ(boot_id.read().value(), id);
    EXPECT_THAT(std::string{mounts.read().value()}, HasSubstr(" - "));
    EXPECT_THAT(std::string{mounts.read().value()}, HasSubstr(" - "));
}

TEST(FileReader, KeepsItsDescriptorWhenItIsMoved) {
    const FixtureTree tree;
    tree.write("a", "text of a");
    tree.write("b", "text of b");
    FileReader a{tree.root() / "a"};
    FileReader b{tree.root() / "b"};
    EXPECT_TRUE(a.read());
    EXPECT_TRUE(b.read());
    FileReader moved{std::move(a)};
    EXPECT_EQ(moved.read().value(), "text of a");
    moved = std::move(b);
    EXPECT_EQ(moved.read().value(), "text of b");
}

TEST(ReadOnce, GivesTheTextOrTheErrorNumber) {
    const FixtureTree tree;
    tree.write("io", "rchar: 1\n");
    std::string buffer;
    EXPECT_EQ(read_once((tree.root() / "io").c_str(), buffer).value(), "rchar: 1\n");
    EXPECT_EQ(read_once((tree.root() / "absent").c_str(), buffer).error(), ENOENT);
}

TEST(BootEpoch, IsTheSameForOneBootAndAnotherForTheNext) {
    const FixtureTree tree;
    tree.write("proc/sys/kernel/random/boot_id", "3d1f7c52-9a0e-4c61-8f0b-5f5f6f0a2b11\n");
    BootEpoch epoch{tree.paths().procfs};
    const auto first = epoch.read();
    EXPECT_NE(first, 0);
    EXPECT_EQ(epoch.read(), first);
    EXPECT_EQ(BootEpoch{typical_host().procfs}.read(), first);  // stable over processes, too
    tree.replace("proc/sys/kernel/random/boot_id", "3d1f7c52-9a0e-4c61-8f0b-5f5f6f0a2b12\n");
    EXPECT_NE(epoch.read(), first);
}

TEST(BootEpoch, IsThePublishedFnv1aOfTheText) {
    const FixtureTree tree;
    tree.write("proc/sys/kernel/random/boot_id", "foobar\n");
    EXPECT_EQ(BootEpoch{tree.paths().procfs}.read(), 0x85944171f73967e8);
}

TEST(BootEpoch, IsMadeOfBtimeWithoutABootIdAndZeroWithoutBoth) {
    const FixtureTree tree;
    BootEpoch epoch{tree.paths().procfs};
    EXPECT_EQ(epoch.read(), 0);
    tree.write("proc/stat", "cpu  1 2 3 4\nctxt 5\n");
    EXPECT_EQ(epoch.read(), 0);
    tree.write("proc/stat", "cpu  1 2 3 4\nbtime 1767225600\n");
    const auto by_time = epoch.read();
    EXPECT_NE(by_time, 0);
    tree.write("proc/stat", "cpu  7 7 7 7\nbtime 1767225600\n");
    EXPECT_EQ(epoch.read(), by_time);
    tree.write("proc/stat", "cpu  1 2 3 4\nbtime 1767225601\n");
    EXPECT_NE(epoch.read(), by_time);
    tree.write("proc/sys/kernel/random/boot_id", "\n");  // empty: as if it were not there
    EXPECT_NE(epoch.read(), 0);
}

TEST(ToUnsigned, TakesEveryNumberOf64BitsAndNoMore) {
    EXPECT_EQ(to_unsigned("0"), 0);
    EXPECT_EQ(to_unsigned("18446744073709551615"), 18446744073709551615U);
    EXPECT_EQ(to_unsigned("18446744073709551616"), std::nullopt);
    EXPECT_EQ(to_unsigned("99999999999999999999"), std::nullopt);
    EXPECT_EQ(to_unsigned("unlimited"), std::nullopt);
    for (const auto* wrong : {"", "-1", "+1", " 1", "1 ", "0x1", "1.0"}) {
        EXPECT_EQ(to_unsigned(wrong), std::nullopt) << wrong;
    }
}

TEST(Scanners, EatLinesFieldsAndCells) {
    std::string_view rest = " a\tbb  c\n\nlast";
    auto line = next_line(rest);
    EXPECT_EQ(next_field(line), "a");
    EXPECT_EQ(next_field(line), "bb");
    EXPECT_EQ(next_field(line), "c");
    EXPECT_EQ(next_field(line), "");
    EXPECT_EQ(next_line(rest), "");
    EXPECT_EQ(next_line(rest), "last");
    EXPECT_TRUE(rest.empty());
    std::string_view cells = "x  y";
    EXPECT_EQ(next_cell(cells, ' '), "x");
    EXPECT_EQ(next_cell(cells, ' '), "");
    EXPECT_EQ(next_cell(cells, ' '), "y");
    EXPECT_EQ(trim(" \t x y\r\n"), "x y");
    EXPECT_EQ(trim(" \n"), "");
}

TEST(NameFilter, KeepsWhatIsIncludedAndNotExcluded) {
    const NameFilter both{"^sd", "^sdb$"};
    EXPECT_TRUE(both.keeps("sda"));
    EXPECT_FALSE(both.keeps("sdb"));
    EXPECT_FALSE(both.keeps("vda"));
    EXPECT_TRUE(NameFilter("", "").keeps("anything"));
}

TEST(NameFilter, RefusesAWrongPatternWithItsReason) {
    const auto wrong = check_pattern("^(sd");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code(), Errc::config);
    EXPECT_EQ(wrong.error().message(), "pattern '^(sd': missing ): ^(sd");
    EXPECT_TRUE(check_pattern("^sd"));
    EXPECT_THROW(NameFilter("(", ""), std::invalid_argument);
}

}  // namespace
}  // namespace holdfast::collectors
