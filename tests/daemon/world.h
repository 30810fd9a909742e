#pragma once
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <optional>

#include "collectors/support/resolver.h"
#include "daemon/placebos.h"
#include "daemon/upgrades.h"
#include "daemon/version.h"
#include "tests/support/fake_clock.h"

namespace holdfast::daemon::testing {

/// A daemon without collectors and HTTP: real stores in `folder`, and a clock that the test sets.
class World {
public:
    World(const std::filesystem::path& folder, Timestamp now, const std::string& configuration)
        : clock{now} {
        samples = std::move(*storage::open_sample_store({.path = folder / "samples"}));
        records = std::move(*storage::open_record_store({.path = folder / "records"}));
        auto config = parse_config(configuration, "test");
        EXPECT_TRUE(config) << config.error().message();
        alerting.emplace(clock, *records, record_pool, http, metrics);
        upgrades.emplace(Upgrades::Deps{clock, *samples, *records, record_pool, work_pool,
                                        judge_pool, *alerting, metrics},
                         io.get_executor());
        placebos.emplace(Placebos::Deps{clock, *records, placebo_pool}, io.get_executor());
        alerting->configure(config->alerting, "http://127.0.0.1:9750");
        configure(std::move(*config));
        const auto loaded = run(upgrades->load());
        EXPECT_TRUE(loaded) << loaded.error().message();
    }

    void configure(Config config) {
        const auto shared = std::make_shared<const Config>(std::move(config));
        upgrades->configure(shared);
        placebos->configure(shared);
    }

    template <class T>
    T run(boost::asio::awaitable<T> task) {
        auto result = boost::asio::co_spawn(io, std::move(task), boost::asio::use_future);
        io.restart();
        io.run();
        return result.get();
    }
    /// What a collector reads now is stored and seen, as the recorder does it.
    void record(const std::string& source, std::vector<Sample> read) {
        storage::Row row{source, clock.now(), {.epoch = 1}};
        row.received = clock.now();
        row.reading.samples = std::move(read);
        for (auto& sample : row.reading.samples) {
            sample.at = row.at;
        }
        const auto shared = std::make_shared<const storage::Row>(std::move(row));
        ASSERT_TRUE(samples->append({shared}));
        upgrades->observe(shared);
    }
    void evaluate() {
        run(upgrades->prepare_all());
        run(upgrades->evaluate_all());
    }
    Upgrade now(const std::string& id) { return *upgrades->find(id); }
    std::vector<std::string> firing() {
        std::vector<std::string> out;
        for (const auto& alert : alerting->alerts()) {
            if (!alert.ended_at) {
                out.push_back(alert.labels.at("alertname"));
            }
        }
        return out;
    }

    boost::asio::io_context io{1};
    holdfast::testing::FakeClock clock;
    boost::asio::thread_pool record_pool{1};
    boost::asio::thread_pool work_pool{1};
    boost::asio::thread_pool judge_pool{1};
    boost::asio::thread_pool placebo_pool{1};
    SelfMetrics metrics = SelfMetrics::make();
    collectors::DetachedCalls calls{1};
    collectors::Resolver resolver{calls};
    collectors::HttpClient http{resolver, version};
    std::unique_ptr<storage::SampleStore> samples;
    std::unique_ptr<storage::RecordStore> records;
    std::optional<Alerting> alerting;
    std::optional<Upgrades> upgrades;
    std::optional<Placebos> placebos;
};

}  // namespace holdfast::daemon::testing
