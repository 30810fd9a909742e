#include "collectors/probes/http_probe.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "collectors/support/resolver.h"
#include "collectors/support/tls_client.h"
#include "tests/support/run.h"
#include "tests/support/tls_server.h"

namespace holdfast::collectors {
namespace {

using namespace holdfast::testing;
using ::testing::HasSubstr;
using Values = std::map<std::string, double>;

constexpr Timestamp noon{Milliseconds{1'000'000}};
constexpr std::uint64_t epoch = 7;
constexpr auto reasons =
    std::to_array<std::string_view>({"dns", "connect", "tls", "timeout", "status", "body"});

class HttpProbeTest : public ::testing::Test {
protected:
    static HttpProbeOptions options_for(const std::string& port) {
        HttpProbeOptions options;
        options.name = "home";
        options.url = {.host = "127.0.0.1", .port = port, .target = "/"};
        options.timeout = Milliseconds{20'000};
        return options;
    }
    static HttpProbeOptions options_for(const TinyServer& server) {
        return options_for(server.port());
    }
    std::unique_ptr<HttpProbe> make(HttpProbeOptions options) {
        auto probe = HttpProbe::make(std::move(options), client_, epoch);
        EXPECT_TRUE(probe);
        return std::move(*probe);
    }
    static Values collect(HttpProbe& probe) {
        const auto reading = run(probe.collect(noon));
        EXPECT_TRUE(reading);
        EXPECT_EQ(reading->epoch, epoch);
        Values values;
        for (const auto& sample : reading->samples) {
            EXPECT_EQ(sample.at, noon);
            values.emplace(to_string(*sample.series), sample.value);
        }
        EXPECT_EQ(values.size(), reading->samples.size()) << "a series comes twice";
        return values;
    }
    Values collect_once(HttpProbeOptions options) {
        const auto probe = make(std::move(options));
        return collect(*probe);
    }

    DetachedCalls calls_{4};
    Resolver resolver_{calls_};
    HttpClient client_{resolver_, "1"};
};

std::string of_reason(std::string_view reason) {
    return "holdfast_probe_failures_total{probe=\"home\",reason=\"" + std::string{reason} + "\"}";
}
std::string of_phase(std::string_view phase) {
    return "holdfast_probe_duration_seconds{phase=\"" + std::string{phase} + "\",probe=\"home\"}";
}
const std::string success = "holdfast_probe_success{probe=\"home\"}";
const std::string attempts = "holdfast_probe_attempts_total{probe=\"home\"}";
const std::string status = "holdfast_probe_http_status{probe=\"home\"}";
const std::string latency = "holdfast_probe_latency_seconds_total{probe=\"home\"}";
const std::string observations = "holdfast_probe_latency_observations_total{probe=\"home\"}";

void expect_only_failure(const Values& values, std::string_view expected) {
    EXPECT_EQ(values.at(success), expected.empty() ? 1 : 0);
    for (const auto reason : reasons) {
        EXPECT_EQ(values.at(of_reason(reason)), reason == expected ? 1 : 0) << reason;
    }
}

TEST_F(HttpProbeTest, ASuccessHasStatusPhasesAndAllReasonsAtZero) {
    const TinyServer server{answers_with(http_answer("204 No Content", ""))};
    const auto values = collect_once(options_for(server));
    expect_only_failure(values, "");
    EXPECT_EQ(values.at(attempts), 1);
    EXPECT_EQ(values.at(status), 204);
    EXPECT_EQ(values.at(observations), 1);
    double sum = 0;
    EXPECT_EQ(values.at(of_phase("tls")), 0) << "of http";
    for (const auto phase : {"resolve", "connect", "tls", "processing", "transfer"}) {
        sum += values.at(of_phase(phase));
    }
    EXPECT_GT(sum, 0);
    EXPECT_DOUBLE_EQ(values.at(latency), sum);
}

TEST_F(HttpProbeTest, CountsAttemptsAndDurationsOverItsLife) {
    const TinyServer server{answers_with(http_answer("200 OK", ""))};
    const auto probe = make(options_for(server));
    const auto first = collect(*probe);
    const auto second = collect(*probe);
    EXPECT_EQ(second.at(attempts), 2);
    EXPECT_EQ(second.at(observations), 2);
    EXPECT_GT(second.at(latency), first.at(latency));
}

TEST_F(HttpProbeTest, ARefusedConnectionIsAFailureButNoDuration) {
    const auto values = collect_once(options_for(refused_port()));
    expect_only_failure(values, "connect");
    EXPECT_EQ(values.at(observations), 0);
    EXPECT_EQ(values.at(latency), 0);
    EXPECT_FALSE(values.contains(status));
    EXPECT_FALSE(values.contains(of_phase("connect")));
}

TEST_F(HttpProbeTest, APeerThatClosesWithoutAnAnswerFailsByConnect) {
    const TinyServer server{closes_at_once()};
    expect_only_failure(collect_once(options_for(server)), "connect");
}

TEST_F(HttpProbeTest, ANameThatDoesNotResolveFailsByDns) {
    auto options = options_for("80");
    options.url.host = "name.invalid";
    const auto values = collect_once(std::move(options));
    expect_only_failure(values, "dns");
    EXPECT_EQ(values.at(observations), 0);
}

TEST_F(HttpProbeTest, ATargetOfHttpsHasATlsPhase) {
    Authority authority;
    const TinyServer server{
        answers_over_tls(tls_context(authority.issue()), http_answer("200 OK", ""))};
    auto options = options_for(server);
    options.url.tls = true;
    options.tls = *TlsClient::make({.ca_file = authority.file()});
    const auto values = collect_once(std::move(options));
    expect_only_failure(values, "");
    EXPECT_GT(values.at(of_phase("tls")), 0);
}

TEST_F(HttpProbeTest, ACertificateThatIsNotTrustedFailsByTls) {
    Authority authority;
    const TinyServer server{
        answers_over_tls(tls_context(authority.issue()), http_answer("200 OK", ""))};
    auto options = options_for(server);
    options.url.tls = true;
    const auto values = collect_once(std::move(options));
    expect_only_failure(values, "tls");
    EXPECT_EQ(values.at(observations), 0);
}

TEST_F(HttpProbeTest, ATargetThatHangsFailsByTimeoutAndCountsAsThatLong) {
    const TinyServer server{hangs_after("")};
    auto options = options_for(server);
    options.timeout = Milliseconds{150};
    const auto values = collect_once(std::move(options));
    expect_only_failure(values, "timeout");
    EXPECT_EQ(values.at(observations), 1);
    EXPECT_DOUBLE_EQ(values.at(latency), 0.150);
    EXPECT_FALSE(values.contains(of_phase("processing")));
}

TEST_F(HttpProbeTest, ExpectsAnyStatusFrom200To299ByDefault) {
    for (const auto* good : {"200 OK", "299 Odd"}) {
        const TinyServer server{answers_with(http_answer(good, ""))};
        expect_only_failure(collect_once(options_for(server)), "");
    }
    for (const auto* bad : {"300 Choices", "302 Found", "500 Broken"}) {
        const TinyServer server{answers_with(http_answer(bad, ""))};
        const auto values = collect_once(options_for(server));
        expect_only_failure(values, "status");
        EXPECT_EQ(values.at(observations), 1) << "an answer is an answer";
        EXPECT_EQ(values.at(status), std::stod(bad));
    }
}

TEST_F(HttpProbeTest, ExpectsOnlyTheGivenStatuses) {
    const TinyServer server{answers_with(http_answer("401 Unauthorized", ""))};
    auto options = options_for(server);
    options.expected_status = {200, 401};
    expect_only_failure(collect_once(options), "");
    options.expected_status = {200};
    expect_only_failure(collect_once(options), "status");
}

TEST_F(HttpProbeTest, LooksForTheRegexAnywhereInTheBody) {
    const TinyServer server{answers_with(http_answer("200 OK", "all is ok, v12"))};
    auto options = options_for(server);
    options.body_regex = "ok, v[0-9]+";
    expect_only_failure(collect_once(options), "");
    options.body_regex = "^ok";
    expect_only_failure(collect_once(options), "body");
}

TEST_F(HttpProbeTest, TheStatusIsJudgedBeforeTheBody) {
    const TinyServer server{answers_with(http_answer("500 Broken", "sorry"))};
    auto options = options_for(server);
    options.body_regex = "ok";
    expect_only_failure(collect_once(std::move(options)), "status");
}

TEST_F(HttpProbeTest, ABodyThatIsCutShortOrTooLargeFailsByBody) {
    const TinyServer cut{answers_with("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal")};
    expect_only_failure(collect_once(options_for(cut)), "body");
    const TinyServer large{answers_with(http_answer("200 OK", std::string(101, 'x')))};
    auto options = options_for(large);
    options.max_body_bytes = 100;
    expect_only_failure(collect_once(options), "body");
    options.max_body_bytes = 101;
    expect_only_failure(collect_once(options), "");
}

TEST_F(HttpProbeTest, WhatIsNoHttpFailsByStatus) {
    const TinyServer server{answers_with("SSH-2.0-OpenSSH_9.2p1\r\n")};
    expect_only_failure(collect_once(options_for(server)), "status");
}

TEST_F(HttpProbeTest, RefusesABodyRegexThatIsNone) {
    auto options = options_for("80");
    options.body_regex = "(";
    const auto probe = HttpProbe::make(std::move(options), client_, epoch);
    ASSERT_FALSE(probe);
    EXPECT_EQ(probe.error().code(), Errc::config);
    EXPECT_THAT(probe.error().message(), HasSubstr("probe 'home': body_regex '(': "));
}

TEST_F(HttpProbeTest, ListsEveryMetricItEmitsWithItsType) {
    const TinyServer server{answers_with(http_answer("200 OK", ""))};
    const auto probe = make(options_for(server));
    const auto reading = run(probe->collect(noon));
    for (const auto& sample : reading->samples) {
        const auto infos = probe_metrics();
        const auto info = std::find_if(infos.begin(), infos.end(), [&](const auto& known) {
            return known.name == sample.series->metric;
        });
        ASSERT_NE(info, infos.end()) << sample.series->metric;
        EXPECT_EQ(info->type, sample.series->type);
        EXPECT_FALSE(info->help.empty() || info->help.ends_with('.'));
    }
    EXPECT_EQ(probe->name(), "probe");
    EXPECT_EQ(probe->instance(), "home");
}

}  // namespace
}  // namespace holdfast::collectors
