#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "collectors/collector.h"
#include "collectors/metric_info.h"
#include "collectors/paths.h"
#include "tests/support/run.h"
#include "tests/support/temp_dir.h"

namespace holdfast::collectors {

inline const Timestamp noon{std::chrono::hours{12}};

/// A realistic host with two processors: tests/fixtures/host_typical.
inline Paths typical_host() {
    const std::filesystem::path host = FIXTURES "/host_typical";
    return {host / "proc", host / "sys", host / "sys/fs/cgroup", host / "root"};
}

/// Trees of proc and sys that change between two readings.
class FixtureTree {
public:
    Paths paths() const {
        return {root() / "proc", root() / "sys", root() / "sys/fs/cgroup", root() / "root"};
    }
    const std::filesystem::path& root() const { return folder_.path(); }

    /// `path` is below root(). Written in place when it is there.
    void write(const std::filesystem::path& path, std::string_view text) const {
        std::filesystem::create_directories((root() / path).parent_path());
        std::ofstream{root() / path, std::ios::binary} << text;
    }
    /// As a careful writer does: another file is renamed over it.
    void replace(const std::filesystem::path& path, std::string_view text) const {
        write("new", text);
        std::filesystem::create_directories((root() / path).parent_path());
        std::filesystem::rename(root() / "new", root() / path);
    }
    void remove(const std::filesystem::path& path) const {
        std::filesystem::remove_all(root() / path);
    }

private:
    holdfast::testing::TempDir folder_;
};

/// One reading, which must succeed.
inline Reading read(Collector& collector, Timestamp now = noon) {
    auto reading = holdfast::testing::run(collector.collect(now));
    EXPECT_TRUE(reading) << reading.error().message();
    return reading ? *reading : Reading{};
}

/// Value of the series with this text; none when it is absent.
inline std::optional<double> value(const Reading& reading, std::string_view series) {
    for (const auto& sample : reading.samples) {
        if (to_string(*sample.series) == series) {
            return sample.value;
        }
    }
    return std::nullopt;
}

/// Every sample is of one of `metrics`, with its type, has the time `at` and a series of its own.
inline void expect_documented(const Reading& reading, std::span<const MetricInfo> metrics,
                              Timestamp at) {
    std::set<std::string> seen;
    for (const auto& sample : reading.samples) {
        const auto text = to_string(*sample.series);
        EXPECT_EQ(sample.at, at) << text;
        EXPECT_TRUE(seen.insert(text).second) << text;
        const auto known = std::ranges::find(metrics, sample.series->metric, &MetricInfo::name);
        ASSERT_NE(known, metrics.end()) << text;
        EXPECT_EQ(sample.series->type, known->type) << text;
    }
}

}  // namespace holdfast::collectors
