#include "rules/judging/deviations.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/rules/judging/simulated_cells.h"

namespace holdfast::rules {
namespace {

using testing::noise;

constexpr std::size_t bin = 3;
constexpr std::size_t half = 4;

Values all_of(const Values& cells, bool finish = true) {
    Deviations deviations{bin, half};
    Values out;
    for (const double c : cells) {
        deviations.add(c, out);
    }
    if (finish) {
        deviations.finish(out);
    }
    return out;
}

TEST(Deviations, ACellsIsKnownHalfAWindowLater) {
    const auto cells = noise(90, 1);
    Deviations deviations{bin, half};
    Values out;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        deviations.add(cells[i], out);
        const auto bins = (i + 1) / bin;
        const auto known = bins > half ? (bins - half) * bin : 0;
        EXPECT_EQ(out.size(), known);
        EXPECT_EQ(deviations.waiting(), i + 1 - known);
    }
    deviations.finish(out);
    EXPECT_EQ(out.size(), cells.size());
    EXPECT_EQ(deviations.waiting(), 0U);
}

TEST(Deviations, AreFromTheMedianOfTheMediansOfBinsAround) {
    const auto cells = noise(90, 2);
    const auto out = all_of(cells);
    Values medians;
    for (std::size_t b = 0; b < cells.size() / bin; ++b) {
        medians.push_back(median_of(std::span{cells}.subspan(b * bin, bin)));
    }
    const auto last = medians.size() - 1;
    for (std::size_t b = 0; b <= last; ++b) {
        Values window;
        for (std::size_t k = 0; k <= 2 * half; ++k) {  // the first and the last bin go on
            const auto at = std::max(b + k, half) - half;
            window.push_back(medians[std::min(at, last)]);
        }
        for (std::size_t i = b * bin; i < (b + 1) * bin; ++i) {
            EXPECT_NEAR(out[i], cells[i] - median_of(window), 1e-12) << "bin " << b;
        }
    }
}

TEST(Deviations, ABurstStandsOutAndLeavesTheOthersAlone) {
    Values cells(90, 5);
    for (std::size_t i = 40; i < 50; ++i) {
        cells[i] = 100;
    }
    const auto out = all_of(cells);
    for (std::size_t i = 0; i < out.size(); ++i) {
        EXPECT_EQ(out[i], i >= 40 && i < 50 ? 95 : 0) << i;
    }
}

TEST(Deviations, AStepIsAtHomeOnBothSides) {
    Values cells(60, 1);
    cells.resize(120, 9);
    for (const double v : all_of(cells)) {
        EXPECT_EQ(v, 0);
    }
}

TEST(Deviations, MissingCellsStayMissingAndAreNotCountedIn) {
    auto cells = Values(90, 5);
    for (std::size_t i = 0; i < 40; ++i) {
        cells[i] = missing;
    }
    cells[60] = missing;
    const auto out = all_of(cells);
    for (std::size_t i = 0; i < out.size(); ++i) {
        EXPECT_EQ(std::isnan(out[i]), i < 40 || i == 60);
        EXPECT_TRUE(std::isnan(out[i]) || out[i] == 0);
    }
}

TEST(Deviations, WhatIsKnownDoesNotChangeWithWhatComesLater) {
    const auto cells = noise(90, 3);
    const auto early = all_of(Values(cells.begin(), cells.begin() + 45), false);
    const auto late = all_of(cells);
    for (std::size_t i = 0; i < early.size(); ++i) {
        EXPECT_EQ(early[i], late[i]);
    }
}

TEST(Deviations, FinishesWithFewerCellsThanABinOrNone) {
    EXPECT_TRUE(all_of({}).empty());
    EXPECT_EQ(all_of({7}), Values{0});
    EXPECT_EQ(all_of({1, 2, 3, 4, 5}).size(), 5U);
}

TEST(Deviations, ACopyGoesOnAlone) {  // the watch continues what the history left
    const auto cells = noise(90, 4);
    Deviations first{bin, half};
    Values out;
    for (const double c : cells) {
        first.add(c, out);
    }
    auto second = first;
    Values rest;
    second.finish(rest);
    EXPECT_EQ(first.waiting(), rest.size());
}

}  // namespace
}  // namespace holdfast::rules
