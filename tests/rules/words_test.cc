#include "rules/words.h"

#include <gtest/gtest.h>

namespace holdfast::rules {
namespace {

using namespace std::chrono_literals;

TEST(InWords, SpeaksInTheUnitThatTheNameEndsIn) {
    EXPECT_EQ(in_words("cpu_busy_ratio", 0.314), "31.4 %");
    EXPECT_EQ(in_words("probe_latency_seconds", 0.0123), "12.3 ms");
    EXPECT_EQ(in_words("probe_latency_seconds", 2.5), "2.5 s");
    EXPECT_EQ(in_words("x_seconds", 0.0000123), "12.3 µs");
    EXPECT_EQ(in_words("swap_used_bytes", 1536.0 * 1024 * 1024), "1.5 GiB");
    EXPECT_EQ(in_words("disk_bytes_per_second", 2048), "2 KiB/s");
    EXPECT_EQ(in_words("log_error_lines_per_second", 0.25), "0.25/s");
    EXPECT_EQ(in_words("shop_queue_length", 1234), "1234");
}

TEST(InWords, SaysDurationsByTheirTwoLargestUnits) {
    EXPECT_EQ(in_words(Milliseconds{50h + 30min}), "2 d 2 h");
    EXPECT_EQ(in_words(Milliseconds{90min + 5s}), "1 h 30 min");
    EXPECT_EQ(in_words(Milliseconds{24h + 5min}), "1 d");
    EXPECT_EQ(in_words(Milliseconds{12s}), "12 s");
    EXPECT_EQ(in_words(Milliseconds{250ms}), "250 ms");
    EXPECT_EQ(in_words(Milliseconds{0}), "0 s");
}

TEST(InWords, EstimatesDurationsInOneUnit) {
    EXPECT_EQ(roughly_in_words(Milliseconds{9h + 20min}), "9 h");
    EXPECT_EQ(roughly_in_words(Milliseconds{12 * 24h + 13h}), "13 d");
    EXPECT_EQ(roughly_in_words(Milliseconds{90min + 40s}), "1 h 31 min");
    EXPECT_EQ(roughly_in_words(Milliseconds{12s + 400ms}), "12 s");
    EXPECT_EQ(roughly_in_words(Milliseconds{0}), "1 s");
}

TEST(InWords, TellsDifferencesOfSharesInPointsAndAPaceByTheDayOrHour) {
    EXPECT_EQ(difference_in_words("filesystem_used_ratio", 0.13), "13 points");
    EXPECT_EQ(difference_in_words("filesystem_used_ratio", -14.4), "-1440 points");
    EXPECT_EQ(difference_in_words("swap_used_bytes", 1536), "1.5 KiB");
    EXPECT_EQ(pace_in_words("filesystem_used_ratio", 0.12), "12 points a day");
    EXPECT_EQ(pace_in_words("swap_used_bytes", 24 * 1024, 6h), "24.0 KiB a day");
    EXPECT_EQ(pace_in_words("swap_used_bytes", 24 * 1024, 6h - 1s), "1 KiB an hour");
}

TEST(InWords, WritesTimesInUtc) {
    EXPECT_EQ(in_words(Timestamp{1'795'513'425'000ms}), "2026-11-24T09:43:45Z");
    EXPECT_EQ(in_words(Timestamp{1'795'513'425'500ms}), "2026-11-24T09:43:45.500Z");
}

}  // namespace
}  // namespace holdfast::rules
