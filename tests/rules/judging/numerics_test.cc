#include "rules/judging/numerics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "rules/boundary.h"
#include "tests/rules/judging/simulated_cells.h"

namespace holdfast::rules {
namespace {

using testing::noise;

void expect_ratio(double actual, double expected, double tolerance) {
    EXPECT_NEAR(actual, expected, tolerance * std::abs(expected));
}

double log_mean_e(double z, const Values& ratios) {
    double sum = 0;
    for (const double r : ratios) {
        sum += std::exp(half_normal_log_e(z, r));
    }
    return std::log(sum / static_cast<double>(ratios.size()));
}

/// P(N >= count) of the negative binomial, term by term from the count on.
double upper_tail(int count, double mean, double variance) {
    const double size = mean * mean / (variance - mean);
    const double success = size / (size + mean);
    double sum = 0;
    for (int k = count; k < count + 20'000; ++k) {
        sum += std::exp(std::lgamma(k + size) - std::lgamma(size) - std::lgamma(k + 1.0) +
                        size * std::log(success) + k * std::log1p(-success));
    }
    return sum;
}

// --- vectors of the reference ------------------------------------------------------------------

TEST(Numerics, RobustScaleIsTheNormalConsistentMad) {  // vector 32
    Values v{27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0,
             24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 28.4};
    const double median = median_of(v);
    expect_ratio(median, 23.4, 1e-9);
    for (double& x : v) {
        x -= median;
    }
    expect_ratio(robust_scale(v), 2.075643105907846, 1e-9);
}

TEST(Numerics, HalfNormalMixtureIsTheReferences) {  // vector 33
    expect_ratio(half_normal_log_e(-1, 4), -1.3960205343828016, 1e-9);
    expect_ratio(half_normal_log_e(0, 4), -0.8047189562170501, 1e-9);
    expect_ratio(half_normal_log_e(2, 4), 1.4509141535841026, 1e-9);
    expect_ratio(half_normal_log_e(4.5, 25), 8.79967072809111, 1e-9);
    expect_ratio(half_normal_log_e(8, 100), 30.068755238970997, 1e-9);
}

TEST(Numerics, MixtureBoundaryIsTheReferences) {  // vector 34
    const Values ratios{0.4, 6, 80};
    expect_ratio(mixture_z(ratios, 9.210340371976182), 4.770950942862407, 1e-7);
    expect_ratio(mixture_z(ratios, 14.328334184392938), 5.799542535207136, 1e-7);
    expect_ratio(mixture_z(ratios, 2.995732273553991), 2.997662772513196, 1e-7);
    expect_ratio(log_mean_e(3, ratios), 3.001670064577681, 1e-7);
    expect_ratio(log_mean_e(5, ratios), 10.253854297808328, 1e-7);
}

TEST(Numerics, StudentBoundaryIsTheReferences) {  // vector 35
    const auto boundary = [](double z, double freedom) {
        return student_for_evidence(-std::log10(normal_tail(z)), freedom);
    };
    expect_ratio(boundary(3, 10), 3.956936660002761, 1e-7);
    expect_ratio(boundary(4.5, 12), 7.5468060986549625, 1e-7);
    expect_ratio(boundary(5.2, 40), 6.266773397332625, 1e-7);
    expect_ratio(boundary(4.5, 1000), 4.524018074605068, 1e-7);
    expect_ratio(student_for_normal(4.5, 12), boundary(4.5, 12), 1e-7);
}

// --- means and quantiles -----------------------------------------------------------------------

TEST(MeanOf, LeavesOutWhatIsMissing) {
    EXPECT_EQ(mean_of(Values{1, missing, 3}), 2);
    EXPECT_TRUE(std::isnan(mean_of(Values{})));
    EXPECT_TRUE(std::isnan(mean_of(Values{missing, missing})));
}

TEST(DeviationOf, IsTheRootOfTheMeanSquareAndZeroOfNothing) {
    EXPECT_DOUBLE_EQ(deviation_of(Values{1, 3, missing}), 1);
    EXPECT_EQ(deviation_of(Values{5}), 0);
    EXPECT_EQ(deviation_of(Values{}), 0);
    EXPECT_EQ(deviation_of(Values{missing}), 0);
}

TEST(QuantileOf, IsLinearBetweenOrderStatistics) {
    const Values v{4, 1, 3, 2};  // position q * 3
    EXPECT_DOUBLE_EQ(quantile_of(v, 0), 1);
    EXPECT_DOUBLE_EQ(quantile_of(v, 0.25), 1.75);
    EXPECT_DOUBLE_EQ(quantile_of(v, 0.5), 2.5);
    EXPECT_DOUBLE_EQ(quantile_of(v, 0.9), 3.7);
    EXPECT_DOUBLE_EQ(quantile_of(v, 1), 4);
    EXPECT_DOUBLE_EQ(quantile_of(Values{7}, 0.3), 7);
    EXPECT_DOUBLE_EQ(quantile_of(Values{10, 0}, 0.98), 9.8);
    EXPECT_DOUBLE_EQ(median_of(Values{3, 1, 2}), 2);
}

TEST(QuantileOf, LeavesOutWhatIsMissing) {
    EXPECT_DOUBLE_EQ(quantile_of(Values{missing, 4, 1, missing, 3, 2}, 0.25), 1.75);
    EXPECT_TRUE(std::isnan(quantile_of(Values{}, 0.5)));
    EXPECT_TRUE(std::isnan(quantile_of(Values(100, missing), 0.5)));
}

TEST(QuantileOf, IsTheSameForManyValuesAsForFew) {
    for (const std::size_t size : {63U, 64U, 65U, 66U, 1000U}) {
        const auto v = noise(size, size);
        auto sorted = v;
        std::sort(sorted.begin(), sorted.end());
        for (const double q : {0.0, 0.01, 0.37, 0.5, 0.9, 0.999, 1.0}) {
            const double position = q * static_cast<double>(size - 1);
            const auto k = static_cast<std::size_t>(position);
            const double part = position - static_cast<double>(k);
            const double above = sorted[std::min(k + 1, size - 1)];
            EXPECT_NEAR(quantile_of(v, q), sorted[k] + part * (above - sorted[k]), 1e-12) << size;
        }
    }
}

TEST(RobustScale, IsTheDeviationOfANormalAndForgetsTheWild) {
    auto v = noise(20'001, 1);
    EXPECT_NEAR(robust_scale(v), 1, 0.03);
    for (std::size_t i = 0; i < 2000; ++i) {
        v[i] = 1e9;
    }
    EXPECT_NEAR(robust_scale(v), 1.1, 0.1);
    EXPECT_EQ(robust_scale(Values{}), 0);
    EXPECT_EQ(robust_scale(Values{missing}), 0);
    EXPECT_EQ(robust_scale(Values{missing, -2}), robust_scale(Values{2}));
}

TEST(BlockMeans, NeedsHalfOfABlocksValues) {
    const auto means = block_means(
        Values{1, 3, 5, missing, missing, 7, missing, missing, 9, missing, missing, missing}, 4);
    ASSERT_EQ(means.size(), 3U);
    EXPECT_EQ(means[0], 3);             // three of four
    EXPECT_TRUE(std::isnan(means[1]));  // one of four
    EXPECT_TRUE(std::isnan(means[2]));
    EXPECT_EQ(block_means(Values{missing, 4, missing, 8}, 4).front(), 6);  // two of four
}

TEST(BlockMeans, StartsAtTheFirstAndDropsWhatIsLeftOver) {
    EXPECT_EQ(block_means(Values{1, 2, 3, 4, 5}, 2), (Values{1.5, 3.5}));
    EXPECT_EQ(block_means(Values{1, 2, 3}, 1), (Values{1, 2, 3}));
    EXPECT_TRUE(block_means(Values{1, 2, 3}, 4).empty());
    EXPECT_TRUE(block_means(Values{}, 4).empty());
}

TEST(Prefix, SumsAnyWindowOfWhatIsThere) {
    auto v = noise(500, 2);
    for (std::size_t i = 0; i < v.size(); i += 7) {
        v[i] = missing;
    }
    const Prefix prefix{v};
    ASSERT_EQ(prefix.size(), v.size());
    for (std::size_t first = 0; first < v.size(); first += 13) {
        for (std::size_t last = first; last <= v.size(); last += 17) {
            double sum = 0;
            double count = 0;
            for (auto i = first; i < last; ++i) {
                sum += std::isnan(v[i]) ? 0 : v[i];
                count += std::isnan(v[i]) ? 0 : 1;
            }
            EXPECT_NEAR(prefix.sum(first, last), sum, 1e-10);
            EXPECT_EQ(prefix.count(first, last), count);
            EXPECT_EQ(std::isnan(prefix.mean(first, last)), count == 0);
        }
    }
}

TEST(Prefix, GrowsValueByValue) {
    Prefix prefix;
    EXPECT_EQ(prefix.size(), 0U);
    prefix.add(2);
    prefix.add(missing);
    prefix.add(4);
    EXPECT_EQ(prefix.size(), 3U);
    EXPECT_EQ(prefix.mean(0, 3), 3);
    EXPECT_EQ(prefix.count(0, 3), 2);
    EXPECT_TRUE(std::isnan(prefix.mean(1, 2)));
    EXPECT_TRUE(std::isnan(prefix.mean(2, 2)));
}

// --- tails -------------------------------------------------------------------------------------

TEST(NormalTail, IsKnownAndKeepsItsDigitsFarOut) {
    EXPECT_DOUBLE_EQ(normal_tail(0), 0.5);
    expect_ratio(normal_tail(1.959963984540054), 0.025, 1e-12);
    expect_ratio(normal_tail(10), 7.61985302416052e-24, 1e-10);
    EXPECT_NEAR(normal_tail(-10), 1, 1e-15);
    EXPECT_EQ(normal_tail(100), 0);
}

TEST(StudentEvidence, RisesWithTAndWithFreedom) {
    double before = 0;
    for (double t = 0.5; t < 50; t += 0.5) {
        EXPECT_GT(student_evidence(t, 5), before);
        EXPECT_GT(student_evidence(t, 10), student_evidence(t, 5));
        before = student_evidence(t, 5);
    }
    EXPECT_NEAR(student_evidence(1e-12, 5), std::log10(2.0), 1e-9);
    EXPECT_NEAR(student_evidence(2.228138851964939, 10), -std::log10(0.025), 1e-9);  // of tables
    EXPECT_NEAR(student_evidence(4, 1e6), -std::log10(normal_tail(4)), 1e-4);
}

TEST(StudentEvidence, IsNothingOnTheOtherSideAndFiniteFarOut) {
    EXPECT_EQ(student_evidence(0, 5), 0);
    EXPECT_EQ(student_evidence(-3, 5), 0);
    EXPECT_EQ(student_evidence(missing, 5), 0);
    EXPECT_TRUE(std::isfinite(student_evidence(1e200, 30)));
    EXPECT_TRUE(std::isfinite(student_evidence(std::numeric_limits<double>::infinity(), 3)));
}

TEST(StudentForEvidence, IsTheInverseOfStudentEvidence) {
    for (const double freedom : {1.0, 2.0, 3.5, 10.0, 30.0, 1000.0}) {
        for (const double evidence : {0.31, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0}) {
            const double t = student_for_evidence(evidence, freedom);
            EXPECT_NEAR(student_evidence(t, freedom), evidence, 1e-7 * (1 + evidence))
                << "freedom " << freedom << ", evidence " << evidence;
        }
    }
    EXPECT_EQ(student_for_evidence(0, 5), 0);
    EXPECT_EQ(student_for_evidence(0.3, 5), 0);  // log10 2 is t = 0
    EXPECT_TRUE(std::isfinite(student_for_evidence(400, 5)));
}

TEST(NegativeBinomialEvidence, IsTheSumOfTheProbabilities) {
    struct Case {
        int count;
        double mean, variance;
    };
    for (const auto& c : {Case{1, 0.5, 0.7}, Case{3, 0.5, 0.7}, Case{4, 3, 4.8}, Case{20, 6, 10.5},
                          Case{60, 6, 10.5}, Case{100, 30, 200}, Case{12, 0.01, 0.0101}}) {
        EXPECT_NEAR(negative_binomial_evidence(c.count, c.mean, c.variance),
                    -std::log10(upper_tail(c.count, c.mean, c.variance)), 1e-8)
            << c.count << " of " << c.mean;
    }
}

TEST(NegativeBinomialEvidence, IsThePoissonsWithoutOverdispersion) {
    for (const double variance : {0.0, 2.0, 5.0}) {
        double tail = 0;
        for (int k = 14; k < 200; ++k) {
            tail += std::exp(k * std::log(5.0) - 5 - std::lgamma(k + 1.0));
        }
        EXPECT_NEAR(negative_binomial_evidence(14, 5, variance), -std::log10(tail), 2e-3);
    }
}

TEST(NegativeBinomialEvidence, RisesWithTheCountAndFallsWithTheVariance) {
    EXPECT_EQ(negative_binomial_evidence(0, 5, 6), 0);
    EXPECT_EQ(negative_binomial_evidence(-1, 5, 6), 0);
    double before = 0;
    for (int count = 1; count < 200; ++count) {
        const double evidence = negative_binomial_evidence(count, 5, 8);
        EXPECT_GT(evidence, before);
        if (count > 12) {
            EXPECT_LT(negative_binomial_evidence(count, 5, 20), evidence);
        }
        before = evidence;
    }
    EXPECT_TRUE(std::isfinite(negative_binomial_evidence(1e6, 5, 8)));
    EXPECT_TRUE(std::isfinite(negative_binomial_evidence(5, 0, 0)));
}

TEST(HalfNormalLogE, IsAnEValueOnItsNull) {
    // Its mean over a standard normal z is one: trapezoids over a fine grid.
    for (const double r : {0.1, 1.0, 10.0, 100.0}) {
        double sum = 0;
        const double step = 0.002;
        for (double z = -12; z < 40; z += step) {
            sum += step * std::exp(half_normal_log_e(z, r) - 0.5 * z * z) /
                   std::sqrt(2 * std::numbers::pi);
        }
        EXPECT_NEAR(sum, 1, 1e-3) << r;
    }
}

TEST(MixtureZ, ReachesItsTargetAndNoEarlier) {
    for (const Values& ratios : {Values{1}, Values{0.01, 0.1}, Values{0.5, 100, 1e4},
                                 Values{1e-3, 1, 1e6}, Values{0.0025, 0.04, 0.5}}) {
        double before = 0;
        for (const double target : {0.1, 1.0, 3.0, 8.0, 14.0, 25.0}) {
            const double z = mixture_z(ratios, target);
            EXPECT_GE(z, before);
            before = z;
            if (z > 0 && z < 59) {
                EXPECT_NEAR(log_mean_e(z, ratios), target, 1e-8) << ratios.front() << ' ' << target;
                EXPECT_LT(log_mean_e(z - 1e-3, ratios), target);
            }
        }
    }
}

}  // namespace
}  // namespace holdfast::rules
