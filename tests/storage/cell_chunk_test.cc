#include "storage/cell_chunk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

namespace holdfast::storage {
namespace {

using ::testing::HasSubstr;
using Limits = std::numeric_limits<double>;

constexpr std::size_t four_weeks = 8064;

std::uint64_t bits(double value) {
    return std::bit_cast<std::uint64_t>(value);
}

void expect_round_trip(const Cells& cells) {
    const auto bytes = encode_cells(cells);
    EXPECT_EQ(encode_cells(Cells{cells}), bytes);  // deterministic
    const auto back = decode_cells(bytes, cells.size());
    ASSERT_TRUE(back) << back.error().message();
    ASSERT_EQ(back->size(), cells.size());
    for (std::size_t i = 0; i < cells.size(); ++i) {
        ASSERT_EQ(bits((*back)[i].numerator), bits(cells[i].numerator)) << i;
        ASSERT_EQ(bits((*back)[i].denominator), bits(cells[i].denominator)) << i;
    }
}

using Make = std::function<double(std::size_t)>;

Cells make(std::size_t count, const Make& numerator, const Make& denominator) {
    Cells cells;
    for (std::size_t i = 0; i < count; ++i) {
        const auto below = denominator(i);
        cells.push_back({numerator(i), below});
    }
    return cells;
}

/// Every kind of series that signals are made of, from a fixed seed.
class Shapes {
public:
    explicit Shapes(std::uint64_t seed) : engine_{seed} {}

    std::vector<Make> all() {
        return {
            [](std::size_t) { return 0.25; },
            [](std::size_t) { return -0.0; },
            [this](std::size_t) { return whole(40); },
            [this](std::size_t) { return -whole(3e6) * 1e9; },
            [this](std::size_t) { return std::round(normal() * 1e4) / 1e4; },
            [this](std::size_t) { return whole(2000) / 300; },
            [this](std::size_t) { return whole(2000) * 4096 / 20; },
            [this](std::size_t) { return 0.3 + 0.01 * normal(); },
            [this](std::size_t) { return static_cast<double>(static_cast<float>(normal())); },
            [this](std::size_t) {
                const auto before = counter_;
                counter_ = std::round((counter_ + std::abs(normal())) * 100) / 100;
                return counter_ - before;
            },
            [](std::size_t i) { return i < 17 ? 1e9 : 2e9; },
            [this](std::size_t) {
                return std::ldexp(normal(), static_cast<int>(engine_() % 2000) - 1000);
            },
            [this](std::size_t) { return std::bit_cast<double>(engine_()); },
            [this](std::size_t) { return special_[engine_() % special_.size()]; },
            [this](std::size_t i) {
                return i % 97 == 0 ? special_[i % special_.size()] : whole(9);
            },
        };
    }
    bool chance(double probability) { return std::bernoulli_distribution{probability}(engine_); }

private:
    double normal() { return std::normal_distribution<double>{}(engine_); }
    double whole(double mean) {
        return static_cast<double>(std::poisson_distribution<std::int64_t>{mean}(engine_));
    }

