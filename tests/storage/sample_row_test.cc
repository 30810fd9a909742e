#include "storage/sample_row.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <random>

namespace holdfast::storage {
namespace {

using namespace std::chrono_literals;

void expect_round_trip(std::uint64_t epoch, const std::vector<RowValue>& values,
                       Milliseconds delay = 250ms) {
    const auto decoded = decode_row(encode_row(epoch, delay, values));
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(decoded->epoch, epoch);
    EXPECT_EQ(decoded->delay, delay);
    ASSERT_EQ(decoded->values.size(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_EQ(decoded->values[i].series, values[i].series);
        EXPECT_EQ(std::bit_cast<std::uint64_t>(decoded->values[i].value),
                  std::bit_cast<std::uint64_t>(values[i].value))
            << values[i].value;
    }
}

TEST(SampleRow, GivesEveryValueBackBitForBit) {
    using Limits = std::numeric_limits<double>;
    std::vector<RowValue> values;
    std::uint32_t series = 0;
    for (const double value : {0.0,
                               -0.0,
                               1.0,
                               -1.0,
                               0.01,
                               123456.78,
                               0.1,
                               1.0 / 3,
                               4096.0,
                               4503599627370495.0,
                               4503599627370496.0,
                               9007199254740993.0,
                               1e300,
                               -1e-300,
                               Limits::max(),
                               Limits::min(),
                               Limits::denorm_min(),
                               Limits::infinity(),
                               -Limits::infinity(),
                               Limits::quiet_NaN()}) {
        values.push_back({series += 3, value});
    }
    expect_round_trip(0, values);
    expect_round_trip(std::numeric_limits<std::uint64_t>::max(), values);
}

TEST(SampleRow, TakesSeriesInAnyOrder) {
    expect_round_trip(1, {{4'294'967'295U, 1}, {0, 2}, {4'294'967'295U, 3}, {7, 4}});
    expect_round_trip(1, {});
}

TEST(SampleRow, KeepsTheDelayWhateverTheClocksDid) {
    for (const auto delay :
         {0ms, 1ms, -1ms, 30'000ms, -5'000ms, Milliseconds::max(), Milliseconds::min()}) {
        expect_round_trip(1, {{1, 2.5}}, delay);
    }
}

TEST(SampleRow, ReadsFormat1WhichHadNoDelay) {
    const std::string format_1{"\x01\x07\x02\x02\x60\x02\x03\0\0\0\0\0\0\xf0\x3f", 15};
    const auto decoded = decode_row(format_1);
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(decoded->epoch, 7);
    EXPECT_EQ(decoded->delay, 0ms);
    ASSERT_EQ(decoded->values.size(), 2);
    EXPECT_EQ(decoded->values[0].series, 1);
    EXPECT_EQ(decoded->values[0].value, 12);
    EXPECT_EQ(decoded->values[1].series, 2);
    EXPECT_EQ(decoded->values[1].value, 1);
    for (std::size_t size = 0; size < format_1.size(); ++size) {
        EXPECT_FALSE(decode_row(std::string_view{format_1}.substr(0, size))) << size;
    }
}

TEST(SampleRow, IsSmallForWhatCollectorsRead) {
    // Counters of seconds at 10 ms and of bytes, as /proc gives them.
    EXPECT_LE(encode_row(1, 20ms, {{1, 12345.67}, {2, 12345.68}, {3, 987654321}}).size(),
              4 + 3 * 6U);
}

TEST(SampleRow, GivesRandomDecimalsBack) {
    std::mt19937_64 engine{3};
    std::uniform_int_distribution<std::int64_t> digits{-1'000'000'000'000, 1'000'000'000'000};
    std::vector<RowValue> values;
    for (std::uint32_t i = 0; i < 3000; ++i) {
        const auto q = static_cast<double>(digits(engine));
        values.push_back({i, i % 3 == 0 ? q : q / (i % 3 == 1 ? 1e2 : 1e6)});
    }
    expect_round_trip(7, values);
}

TEST(SampleRow, RefusesEveryTruncationAndWhatFollows) {
    const auto good = encode_row(300, 1'000ms, {{1, 12.34}, {2, 1.0 / 3}, {9, -5}});
    for (std::size_t size = 0; size < good.size(); ++size) {
        const auto decoded = decode_row(std::string_view{good}.substr(0, size));
        ASSERT_FALSE(decoded) << size;
        EXPECT_EQ(decoded.error().code(), Errc::corrupt);
    }
    EXPECT_FALSE(decode_row(good + "x"));
    auto newer = good;
    newer[0] = 3;
    EXPECT_FALSE(decode_row(newer));
}

TEST(SampleRow, DoesNotBelieveACountThatTheBytesCannotHold) {
    const std::string claims_billions{"\x02\x00\x00\xff\xff\xff\xff\x0f", 8};
    EXPECT_FALSE(decode_row(claims_billions));
}

}  // namespace
}  // namespace holdfast::storage
