#include "storage/integer_stream.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <random>

namespace holdfast::storage {
namespace {

using Integers = std::vector<std::int64_t>;
using Limits = std::numeric_limits<std::int64_t>;

std::string encoded(const Integers& values) {
    std::string out;
    append_integers(out, values);
    return out;
}

void expect_round_trip(const Integers& values) {
    const auto bytes = encoded(values) + "next";
    ByteReader in{bytes};
    const auto back = read_integers(in, values.size());
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, values);
    EXPECT_EQ(in.rest(), "next");
}

Integers generate(std::size_t count, const std::function<std::int64_t(std::size_t)>& value) {
    Integers out;
    for (std::size_t i = 0; i < count; ++i) {
        out.push_back(value(i));
    }
    return out;
}

TEST(IntegerStream, GivesEveryIntegerBack) {
    expect_round_trip({});
    expect_round_trip({0});
    expect_round_trip({Limits::min()});
    expect_round_trip({Limits::max(), Limits::min(), 0, -1, 1, Limits::min(), Limits::max()});
    expect_round_trip(Integers(100'000, -7));
    std::mt19937_64 engine{11};
    for (unsigned width = 0; width < 64; ++width) {
        expect_round_trip(generate(
            777, [&](std::size_t) { return static_cast<std::int64_t>(engine() >> width); }));
    }
}

TEST(IntegerStream, GivesBackIntegersOfAllWidthsAtOnce) {
    // Every symbol in use, with counts so uneven that the code has to be cut to its longest length.
    std::mt19937_64 engine{12};
    Integers values;
    for (unsigned width = 1; width < 64; ++width) {
        const auto times = std::size_t{1} << (width % 16);
        for (std::size_t i = 0; i < times; ++i) {
            values.push_back(static_cast<std::int64_t>(engine() >> width));
        }
        values.resize(values.size() + times, 0);
    }
    expect_round_trip(values);
}

TEST(IntegerStream, TakesNoBitsForWhatDoesNotChangeAndFewForRareChanges) {
    EXPECT_LE(encoded(Integers(8064, 123'456)).size(), 8U);
    EXPECT_LE(
        encoded(generate(8064, [](std::size_t i) { return i < 3000 ? 5 : 1'000'000; })).size(),
        40U);
}

TEST(IntegerStream, TakesAboutTheEntropyOfNoise) {
    std::mt19937_64 engine{13};
    const auto bits = [&](auto distribution) {
        const auto values = generate(
            8064, [&](std::size_t) { return static_cast<std::int64_t>(distribution(engine)); });
        return static_cast<double>(encoded(values).size()) * 8 / 8064;
    };
    EXPECT_LT(bits(std::uniform_int_distribution<int>{1'000, 1'255}), 8.2);
    EXPECT_LT(bits(std::poisson_distribution<int>{100}), 5.37 + 0.3);  // log2 √(2πe·100)
    EXPECT_LT(bits(std::bernoulli_distribution{0.5}), 1.6);
}

TEST(IntegerStream, RefusesEveryTruncation) {
    const auto bytes =
        encoded(generate(300, [](std::size_t i) { return static_cast<std::int64_t>(i * i % 97); }));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        ByteReader in{std::string_view{bytes}.substr(0, size)};
        EXPECT_FALSE(read_integers(in, 300)) << size;
    }
}

TEST(IntegerStream, RefusesWhatIsNoCode) {
    const auto refused = [](std::string bytes, std::size_t count) {
        bytes.resize(bytes.size() + 64);
        ByteReader in{bytes};
        return !read_integers(in, count);
    };
    const std::string head{"\0\0", 2};
    EXPECT_FALSE(refused(head + '\x17' + '\x17', 5));             // one symbol, without a code
    EXPECT_TRUE(refused("\4" + head.substr(1) + "\x17\x17", 5));  // no such predictor
    EXPECT_TRUE(refused(head + '\x18' + '\x17', 5));              // lowest above highest
    EXPECT_TRUE(refused(head + '\x17' + '\x57', 5));              // no such symbol
    EXPECT_TRUE(refused(head + '\x17' + '\x18' + '\x12', 5));     // codes too few
    EXPECT_TRUE(refused(head + '\x17' + '\x19' + '\x11' + '\x01', 5));  // codes too many
    EXPECT_TRUE(refused(head + '\x17' + '\x18' + '\xcc', 5));           // codes too long
    EXPECT_FALSE(refused(head + '\x17' + '\x18' + '\x11', 5));
    EXPECT_TRUE(refused(head + '\x04' + '\x04', 5));  // a run longer than the sequence
    EXPECT_FALSE(refused(head + '\x04' + '\x04', 16));
}

}  // namespace
}  // namespace holdfast::storage