    std::mt19937_64 engine_;
    double counter_ = 123'456.78;
    std::vector<double> special_{0.0,
                                 -0.0,
                                 1.0 / 3,
                                 Limits::denorm_min(),
                                 -Limits::denorm_min(),
                                 Limits::min(),
                                 Limits::max(),
                                 -Limits::max(),
                                 9007199254740992.0,
                                 9007199254740993e3,
                                 Limits::infinity(),
                                 -Limits::infinity(),
                                 Limits::quiet_NaN()};
};

TEST(CellChunk, GivesEveryCellBackBitForBit) {
    for (const std::size_t count : {1U, 2U, 7U, 128U, 129U, 1000U}) {
        Shapes shapes{count};
        const auto all = shapes.all();
        for (std::size_t i = 0; i < all.size(); ++i) {
            SCOPED_TRACE(fmt::format("{} cells, shape {}", count, i));
            expect_round_trip(make(count, all[i], all[0]));
            expect_round_trip(make(count, all[i], all[(i * 7 + 3) % all.size()]));
        }
    }
}

TEST(CellChunk, KeepsWhatIsMissingApartFromZero) {
    expect_round_trip({});
    expect_round_trip(Cells(four_weeks));
    expect_round_trip({{}, {0, 1}, {0, -0.0}, {-0.0, 0}, {}, {}, {5, 0}});
    Shapes shapes{5};
    for (const auto& shape : shapes.all()) {
        for (const double missing : {0.01, 0.5, 0.99}) {
            auto cells = make(2000, shape, [](std::size_t) { return 1.0; });
            for (auto& cell : cells) {
                cell = shapes.chance(missing) ? Cell{} : cell;
            }
            expect_round_trip(cells);
            std::fill(cells.begin() + 200, cells.begin() + 1200, Cell{});
            expect_round_trip(cells);
        }
    }
}

TEST(CellChunk, IsSmall) {
    Shapes shapes{6};
    const auto all = shapes.all();
    const auto bytes_per_cell = [&](std::size_t shape) {
        const auto cells = make(four_weeks, all[shape], all[0]);
        return static_cast<double>(encode_cells(cells).size()) / four_weeks;
    };
    EXPECT_LT(encode_cells(Cells(four_weeks)).size(), 32U);
    EXPECT_LT(bytes_per_cell(0), 0.01);  // constant
    EXPECT_LT(bytes_per_cell(2), 0.65);  // Poisson of mean 40: 4.7 bits
    EXPECT_LT(bytes_per_cell(5), 1.0);   // over 300: Poisson of mean 2000: 7.5 bits
    EXPECT_LT(bytes_per_cell(6), 1.0);   // the same over 20, in pages
    EXPECT_LT(bytes_per_cell(7), 6.4);   // 0.3 ± 0.01 without a form: 47.4 bits above the last
    EXPECT_LT(bytes_per_cell(9), 1.4);   // what a counter with two decimals gains
    EXPECT_LT(bytes_per_cell(12), 8.3);  // random bits: they and little more
}

TEST(CellChunk, RefusesEveryTruncationAndWhatFollows) {
    Shapes shapes{7};
    for (const auto& shape : shapes.all()) {
        auto cells = make(150, shape, [](std::size_t i) { return static_cast<double>(i % 3); });
        cells[5] = cells[6] = {};
        const auto bytes = encode_cells(cells);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const auto decoded = decode_cells(std::string_view{bytes}.substr(0, size), 150);
            ASSERT_FALSE(decoded) << size;
            EXPECT_EQ(decoded.error().code(), Errc::corrupt);
        }
        EXPECT_FALSE(decode_cells(bytes + '\0', 150));
        EXPECT_FALSE(decode_cells(bytes, 149));
        EXPECT_FALSE(decode_cells(bytes, 151));
    }
}

TEST(CellChunk, SaysWhereItIsDamaged) {
    const auto bytes = encode_cells({{1, 2}, {3, 4}, {}});
    const auto message = [](std::string_view chunk, std::size_t cells) {
        return decode_cells(chunk, cells).error().message();
    };
    EXPECT_THAT(message("", 3), HasSubstr("unknown format version"));
    EXPECT_THAT(message("\x02", 3), HasSubstr("unknown format version"));
    EXPECT_THAT(message(bytes, 0), HasSubstr("bad number of runs before byte 2"));
    EXPECT_THAT(message(bytes, 2), HasSubstr("bad runs"));
    EXPECT_THAT(message(std::string_view{bytes}.substr(0, bytes.size() - 1), 3),
                HasSubstr("bad numerators before byte"));
    EXPECT_THAT(message(bytes + "x", 3), HasSubstr("bytes follow"));
    EXPECT_THAT(message(bytes, cells_max + 1), HasSubstr("at most 4194304"));
}

TEST(CellChunk, SurvivesEveryChangedByte) {
    Shapes shapes{8};
    for (const auto& shape : shapes.all()) {
        const auto good = encode_cells(make(60, shape, shape));
        for (std::size_t i = 0; i < good.size(); ++i) {
            for (const int change : {1, 16, 128, 255}) {
                auto bad = good;
                bad[i] = static_cast<char>(bad[i] ^ change);
                if (const auto decoded = decode_cells(bad, 60)) {
                    EXPECT_EQ(decoded->size(), 60);
                }
            }
        }
    }
}

}  // namespace
}  // namespace holdfast::storage
