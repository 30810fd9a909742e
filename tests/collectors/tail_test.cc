#include "collectors/logs/tail.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <vector>

#include "tests/support/temp_dir.h"

namespace holdfast::collectors {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Lines = std::vector<std::string>;
namespace fs = std::filesystem;

class LineAssemblerTest : public ::testing::Test {
protected:
    void feed(std::string_view bytes) { assembler_.feed(bytes, sink_); }
    void flush() { assembler_.flush(sink_); }

    Lines lines_;
    LineSink sink_ = [this](std::string_view line) { lines_.emplace_back(line); };
    LineAssembler assembler_{8};
};

TEST_F(LineAssemblerTest, JoinsTheHalvesOfALine) {  // pitfall 32
    feed("he");
    feed("llo");
    EXPECT_THAT(lines_, IsEmpty());
    feed("\nwor");
    feed("ld\n");
    EXPECT_THAT(lines_, ElementsAre("hello", "world"));
}

TEST_F(LineAssemblerTest, TakesOffTheLineEndAndKeepsEmptyLines) {
    feed("a\r\n\n\r\nb\rc\n");
    EXPECT_THAT(lines_, ElementsAre("a", "", "", "b\rc"));
}

TEST_F(LineAssemblerTest, ALineOfMaxLineIsNotLong) {
    feed("12345678\n");
    EXPECT_THAT(lines_, ElementsAre("12345678"));
    EXPECT_EQ(assembler_.long_lines(), 0U);
}

TEST_F(LineAssemblerTest, ALineOfOneByteMoreIsClippedAndItsRestSkipped) {  // pitfall 30
    feed("12345678");
    EXPECT_THAT(lines_, IsEmpty());
    feed("9");
    EXPECT_THAT(lines_, ElementsAre("12345678")) << "known as soon as it is long";
    feed(std::string(100'000, 'x'));
    feed("\nnext\n");
    EXPECT_THAT(lines_, ElementsAre("12345678", "next"));
    EXPECT_EQ(assembler_.long_lines(), 1U);
}

TEST_F(LineAssemblerTest, ClipsAtTheEndOfACharacter) {  // pitfall 31
    feed("1234567\xC3\xA9\n");
    feed("123456\xE2\x82\xAC\n");
    feed("12345\xF0\x9F\x98\x80\n");
    feed("123456\xC3\xA9x\n");
    feed("1234\x80\x80\x80\x80\x80\n");
    EXPECT_THAT(lines_, ElementsAre("1234567", "123456", "12345", "123456\xC3\xA9",
                                    "1234\x80\x80\x80\x80"));
    EXPECT_EQ(assembler_.long_lines(), 5U);
}

TEST_F(LineAssemblerTest, AFlushedLineIsNotPassedOnTwice) {
    feed("half");
    flush();
    flush();
    EXPECT_THAT(lines_, ElementsAre("half"));
    feed("\nnext\n");
    EXPECT_THAT(lines_, ElementsAre("half", "next")) << "its late line end is no line";
    feed("half");
    flush();
    feed("ERROR\n\n");
    EXPECT_THAT(lines_, ElementsAre("half", "next", "half", "ERROR", ""));
}

TEST_F(LineAssemblerTest, NulBytesBeforeALineAreNoPartOfIt) {
    feed(std::string(1000, '\0'));
    feed(std::string("\0ERROR\n\0a\0b\n", 12));
    EXPECT_THAT(lines_, ElementsAre("ERROR", std::string("a\0b", 3)));
    EXPECT_EQ(assembler_.long_lines(), 0U);
}

class TailTest : public ::testing::Test {
protected:
    void write(const fs::path& path, std::string_view text) {
        std::ofstream{path, std::ios::binary} << text;
    }
    void append(const fs::path& path, std::string_view text) {
        std::ofstream{path, std::ios::binary | std::ios::app} << text;
    }
    TailStep step(Milliseconds later = 100ms) {
        now_ += later;
        return tail_.step(now_, [this](std::string_view line) { lines_.emplace_back(line); });
    }
    /// The lines of one step.
    Lines read(Milliseconds later = 100ms) {
        lines_.clear();
        (void)step(later);
        return std::exchange(lines_, {});
    }
    Tail make(std::size_t max_line, std::uint64_t max_bytes_per_step,
              std::uint64_t max_lag_bytes) const {
        TailOptions options;
        options.path = log_;
        options.max_line = max_line;
        options.max_bytes_per_step = max_bytes_per_step;
        options.max_lag_bytes = max_lag_bytes;
        return Tail{options};
    }

    holdfast::testing::TempDir dir_;
    fs::path log_ = dir_.path() / "app.log";
    fs::path rotated_ = dir_.path() / "app.log.1";
    Timestamp now_{1'000'000ms};
    Lines lines_;
    Tail tail_ = make(65536, 1 << 20, 16 << 20);
};

std::size_t open_descriptors() {
    const fs::directory_iterator descriptors{"/proc/self/fd"};
    return static_cast<std::size_t>(std::distance(begin(descriptors), end(descriptors)));
}

TEST_F(TailTest, BeginsAtTheEndOfAFileThatIsThereAtTheStart) {
    write(log_, "old\n");
    EXPECT_THAT(read(), IsEmpty());
    append(log_, "new\n");
    EXPECT_THAT(read(), ElementsAre("new"));
    EXPECT_THAT(read(), IsEmpty());
}

TEST_F(TailTest, BeginsAtTheBeginningOfAFileThatAppearsLater) {
    const auto absent = step();
    EXPECT_FALSE(absent.is_up);
    EXPECT_FALSE(absent.has_file);
    write(log_, "first\nsecond\n");
    const auto found = step();
    EXPECT_TRUE(found.is_up);
    EXPECT_EQ(found.bytes, 13U);
    EXPECT_EQ(found.recreates + found.renames + found.truncates, 0U);
    EXPECT_THAT(lines_, ElementsAre("first", "second"));
}

TEST_F(TailTest, ALineWaitsForItsEnd) {  // pitfall 32
    write(log_, "");
    read();
    append(log_, "hal");
    EXPECT_THAT(read(), IsEmpty());
    EXPECT_THAT(read(999ms), IsEmpty());
    append(log_, "f\n");
    EXPECT_THAT(read(), ElementsAre("half"));
}

TEST_F(TailTest, ALastLineWithoutItsEndComesAfterOneIdleSecondAsOne) {  // pitfall 32
    write(log_, "");
    read();
    append(log_, "last words");
    EXPECT_THAT(read(), IsEmpty());
    EXPECT_THAT(read(999ms), IsEmpty());
    EXPECT_THAT(read(1ms), ElementsAre("last words"));
    EXPECT_THAT(read(10s), IsEmpty());
}

TEST_F(TailTest, ARenamedFileIsReadUntilItIsQuietForFiveSeconds) {  // pitfall 24
    write(log_, "");
    read();
    append(log_, "before\n");
    fs::rename(log_, rotated_);
    write(log_, "after\n");
    const auto rotation = step();
    EXPECT_EQ(rotation.renames, 1U);
    EXPECT_TRUE(rotation.is_up);
    EXPECT_THAT(lines_, ElementsAre("before", "after")) << "the older file first, each line once";

    append(rotated_, "late\n");
    EXPECT_THAT(read(4999ms), ElementsAre("late"));
    append(rotated_, "later\n");
    EXPECT_THAT(read(4999ms), ElementsAre("later")) << "five seconds from the last data on";
    EXPECT_THAT(read(5000ms), IsEmpty());
    append(rotated_, "too late\n");
    EXPECT_THAT(read(), IsEmpty());
}

TEST_F(TailTest, ARotatedFileIsReadToItsEndHoweverLongThatTakes) {
    tail_ = make(65536, 4, 1 << 20);
    write(log_, "");
    read();
    append(log_, "aaa\nbbb\nccc\n");
    fs::rename(log_, rotated_);
    write(log_, "ddd\n");
    Lines all;
    for (int i = 0; i < 5; ++i) {
        const auto more = read(10s);
        all.insert(all.end(), more.begin(), more.end());
    }
    EXPECT_THAT(all, ElementsAre("aaa", "bbb", "ccc", "ddd"));
}

TEST_F(TailTest, AFileWithoutItsEndThatIsRotatedAwayGivesItsLastLine) {
    write(log_, "");
    read();
    append(log_, "last words");
    fs::rename(log_, rotated_);
    write(log_, "");
    EXPECT_THAT(read(), IsEmpty());
    EXPECT_THAT(read(1s), ElementsAre("last words"));
}

TEST_F(TailTest, ARenamedFileWithoutASuccessorIsStillRead) {
    write(log_, "");
    read();
    fs::rename(log_, rotated_);
    EXPECT_FALSE(step().is_up);
    EXPECT_TRUE(step(1h).has_file);
    append(rotated_, "still here\n");
    EXPECT_THAT(read(), ElementsAre("still here"));
    write(log_, "new\n");
    EXPECT_EQ(step().renames, 1U);
    EXPECT_THAT(lines_, ElementsAre("new"));
}

TEST_F(TailTest, TheRotatedNameIsNotReadAgain) {  // pitfall 24
    write(log_, "");
    read();
    append(log_, "once\n");
    EXPECT_THAT(read(), ElementsAre("once"));
    fs::rename(log_, rotated_);
    EXPECT_THAT(read(), IsEmpty());
    fs::rename(rotated_, log_);
    append(log_, "twice\n");
    EXPECT_THAT(read(), ElementsAre("twice")) << "the same file, under its name again";
}

TEST_F(TailTest, TwoRotationsWithinTheGraceLoseNothing) {
    write(log_, "");
    read();
    append(log_, "a\n");
    fs::rename(log_, dir_.path() / "app.log.2");
    write(log_, "b\n");
    EXPECT_THAT(read(), ElementsAre("a", "b"));
    append(dir_.path() / "app.log.2", "a2\n");
    fs::rename(log_, rotated_);
    write(log_, "c\n");
    append(rotated_, "b2\n");
    EXPECT_THAT(read(), ElementsAre("a2", "b2", "c"));
}

TEST_F(TailTest, RotatedFilesAreClosedAfterTheGraceAndCapped) {  // pitfall 27
    write(log_, "");
    read();
    const auto before = open_descriptors();
    for (int i = 0; i < 10; ++i) {
        fs::rename(log_, dir_.path() / ("app.log." + std::to_string(i)));
        write(log_, std::to_string(i) + "\n");
        EXPECT_THAT(read(), SizeIs(1));
    }
    EXPECT_EQ(open_descriptors(), before + 4);
    read(5s);
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(TailTest, CopytruncateBeginsAnew) {  // pitfall 23
    write(log_, "");
    read();
    append(log_, "a long line before\n");
    read();
    write(log_, "short\n");  // truncates: the same inode
    const auto truncated = step();
    EXPECT_EQ(truncated.truncates, 1U);
    EXPECT_EQ(truncated.renames + truncated.recreates, 0U);
    EXPECT_THAT(lines_, ElementsAre("short"));
    EXPECT_EQ(step().truncates, 0U);
}

TEST_F(TailTest, CopytruncateIsSeenEvenWhenTheFileHasOutgrownTheOffset) {  // pitfall 23
    write(log_, "");
    read();
    append(log_, "one\n");
    read();
    write(log_, "two\nthree\nfour\n");
    EXPECT_EQ(step().truncates, 1U);
    EXPECT_THAT(lines_, ElementsAre("two", "three", "four"));
}

TEST_F(TailTest, CopytruncateIsSeenWhenOnlyTheEndOfTheHeaderDiffers) {
    const std::string same(200, 'x');
    write(log_, "");
    read();
    append(log_, same + "a" + same + "\n");
    read();
    write(log_, same + "b" + same + "\nmore\n");
    EXPECT_EQ(step().truncates, 1U);
    EXPECT_THAT(lines_, SizeIs(2));
}

TEST_F(TailTest, AHeaderThatGrowsIsNoOtherFile) {  // pitfall 26
    write(log_, "");
    read();
    for (int i = 0; i < 100; ++i) {
        append(log_, "0123456789\n");
        EXPECT_EQ(step().truncates, 0U);
    }
    EXPECT_THAT(lines_, SizeIs(100));
}

TEST_F(TailTest, TruncationInTheMiddleOfALineEndsTheLine) {
    write(log_, "");
    read();
    append(log_, "unfinished");
    read();
    write(log_, "new\n");
    EXPECT_THAT(read(), ElementsAre("unfinished", "new"));
}

TEST_F(TailTest, TruncationInTheMiddleOfALongLineEndsIt) {
    tail_ = make(4, 1 << 20, 1 << 20);
    write(log_, "");
    read();
    append(log_, "123456789");
    EXPECT_THAT(read(), ElementsAre("1234"));
    write(log_, "new\n");
    EXPECT_THAT(read(), ElementsAre("new"));
}

TEST_F(TailTest, TheHoleOfAWriterThatMissedTheTruncationIsNoPartOfItsLine) {
    write(log_, "");
    read();
    append(log_, "before\n");
    read();
    write(log_, "");
    read();
    fs::resize_file(log_, 500'000);
    append(log_, "ERROR after\n");
    EXPECT_THAT(read(), ElementsAre("ERROR after"));
}

TEST_F(TailTest, ADeletedAndRecreatedFileIsReadFromItsBeginning) {
    write(log_, "");
    read();
    append(log_, "before\n");
    fs::remove(log_);
    write(log_, "after\n");
    const auto recreated = step();
    EXPECT_EQ(recreated.recreates, 1U);
    EXPECT_EQ(recreated.renames, 0U);
    EXPECT_THAT(lines_, ElementsAre("before", "after"));
}

TEST_F(TailTest, ARecreatedFileWithAReusedInodeIsReadFromItsBeginning) {  // pitfall 25
    write(log_, "");
    read();
    append(log_, "a long line before\n");
    read();
    struct stat before {};
    ASSERT_EQ(::stat(log_.c_str(), &before), 0);
    fs::remove(log_);
    EXPECT_THAT(read(), IsEmpty());
    EXPECT_FALSE(step(5s).has_file) << "a deleted file is not held";  // pitfall 27
    // The file system may give the inode again now; some do at once, some never.
    write(log_, "a long line before\nwith the same first bytes\n");
    const auto recreated = step();
    EXPECT_EQ(recreated.recreates, 1U);
    EXPECT_THAT(lines_, ElementsAre("a long line before", "with the same first bytes"));
    struct stat after {};
    ASSERT_EQ(::stat(log_.c_str(), &after), 0);
    RecordProperty("inode_was_reused", before.st_ino == after.st_ino ? "yes" : "no");
}

TEST_F(TailTest, ADeletedFileIsHeldForTheGraceOnly) {  // pitfall 27
    write(log_, "");
    read();
    const auto before = open_descriptors();
    fs::remove(log_);
    EXPECT_TRUE(step().has_file);
    EXPECT_TRUE(step(4999ms).has_file);
    EXPECT_FALSE(step(1ms).has_file);
    EXPECT_EQ(open_descriptors(), before - 1);
}

TEST_F(TailTest, WhatCannotBeOpenedIsTriedAgainAtEachStep) {  // pitfall 28
    write(log_, "");
    read();
    fs::rename(log_, rotated_);
    fs::create_directory(log_);  // in place of EACCES, which root never gets
    EXPECT_FALSE(step().is_up);
    append(rotated_, "meanwhile\n");
    EXPECT_THAT(read(), ElementsAre("meanwhile"));
    fs::remove(log_);
    write(log_, "again\n");
    EXPECT_TRUE(step().is_up);
    EXPECT_THAT(lines_, ElementsAre("again"));
}

TEST_F(TailTest, AFileThatCannotBeReadAtTheStartIsFollowedFromTheEndItHadThen) {  // pitfall 28
    if (::geteuid() == 0) {
        GTEST_SKIP() << "root may read everything";
    }
    write(log_, "old\n");
    fs::permissions(log_, fs::perms::none);
    EXPECT_FALSE(step().is_up);
    fs::permissions(log_, fs::perms::owner_all);
    append(log_, "new\n");
    EXPECT_THAT(read(), ElementsAre("new"));
}

TEST_F(TailTest, AFifoIsNoLogAndBlocksNothing) {
    ASSERT_EQ(::mkfifo(log_.c_str(), 0600), 0);
    EXPECT_FALSE(step().is_up);
}

TEST_F(TailTest, AnEmptyFileIsWaitedFor) {  // pitfall 26
    read();
    write(log_, "");
    EXPECT_TRUE(step().is_up);
    append(log_, "x\n");
    EXPECT_THAT(read(), ElementsAre("x"));
}

TEST_F(TailTest, AHugeLineIsCountedOnceAndTheNextOneIsWhole) {  // pitfall 30
    tail_ = make(65536, 1 << 20, 64 << 20);
    write(log_, "");
    read();
    append(log_, std::string(3 << 20, 'x'));
    std::uint64_t long_lines = 0;
    for (int i = 0; i < 4; ++i) {
        long_lines += step().long_lines;
    }
    append(log_, "\nnext\n");
    long_lines += step().long_lines;
    EXPECT_EQ(long_lines, 1U);
    ASSERT_THAT(lines_, SizeIs(2));
    EXPECT_THAT(lines_[0], SizeIs(65536));
    EXPECT_EQ(lines_[1], "next");
}

TEST_F(TailTest, AStepReadsItsBudgetAndReportsTheRest) {  // pitfall 29
    tail_ = make(65536, 8, 1 << 20);
    write(log_, "");
    read();
    append(log_, "abc\ndef\nghi\n");
    const auto first = step();
    EXPECT_EQ(first.bytes, 8U);
    EXPECT_EQ(first.lag_bytes, 4U);
    EXPECT_THAT(lines_, ElementsAre("abc", "def"));
    const auto second = step();
    EXPECT_EQ(second.bytes, 4U);
    EXPECT_EQ(second.lag_bytes, 0U);
}

TEST_F(TailTest, APartialLineIsNotFlushedWhileMoreIsThere) {
    tail_ = make(65536, 6, 1 << 20);
    write(log_, "");
    read();
    append(log_, "abc\ndefgh\n");
    EXPECT_THAT(read(), ElementsAre("abc"));
    EXPECT_THAT(read(10s), ElementsAre("defgh"));
}

TEST_F(TailTest, AFloodIsCountedNotPassedOn) {  // failure mode 8
    tail_ = make(65536, 8, 16);
    write(log_, "");
    read();
    append(log_, "aaa\nbbb\nccc\nddd\neee\nfff\n");  // 24 bytes: as much as may be behind
    EXPECT_EQ(step().flooded_lines, 0U);
    append(log_, "ggg\nhhh\niii\n");  // 28 bytes are left
    const auto flooded = step();
    EXPECT_EQ(flooded.flooded_lines, 1U);
    EXPECT_EQ(flooded.bytes, 12U);
    EXPECT_EQ(flooded.lag_bytes, 16U);
    for (int i = 0; i < 2; ++i) {
        (void)step();
    }
    EXPECT_THAT(lines_, ElementsAre("aaa", "bbb", "ddd", "eee", "fff", "ggg", "hhh", "iii"));
}

TEST_F(TailTest, AFloodThatEndsInTheMiddleOfALineTakesTheWholeLine) {
    tail_ = make(65536, 4, 4);
    write(log_, "");
    read();
    append(log_, "aaa\nbbbb\ncc\n");  // 12 bytes, 8 may be behind: 4 are skipped
    auto flooded = step().flooded_lines;
    append(log_, "dd\n");  // 7 bytes are left
    flooded += step().flooded_lines;
    for (int i = 0; i < 3; ++i) {
        flooded += step().flooded_lines;
    }
    EXPECT_EQ(flooded, 1U);
    EXPECT_THAT(lines_, ElementsAre("bbbb", "cc", "dd"));

    lines_.clear();
    append(log_, "aaaa\nbbb\ncc\n");
    flooded = step().flooded_lines;
    EXPECT_EQ(flooded, 1U) << "its first four bytes were skipped";
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(step().flooded_lines, 0U);
    }
    EXPECT_THAT(lines_, ElementsAre("bbb", "cc"));
}

TEST_F(TailTest, AClockThatIsSetBackLosesNothing) {  // pitfall 37
    write(log_, "");
    read();
    append(log_, "partial");
    read();
    read(-1h);
    EXPECT_THAT(read(999ms), IsEmpty());
    EXPECT_THAT(read(1ms), ElementsAre("partial"));
}

}  // namespace
}  // namespace holdfast::collectors
