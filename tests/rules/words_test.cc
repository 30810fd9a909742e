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

TEST(InWords, WritesTimesInUtc) {
    EXPECT_EQ(in_words(Timestamp{1'795'513'425'000ms}), "2026-11-24T09:43:45Z");
    EXPECT_EQ(in_words(Timestamp{1'795'513'425'500ms}), "2026-11-24T09:43:45.500Z");
}

}  // namespace
}  // namespace holdfast::rules
