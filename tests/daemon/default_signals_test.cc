#include "daemon/default_signals.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "collectors/metrics.h"
#include "model/names.h"

namespace holdfast::daemon {
namespace {

using ::testing::HasSubstr;

TEST(DefaultSignals, AreMadeOfMetricsThatCollectorsHave) {
    std::set<std::string_view> metrics;
    for (const auto& metric : collectors::all_metrics()) {
        metrics.insert(metric.name);
    }
    for (const auto& signal : default_signals()) {
        for (const auto* terms : {&signal.numerator, &signal.denominator}) {
            for (const auto& term : *terms) {
                EXPECT_TRUE(metrics.contains(term.selector.metric))
                    << signal.name << ": " << term.selector.metric;
            }
        }
    }
}

TEST(DefaultSignals, AreAllInTheDocsWithTheirRules) {
    std::ifstream in{DOCS "/signals.md"};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    const auto signals = default_signals();
    const auto rules = default_rules();
    ASSERT_EQ(signals.size(), rules.size());
    for (std::size_t i = 0; i < signals.size(); ++i) {
        const auto& s = signals[i];
        const auto& r = rules[i];
        EXPECT_THAT(text,
                    HasSubstr(fmt::format("| `{}` | {} | {} | {:g} % or ", s.name, name_of(s.kind),
                                          name_of(s.worse), 100 * r.tolerated.relative)));
        EXPECT_THAT(text, HasSubstr(fmt::format("| {} |\n", s.help)));
    }
}

TEST(AllMetrics, HaveEachNameOnceAndAHelpInOneSentence) {
    std::set<std::string_view> seen;
    for (const auto& metric : collectors::all_metrics()) {
        EXPECT_TRUE(seen.insert(metric.name).second) << metric.name;
        EXPECT_FALSE(metric.help.empty()) << metric.name;
        EXPECT_FALSE(metric.help.ends_with('.')) << metric.name;
        EXPECT_EQ(metric.type == SeriesType::counter, metric.name.ends_with("_total"))
            << metric.name;
    }
}

}  // namespace
}  // namespace holdfast::daemon
