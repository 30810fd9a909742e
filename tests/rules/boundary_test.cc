#include "rules/boundary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace holdfast::rules {
namespace {

TEST(MixtureBoundary, IsTheFormulaOfRobbins) {
    // r = 4: sqrt((1 + 1/4) (2 log 20 + log 5))
    EXPECT_NEAR(mixture_boundary(0.5, 1, 0.05),
                std::sqrt(1.25 * (2 * std::log(20.0) + std::log(5.0))), 1e-12);
}

TEST(MixtureBoundary, WidensWithASmallerLevelAndNeverFallsBelowItsLeast) {
    EXPECT_GT(mixture_boundary(0.1, 1, 0.01), mixture_boundary(0.1, 1, 0.05));
    for (const double error : {1e-6, 1e-3, 1.0, 1e3}) {
        EXPECT_GE(mixture_boundary(error, 1, 0.05), std::sqrt(2 * std::log(20.0)));
    }
}

TEST(MixtureBoundary, IsCrossedByChanceLessOftenThanItsLevelHoweverOftenOneLooks) {
    std::mt19937_64 engine{11};
    std::normal_distribution<double> normal;
    int crossed = 0;
    constexpr int runs = 2000;
    for (int run = 0; run < runs; ++run) {
        double sum = 0;
        for (int n = 1; n <= 500; ++n) {
            sum += normal(engine);
            const double error = 1 / std::sqrt(n);
            if (sum / n > error * mixture_boundary(error, 0.3, 0.05)) {
                ++crossed;
                break;
            }
        }
    }
    EXPECT_LT(crossed, runs * 5 / 100);
    EXPECT_GT(crossed, 0);  // a boundary that is never crossed would be no boundary
}

TEST(StudentForNormal, AsksForMoreWhereTheVarianceIsLessKnown) {
    EXPECT_NEAR(student_for_normal(1.959964, 1e6), 1.959964, 1e-4);
    EXPECT_NEAR(student_for_normal(1.959964, 10), 2.2281, 1e-3);  // t table, 97.5 %, 10 df
    EXPECT_GT(student_for_normal(4, 5), student_for_normal(4, 30));
    for (const double z : {0.0, 1.0, 20.0, 21.5, 60.0, 1e6, 1e200}) {
        for (const double freedom : {1.0, 3.0, 30.0}) {
            const double t = student_for_normal(z, freedom);
            EXPECT_FALSE(std::isnan(t)) << z << " " << freedom;
            EXPECT_GE(t, z);
        }
    }
}

}  // namespace
}  // namespace holdfast::rules
