#include "rules/judging/load_factor.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "tests/rules/judging/simulated_cells.h"

namespace holdfast::rules {
namespace {

using testing::noise;

constexpr std::size_t size = 2000;

Values plus(Values a, const Values& b, double factor = 1) {
    for (std::size_t i = 0; i < a.size(); ++i) {
        a[i] += factor * b[i];
    }
    return a;
}
Values scaled(const Values& v, double factor, double offset = 0) {
    return plus(Values(v.size(), offset), v, factor);
}

/// `n` signals that follow one traffic, with noise of their own.
std::vector<Values> moving_together(std::size_t n, double own = 0.1) {
    const auto traffic = noise(size, 1, 0.99);
    std::vector<Values> load;
    for (std::size_t i = 0; i < n; ++i) {
        load.push_back(plus(scaled(traffic, 0.3 + 0.1 * static_cast<double>(i), 5),
                            noise(size, 100 + i), 0.3 * own));
    }
    return load;
}

double correlation(const Values& a, const Values& b) {
    double ab = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        ab += (a[i] - mean_of(a)) * (b[i] - mean_of(b)) / static_cast<double>(a.size());
    }
    return ab / deviation_of(a) / deviation_of(b);
}

TEST(LoadFactor, IsTheTrafficThatThreeSignalsShare) {
    const auto factor = LoadFactor::learn(moving_together(3));
    ASSERT_TRUE(factor);
    EXPECT_EQ(factor->members(), 3U);
    const auto over = factor->over(moving_together(3));
    EXPECT_GT(correlation(over, noise(size, 1, 0.99)), 0.98);
    EXPECT_NEAR(deviation_of(over), 1, 0.1);
    EXPECT_NEAR(median_of(over), 0, 0.05);
}

TEST(LoadFactor, OneBrokenSignalDoesNotMoveIt) {
    const auto load = moving_together(3);
    const auto factor = LoadFactor::learn(load);
    ASSERT_TRUE(factor);
    for (std::size_t t = 0; t < size; t += 50) {
        const std::array<double, 3> now{load[0][t], load[1][t], load[2][t]};
        const double whole = factor->at(now);
        for (std::size_t broken = 0; broken < 3; ++broken) {
            for (const double value : {-1e6, 0.0, 1e6, 1e300}) {
                auto other = now;
                other[broken] = value;
                EXPECT_NEAR(factor->at(other), whole, 1) << broken << ' ' << value;
            }
        }
    }
}

TEST(LoadFactor, ASignalThatGoesItsOwnWayIsNoMember) {
    auto load = moving_together(4);
    load.insert(load.begin() + 1, scaled(noise(size, 77, 0.99), 2));
    const auto factor = LoadFactor::learn(load);
    ASSERT_TRUE(factor);
    EXPECT_EQ(factor->members(), 4U);
    EXPECT_NE(factor->speaker(), 1U);
    const auto before = factor->over(load);
    load[1] = scaled(noise(size, 78, 0.5), 100);
    EXPECT_EQ(factor->over(load), before);
}

TEST(LoadFactor, ASignalThatFallsWithTheTrafficCountsTheOtherWayRound) {
    auto load = moving_together(4);
    load[2] = scaled(load[2], -1);
    const auto factor = LoadFactor::learn(load);
    ASSERT_TRUE(factor);
    EXPECT_EQ(factor->members(), 4U);
    EXPECT_GT(correlation(factor->over(load), noise(size, 1, 0.99)), 0.98);
}

TEST(LoadFactor, NothingInCommonIsNone) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        EXPECT_FALSE(LoadFactor::learn(
            {noise(size, 3 * seed + 1), noise(size, 3 * seed + 2), noise(size, 3 * seed + 3)}));
    }
}

TEST(LoadFactor, WhatHardlyVariesIsNone) {
    EXPECT_FALSE(LoadFactor::learn({}));
    EXPECT_FALSE(LoadFactor::learn({Values(size, 3)}));
    EXPECT_FALSE(LoadFactor::learn({Values(size, missing), Values(size, 3)}));
    EXPECT_FALSE(LoadFactor::learn({scaled(noise(size, 1), 0.015)}));
    EXPECT_TRUE(LoadFactor::learn({scaled(noise(size, 1), 0.03)}));
}

TEST(LoadFactor, OfOneOrTwoItIsTheOneThatVariesMost) {
    const auto factor =
        LoadFactor::learn({scaled(noise(size, 1), 0.1), scaled(noise(size, 2), 0.5)});
    ASSERT_TRUE(factor);
    EXPECT_EQ(factor->members(), 1U);
    EXPECT_EQ(factor->speaker(), 1U);
    EXPECT_NEAR(factor->unit(), 0.5, 0.05);
    const std::array<double, 2> now{100, 1};
    EXPECT_NEAR(factor->at(now), 2, 0.2);
}

TEST(LoadFactor, IsMissingOnlyWhereAllAre) {
    auto load = moving_together(3);
    load[0][10] = load[1][10] = load[2][10] = missing;
    load[0][20] = load[1][20] = missing;
    const auto factor = LoadFactor::learn(load);
    ASSERT_TRUE(factor);
    const auto over = factor->over(load);
    ASSERT_EQ(over.size(), size);
    EXPECT_TRUE(std::isnan(over[10]));
    EXPECT_FALSE(std::isnan(over[20]));
    const std::array<double, 3> nothing{missing, missing, missing};
    EXPECT_TRUE(std::isnan(factor->at(nothing)));
    EXPECT_TRUE(factor->over({}).empty());
}

TEST(LoadFactor, ItsUnitIsTheMedianMembersDeviation) {
    const auto load = moving_together(3, 0);
    const auto factor = LoadFactor::learn(load);
    ASSERT_TRUE(factor);
    EXPECT_NEAR(factor->unit(), deviation_of(load[1]), 1e-9);
}

TEST(LoadFactor, DoesNotDependOnUnitOrOrder) {
    const auto load = moving_together(5);
    const auto factor = LoadFactor::learn(load);
    const std::vector<Values> moved{scaled(load[3], 1, 20), scaled(load[0], 1, -9), load[4],
                                    load[1], load[2]};  // logarithms: a unit is an offset
    const auto other = LoadFactor::learn(moved);
    ASSERT_TRUE(factor && other);
    const auto a = factor->over(load);
    const auto b = other->over(moved);
    for (std::size_t t = 0; t < size; ++t) {
        ASSERT_NEAR(a[t], b[t], 1e-9);
    }
}

}  // namespace
}  // namespace holdfast::rules
