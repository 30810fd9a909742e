#include "daemon/exposition.h"

#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <limits>

#include "daemon/live_board.h"

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;

TEST(TextPage, EscapesHelpAndLabelValues) {
    TextPage page;
    page.family("x_total", SeriesType::counter, "a \\ b\nc \"d\"");
    page.value("x_total", {{"path", "C:\\\"x\"\n"}}, 3);
    EXPECT_EQ(page.take(),
              "# HELP x_total a \\\\ b\\nc \"d\"\n"
              "# TYPE x_total counter\n"
              "x_total{path=\"C:\\\\\\\"x\\\"\\n\"} 3\n");
}

TEST(TextPage, WritesValuesThatReadBackAsTheSame) {
    TextPage page;
    for (const double value :
         {0.1, 1e21, -0.0, std::numeric_limits<double>::quiet_NaN(),
          std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()}) {
        page.rendered("x", value);
    }
    EXPECT_EQ(page.take(), "x 0.1\nx 1e+21\nx -0\nx NaN\nx +Inf\nx -Inf\n");
}

TEST(TextPage, WritesFamiliesOfTheRegistryOnceAndEmptyOnesNot) {
    prometheus::Registry registry;
    auto& family = prometheus::BuildCounter().Name("c_total").Help("h").Register(registry);
    TextPage empty;
    for (const auto& f : registry.Collect()) {
        empty.family(f);
    }
    EXPECT_EQ(empty.take(), "");
    family.Add({{"a", "1"}}).Increment(2);
    TextPage page;
    for (const auto& f : registry.Collect()) {
        page.family(f);
    }
    EXPECT_EQ(page.take(), "# HELP c_total h\n# TYPE c_total counter\nc_total{a=\"1\"} 2\n");
}

TEST(Merged, KeepsBothLabelsOfOneName) {
    EXPECT_EQ(merged({{"rule", "a"}}, {{"rule", "b"}, {"device", "sda"}}),
              (Labels{{"rule", "a"}, {"exported_rule", "b"}, {"device", "sda"}}));
}

std::shared_ptr<const Series> series(std::string metric, Labels labels = {}) {
    return std::make_shared<const Series>(Series{std::move(metric), std::move(labels)});
}

TEST(LiveBoard, ShowsTheNewestSampleOfOurOwnSeriesOnly) {
    LiveBoard board{{{"holdfast_x", SeriesType::gauge, "h"}}};
    const Timestamp at{1h};
    const auto ours = series("holdfast_x", {{"d", "1"}});
    const auto theirs = series("shop_x");
    board.observe({.samples = {{ours, at, 1}, {theirs, at, 9}}});
    board.observe({.samples = {{ours, at + 1s, 2}}});
    TextPage page;
    board.write(page, at + 1s);
    EXPECT_EQ(page.take(), "# HELP holdfast_x h\n# TYPE holdfast_x gauge\nholdfast_x{d=\"1\"} 2\n");
}

TEST(LiveBoard, ShowsASeriesOnceThoughItsCollectorWasMadeAnew) {
    LiveBoard board{{{"holdfast_x", SeriesType::gauge, "h"}}};
    const Timestamp at{1h};
    board.observe({.samples = {{series("holdfast_x"), at, 1}}});
    board.observe({.samples = {{series("holdfast_x"), at + 1s, 2}}});
    TextPage page;
    board.write(page, at + 1s);
    EXPECT_EQ(page.take(), "# HELP holdfast_x h\n# TYPE holdfast_x gauge\nholdfast_x 2\n");
}

TEST(LiveBoard, ForgetsWhatIsStaleAndGoesOnWithTheRest) {
    LiveBoard board{{{"holdfast_x", SeriesType::gauge, "h"}}};
    const Timestamp at{1h};
    const auto old = series("holdfast_x", {{"d", "old"}});
    const auto fresh = series("holdfast_x", {{"d", "new"}});
    board.observe({.samples = {{old, at, 1}, {fresh, at, 1}}});
    board.observe({.samples = {{fresh, at + 6min, 2}}});
    TextPage first;
    board.write(first, at + 6min);
    EXPECT_EQ(first.take(),
              "# HELP holdfast_x h\n# TYPE holdfast_x gauge\nholdfast_x{d=\"new\"} 2\n");
    board.observe({.samples = {{fresh, at + 7min, 3}, {old, at + 7min, 4}}});
    TextPage second;
    board.write(second, at + 7min);
    EXPECT_EQ(second.take(),
              "# HELP holdfast_x h\n# TYPE holdfast_x gauge\nholdfast_x{d=\"new\"} 3\n"
              "holdfast_x{d=\"old\"} 4\n");
}

}  // namespace
}  // namespace holdfast::daemon
