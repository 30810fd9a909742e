#include "storage/row_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace holdfast::storage {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const std::vector<RowKey> in_order{
    {0, Timestamp{0ms}},
    {0, Timestamp{1ms}},
    {0, Timestamp{24h - 1ms}},
    {1, Timestamp{0ms}},
    {std::numeric_limits<std::uint32_t>::max(), Timestamp{0ms}},
    {0, Timestamp{24h}},
    {7, Timestamp{24h * 20'000}},
    {0, Timestamp{24h * 65'535 + 5ms}},
};

TEST(RowKey, ComesBackFromItsBytesAtTheExtremes) {
    for (const auto& key : in_order) {
        const auto decoded = decode_row_key(encode(key));
        ASSERT_TRUE(decoded) << decoded.error().message();
        EXPECT_EQ(*decoded, key);
    }
}

TEST(RowKey, SortsByDayThenSourceThenTime) {
    for (std::size_t i = 1; i < in_order.size(); ++i) {
        EXPECT_LT(encode(in_order[i - 1]), encode(in_order[i])) << i;
    }
}

TEST(RowKey, BeginsWithItsDayAndSource) {
    const RowKey key{7, Timestamp{24h * 20'000 + 3h}};
    EXPECT_TRUE(encode(key).starts_with(day_prefix(20'000)));
    EXPECT_TRUE(encode(key).starts_with(source_prefix(20'000, 7)));
}

TEST(RowKey, RefusesEveryWrongLengthAndAWrongDay) {
    const auto good = encode({7, Timestamp{24h}});
    for (std::size_t size = 0; size < 20; ++size) {
        if (size != good.size()) {
            auto bytes = good;
            bytes.resize(size);
            const auto decoded = decode_row_key(bytes);
            ASSERT_FALSE(decoded);
            EXPECT_EQ(decoded.error().code(), Errc::corrupt);
            EXPECT_THAT(decoded.error().message(), HasSubstr("expected 14"));
        }
    }
    auto other_day = good;
    other_day[1] = 9;
    EXPECT_FALSE(decode_row_key(other_day));
}

}  // namespace
}  // namespace holdfast::storage
