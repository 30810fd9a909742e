#include "storage/sample_row.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <random>

namespace holdfast::storage {
namespace {

void expect_round_trip(std::uint64_t epoch, const std::vector<RowValue>& values) {
    const auto decoded = decode_row(encode_row(epoch, values));
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(decoded->epoch, epoch);
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

TEST(SampleRow, IsSmallForWhatCollectorsRead) {
    // Counters of seconds at 10 ms and of bytes, as /proc gives them.
    EXPECT_LE(encode_row(1, {{1, 12345.67}, {2, 12345.68}, {3, 987654321}}).size(), 3 + 3 * 6U);
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
    const auto good = encode_row(300, {{1, 12.34}, {2, 1.0 / 3}, {9, -5}});
    for (std::size_t size = 0; size < good.size(); ++size) {
        const auto decoded = decode_row(std::string_view{good}.substr(0, size));
        ASSERT_FALSE(decoded) << size;
        EXPECT_EQ(decoded.error().code(), Errc::corrupt);
    }
    EXPECT_FALSE(decode_row(good + "x"));
    auto newer = good;
    newer[0] = 2;
    EXPECT_FALSE(decode_row(newer));
}

TEST(SampleRow, DoesNotBelieveACountThatTheBytesCannotHold) {
    const std::string claims_billions{"\x01\x00\xff\xff\xff\xff\x0f", 7};
    EXPECT_FALSE(decode_row(claims_billions));
}

}  // namespace
}  // namespace holdfast::storage
