#include "daemon/quantities.h"

#include <gtest/gtest.h>

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;

TEST(ParseDuration, ReadsPrometheusDurations) {
    EXPECT_EQ(*parse_duration("250ms"), 250ms);
    EXPECT_EQ(*parse_duration("1h30m"), 90min);
    EXPECT_EQ(*parse_duration("2w"), 14 * 24h);
    EXPECT_EQ(*parse_duration("0s"), 0ms);
    for (const auto* bad :
         {"", "5", "m5", "5 m", "-5s", "5x", "1.5h", "9999999999999999999s", "99999999w", "5s5"}) {
        EXPECT_FALSE(parse_duration(bad)) << bad;
    }
}

TEST(FormatDuration, IsReadBackAsTheSame) {
    for (const Milliseconds d : {0ms, 1ms, 999ms, 61'001ms, Milliseconds{7 * 24h + 5min}}) {
        EXPECT_EQ(*parse_duration(format_duration(d)), d);
    }
    EXPECT_EQ(format_duration(7 * 24h), "7d");
}

TEST(ParseShare, ReadsNumbersAndPercentages) {
    EXPECT_DOUBLE_EQ(*parse_share("2%"), 0.02);
    EXPECT_DOUBLE_EQ(*parse_share("0.5 %"), 0.005);
    EXPECT_DOUBLE_EQ(*parse_share("-3"), -3);
    for (const auto* bad : {"", "%", "2%%", "nan", "inf", "1e999", "two"}) {
        EXPECT_FALSE(parse_share(bad)) << bad;
    }
}

TEST(ParseBytes, ReadsBinaryUnits) {
    EXPECT_EQ(*parse_bytes("4MiB"), 4U << 20U);
    EXPECT_EQ(*parse_bytes("1000"), 1000);
    for (const auto* bad : {"", "MiB", "-1", "4MB", "99999999GiB"}) {
        EXPECT_FALSE(parse_bytes(bad)) << bad;
    }
}

TEST(ParseTime, ReadsRfc3339AndMilliseconds) {
    const Timestamp at{1'795'513'425'500ms};
    EXPECT_EQ(*parse_time("1795513425500"), at);
    EXPECT_EQ(*parse_time("2026-11-24T09:43:45.500Z"), at);
    EXPECT_EQ(*parse_time("2026-11-24T10:43:45.500+01:00"), at);
    EXPECT_EQ(*parse_time(format_time(at)), at);
    for (const auto* bad :
         {"", "yesterday", "2026-11-24", "2026-13-24T09:43:45Z", "2026-11-24T09:43:45Zx"}) {
        EXPECT_FALSE(parse_time(bad)) << bad;
    }
}

TEST(Sha256Hex, IsTheStandardsExample) {
    EXPECT_EQ(sha256_hex("abc"),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-2
}

}  // namespace
}  // namespace holdfast::daemon
