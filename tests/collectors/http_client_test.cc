#include "collectors/support/http_client.h"

#include <gmock/gmock.h>

#include <boost/asio/ip/address.hpp>

#include "collectors/support/resolver.h"
#include "collectors/support/tls_client.h"
#include "tests/support/run.h"
#include "tests/support/tls_server.h"

namespace holdfast::collectors {
namespace {

using namespace holdfast::testing;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Clock = std::chrono::steady_clock;

constexpr Milliseconds generous{20'000};
constexpr Milliseconds short_timeout{150};
constexpr std::size_t body_max = 1000;

class HttpClientTest : public ::testing::Test {
protected:
    static HttpRequest request_to(const std::string& port, Milliseconds timeout = generous) {
        return {Url{.host = "127.0.0.1", .port = port, .target = "/health?x=1"}, timeout, body_max};
    }
    HttpOutcome send(HttpRequest request) { return run(client_.send(std::move(request))); }
    HttpOutcome get(const TinyServer& server) { return send(request_to(server.port())); }

    /// What `behaviour` makes of a request that may take short_timeout.
    HttpOutcome get_in_short_time(Behaviour behaviour) {
        const TinyServer server{std::move(behaviour)};
        const auto begin = Clock::now();
        auto outcome = send(request_to(server.port(), short_timeout));
        EXPECT_GE(Clock::now() - begin, short_timeout);
        EXPECT_LT(Clock::now() - begin, generous);
        return outcome;
    }

    DetachedCalls calls_{4};
    Resolver resolver_{calls_};
    HttpClient client_{resolver_, "1.2.3"};
};

void expect_timeout(const HttpOutcome& outcome, HttpStage stage) {
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().stage, stage);
    EXPECT_EQ(outcome.error().error.code(), Errc::timeout);
    EXPECT_THAT(outcome.error().error.message(), HasSubstr("no answer within 150 ms"));
}

TEST_F(HttpClientTest, GivesStatusHeadersBodyAndTimings) {
    const TinyServer server{
        answers_with("HTTP/1.1 503 Busy\r\nX-Tag: a\r\nx-tag: b\r\nContent-Length: 4\r\n\r\nbusy")};
    const auto response = get(server);
    ASSERT_TRUE(response) << response.error().error.message();
    EXPECT_EQ(response->status, 503);
    EXPECT_EQ(response->body, "busy");
    EXPECT_EQ(response->headers.at("x-tag"), "a, b");
    EXPECT_EQ(response->headers.at("content-length"), "4");
    const auto& timings = response->timings;
    for (const auto phase : {timings.connect, timings.processing, timings.transfer}) {
        EXPECT_GT(phase.count(), 0);
    }
    EXPECT_LT(timings.total(), generous);
}

TEST_F(HttpClientTest, SendsAPlainGetAndClosesAfterIt) {
    const auto requests = std::make_shared<Requests>();
    const TinyServer server{answers_with(http_answer("200 OK", ""), requests)};
    ASSERT_TRUE(get(server));
    EXPECT_EQ(requests->at(0), "GET /health?x=1 HTTP/1.1\r\nHost: 127.0.0.1:" + server.port() +
                                   "\r\nUser-Agent: holdfast/1.2.3\r\nConnection: close\r\n\r\n");
}

TEST_F(HttpClientTest, SendsMethodHeadersAndBody) {
    const auto requests = std::make_shared<Requests>();
    const TinyServer server{answers_with(http_answer("200 OK", ""), requests)};
    auto request = request_to(server.port());
    request.method = "POST";
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = R"({"a":1})";
    ASSERT_TRUE(send(std::move(request)));
    EXPECT_THAT(requests->at(0), AllOf(StartsWith("POST /health"), HasSubstr("Content-Length: 7"),
                                       HasSubstr("Content-Type: application/json\r\n")));
}

TEST_F(HttpClientTest, OpensOneConnectionPerRequest) {
    const TinyServer server{answers_with(http_answer("200 OK", "ok"))};
    ASSERT_TRUE(get(server));
    ASSERT_TRUE(get(server));
    EXPECT_EQ(server.connections(), 2);
}

TEST_F(HttpClientTest, ReadsChunkedBodies) {
    const TinyServer server{
        answers_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")};
    EXPECT_EQ(get(server)->body, "abcde");
}

TEST_F(HttpClientTest, ReadsABodyThatEndsWithTheConnection) {
    const TinyServer server{answers_with("HTTP/1.0 200 OK\r\n\r\nold style")};
    EXPECT_EQ(get(server)->body, "old style");
}

TEST_F(HttpClientTest, AnAnswerToHeadHasNoBodyWhateverItsLength) {
    const TinyServer server{answers_with("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")};
    auto request = request_to(server.port());
    request.method = "HEAD";
    const auto response = send(std::move(request));
    ASSERT_TRUE(response) << response.error().error.message();
    EXPECT_EQ(response->body, "");
}

TEST_F(HttpClientTest, WaitsForTheAnswerBehindInterimOnes) {
    const TinyServer server{answers_with("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" +
                                         http_answer("200 OK", "ok"))};
    EXPECT_EQ(get(server)->status, 200);
}

TEST_F(HttpClientTest, DoesNotFollowRedirects) {
    const TinyServer server{
        answers_with("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")};
    const auto response = get(server);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 302);
    EXPECT_EQ(response->headers.at("location"), "/x");
    EXPECT_EQ(server.connections(), 1);
}

TEST_F(HttpClientTest, NamesTheStageAndTheReasonOfARefusedConnection) {
    const auto port = refused_port();
    const auto outcome = send(request_to(port));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().stage, HttpStage::connect);
    EXPECT_EQ(outcome.error().error.code(), Errc::io);
    EXPECT_EQ(outcome.error().error.message(),
              "GET http://127.0.0.1:" + port + "/health?x=1: connect: Connection refused");
}

TEST_F(HttpClientTest, NamesTheStageOfANameThatDoesNotResolve) {
    auto request = request_to("80");
    request.url.host = "name.invalid";
    const auto outcome = send(std::move(request));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().stage, HttpStage::resolve);
    EXPECT_THAT(outcome.error().error.message(),
                HasSubstr("GET http://name.invalid:80/health?x=1: resolve: name.invalid: "));
}

TEST_F(HttpClientTest, TriesTheAddressesOfANameInTurn) {
    const TinyServer server{answers_with(http_answer("200 OK", "ok"))};
    const auto here = [](const std::string&, std::uint16_t port) {
        Resolver::Endpoints endpoints;  // nobody listens on the first
        for (const auto* address : {"127.0.0.2", "127.0.0.1"}) {
            endpoints.emplace_back(boost::asio::ip::make_address(address), port);
        }
        return endpoints;
    };
    Resolver resolver{calls_, here, Clock::now};
    HttpClient client{resolver, "1"};
    auto request = request_to(server.port());
    request.url.host = "two.example";
    const auto response = run(client.send(std::move(request)));
    ASSERT_TRUE(response) << response.error().error.message();
    EXPECT_EQ(response->status, 200);
}

TEST_F(HttpClientTest, APeerThatNeverAnswersCostsTheTimeout) {
    expect_timeout(get_in_short_time(hangs_after("")), HttpStage::processing);
}

TEST_F(HttpClientTest, APeerThatStopsInTheMiddleCostsTheTimeout) {
    const auto outcome =
        get_in_short_time(hangs_after("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"));
    expect_timeout(outcome, HttpStage::transfer);
    EXPECT_EQ(outcome.error().status, 200);
}

TEST_F(HttpClientTest, APeerThatSendsByteAfterByteCostsTheTimeout) {
    expect_timeout(get_in_short_time(trickles_after("HTTP/1.1 200 OK\r\nX: ")),
                   HttpStage::transfer);
    expect_timeout(get_in_short_time(trickles_after("HTTP/1.0 200 OK\r\n\r\n")),
                   HttpStage::transfer);
}

TEST_F(HttpClientTest, APeerThatClosesAtOnceIsAnError) {
    const TinyServer server{closes_at_once()};
    const auto outcome = get(server);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().stage, HttpStage::processing);
    EXPECT_EQ(outcome.error().status, 0);
    EXPECT_EQ(outcome.error().error.code(), Errc::io);
}

TEST_F(HttpClientTest, AnAnswerCutShortIsAnErrorNotAShorterAnswer) {
    for (const auto* bytes :
         {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}) {
        const TinyServer server{answers_with(bytes)};
        const auto outcome = get(server);
        ASSERT_FALSE(outcome);
        EXPECT_EQ(outcome.error().status, 200);
        EXPECT_THAT(outcome.error().error.message(), HasSubstr("in the middle of the answer"));
    }
}

TEST_F(HttpClientTest, WhatIsNoHttpIsAParseError) {
    const TinyServer server{answers_with("SSH-2.0-OpenSSH_9.2p1\r\n")};
    const auto outcome = get(server);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().status, 0);
    EXPECT_EQ(outcome.error().error.code(), Errc::parse);
    EXPECT_THAT(outcome.error().error.message(), HasSubstr("the answer is not HTTP"));
}

TEST_F(HttpClientTest, TakesABodyOfTheCapAndNotOneByteMore) {
    const TinyServer fits{answers_with(http_answer("200 OK", std::string(body_max, 'x')))};
    EXPECT_EQ(get(fits)->body.size(), body_max);

    const TinyServer exceeds{answers_with(http_answer("200 OK", std::string(body_max + 1, 'x')))};
    const auto outcome = get(exceeds);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().error.code(), Errc::parse);
    EXPECT_EQ(outcome.error().status, 200);
    EXPECT_THAT(outcome.error().error.message(),
                HasSubstr("the body has 1001 bytes, at most 1000 are taken"));
}

TEST_F(HttpClientTest, CapsABodyThatDoesNotAnnounceItsLength) {
    const TinyServer server{answers_with("HTTP/1.0 200 OK\r\n\r\n" + std::string(1 << 20, 'x'))};
    const auto outcome = get(server);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().error.code(), Errc::parse);
    EXPECT_THAT(outcome.error().error.message(), HasSubstr("at most 1000 are taken"));
}

TEST_F(HttpClientTest, CapsTheHeaderToo) {
    const TinyServer server{answers_with("HTTP/1.1 200 OK\r\nX: " + std::string(1 << 20, 'x'))};
    const auto outcome = get(server);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().error.code(), Errc::parse);
}

TEST_F(HttpClientTest, RefusesWhatWouldNotStayOneRequest) {
    auto header = request_to("1");
    header.headers.emplace_back("X-A", "b\r\nX-Evil: c");
    auto name = request_to("1");
    name.headers.emplace_back("X A", "b");
    auto method = request_to("1");
    method.method = "GET / HTTP/1.1\r\n";
    auto target = request_to("1");
    target.url.target = "/ HTTP/1.1\r\nX: y";
    for (const auto& request : {header, name, method, target}) {
        const auto outcome = send(request);
        ASSERT_FALSE(outcome);
        EXPECT_EQ(outcome.error().error.code(), Errc::invalid);
    }
}

class HttpsTest : public HttpClientTest {
protected:
    TlsClientOptions trusting() const { return {.ca_file = authority_.file()}; }

    /// A GET by https of `server`, or of `url`, with TLS as `options` say.
    HttpOutcome get(const TinyServer& server, const TlsClientOptions& options,
                    Milliseconds timeout = generous) {
        auto request = request_to(server.port(), timeout);
        request.url.tls = true;
        request.tls = *TlsClient::make(options);
        return send(std::move(request));
    }
    /// What becomes of a GET of a server with the certificate `files`.
    HttpOutcome get_of(const CertificateFiles& files, const TlsClientOptions& options) {
        const TinyServer server{answers_over_tls(tls_context(files), http_answer("200 OK", "ok"))};
        return get(server, options);
    }

    Authority authority_;
};

void expect_tls_failure(const HttpOutcome& outcome, const std::string& why) {
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().stage, HttpStage::tls) << outcome.error().error.message();
    EXPECT_EQ(outcome.error().error.code(), Errc::io);
    EXPECT_THAT(outcome.error().error.message(),
                AllOf(StartsWith("GET https://127.0.0.1:"), HasSubstr("/health?x=1: tls: " + why)));
}

TEST_F(HttpsTest, GivesTheAnswerAndHowLongTheHandshakeTook) {
    const auto response = get_of(authority_.issue(), trusting());
    ASSERT_TRUE(response) << response.error().error.message();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "ok");
    const auto& timings = response->timings;
    EXPECT_GT(timings.tls.count(), 0);
    EXPECT_DOUBLE_EQ(timings.total().count(), (timings.resolve + timings.connect + timings.tls +
                                               timings.processing + timings.transfer)
                                                  .count());
}

TEST_F(HttpsTest, AsksForTheNameThatIsToBeVerifiedButNotForAnAddress) {
    const auto seen = std::make_shared<Requests>();
    const TinyServer server{answers_over_tls(
        tls_context(authority_.issue({.alternative_names = "DNS:shop.example,IP:127.0.0.1"})),
        http_answer("200 OK", "ok"), seen)};
    auto options = trusting();
    ASSERT_TRUE(get(server, options));
    EXPECT_EQ(seen->at(0), "");
    options.server_name = "shop.example";
    ASSERT_TRUE(get(server, options));
    EXPECT_EQ(seen->at(2), "shop.example");
    EXPECT_THAT(seen->at(3), HasSubstr("Host: 127.0.0.1:" + server.port() + "\r\n"));
}

TEST_F(HttpsTest, SaysWhyACertificateIsRefused) {
    expect_tls_failure(get_of(authority_.self_signed(), trusting()),
                       "certificate verify failed: self-signed certificate");
    const Authority stranger{"stranger"};
    expect_tls_failure(get_of(authority_.issue(), {.ca_file = stranger.file()}),
                       "certificate verify failed: unable to get local issuer certificate");
    expect_tls_failure(get_of(authority_.issue(), {}),
                       "certificate verify failed: unable to get local issuer certificate");
    using std::chrono::hours;
    expect_tls_failure(
        get_of(authority_.issue({.from = hours{-48}, .until = hours{-24}}), trusting()),
        "certificate verify failed: certificate has expired");
    expect_tls_failure(get_of(authority_.issue({.alternative_names = "DNS:other"}), trusting()),
                       "certificate verify failed: IP address mismatch");
    auto named = trusting();
    named.server_name = "shop.example";
    expect_tls_failure(get_of(authority_.issue({.alternative_names = "DNS:other"}), named),
                       "certificate verify failed: hostname mismatch");
}

TEST_F(HttpsTest, VerifiesWithoutOptionsToo) {
    const TinyServer server{
        answers_over_tls(tls_context(authority_.issue()), http_answer("200 OK", "ok"))};
    auto request = request_to(server.port());
    request.url.tls = true;
    expect_tls_failure(send(std::move(request)), "certificate verify failed: ");
}

TEST_F(HttpsTest, TakesAnyCertificateWhenToldSo) {
    const auto response = get_of(authority_.self_signed(), {.insecure_skip_verify = true});
    ASSERT_TRUE(response) << response.error().error.message();
    EXPECT_EQ(response->body, "ok");
}

TEST_F(HttpsTest, ShowsItsOwnCertificateToAServerThatAsks) {
    const auto context = tls_context(authority_.issue());
    context->set_verify_mode(boost::asio::ssl::verify_peer |
                             boost::asio::ssl::verify_fail_if_no_peer_cert);
    context->load_verify_file(authority_.file().string());
    const TinyServer server{answers_over_tls(context, http_answer("200 OK", "ok"))};
    auto options = trusting();
    const auto refused = get(server, options);
    ASSERT_FALSE(refused);
    const auto own = authority_.issue({.name = "client"});
    options.cert_file = own.cert;
    options.key_file = own.key;
    const auto response = get(server, options);
    ASSERT_TRUE(response) << response.error().error.message();
    EXPECT_EQ(response->status, 200);
}

TEST_F(HttpsTest, DoesWithoutTheEndOfTlsAfterACompleteAnswer) {
    const TinyServer server{answers_over_tls(tls_context(authority_.issue()),
                                             http_answer("200 OK", "ok"), nullptr, Goodbye::none)};
    const auto response = get(server, trusting());
    ASSERT_TRUE(response) << response.error().error.message();
    EXPECT_EQ(response->body, "ok");
}

TEST_F(HttpsTest, AnAnswerWithoutALengthEndsWithTlsOrMayBeCutShort) {
    const auto files = authority_.issue();
    const std::string old_style = "HTTP/1.0 200 OK\r\n\r\nold style";
    const TinyServer ends{answers_over_tls(tls_context(files), old_style)};
    EXPECT_EQ(get(ends, trusting())->body, "old style");
    const TinyServer breaks{
        answers_over_tls(tls_context(files), old_style, nullptr, Goodbye::none)};
    const auto outcome = get(breaks, trusting());
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().error.code(), Errc::io);
    EXPECT_EQ(outcome.error().status, 200);
    EXPECT_THAT(outcome.error().error.message(), HasSubstr("in the middle of the answer"));
}

TEST_F(HttpsTest, APeerThatNeverShakesHandsCostsTheTimeout) {
    const TinyServer server{hangs_after("")};
    expect_timeout(get(server, trusting(), short_timeout), HttpStage::tls);
}

TEST_F(HttpsTest, APeerThatClosesAtOnceFailsInItsHandshake) {
    const TinyServer server{closes_at_once()};
    const auto outcome = get(server, trusting());
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().stage, HttpStage::tls);
}

TEST_F(HttpsTest, APeerThatSpeaksPlainHttpIsToldFromAFault) {
    const TinyServer server{hangs_after("HTTP/1.1 400 Bad Request\r\n\r\n")};
    const auto outcome = get(server, trusting());
    expect_tls_failure(outcome, "wrong version number");
    EXPECT_THAT(outcome.error().error.message(), HasSubstr("is it http://?"));
}

TEST_F(HttpsTest, NamesTheOptionAndTheFileThatAreWrong) {
    const auto problem = [](const TlsClientOptions& options) {
        const auto client = TlsClient::make(options);
        return client ? std::string{} : client.error().message();
    };
    const auto own = authority_.issue();
    const auto other = authority_.issue();
    EXPECT_THAT(problem({.ca_file = "/absent/ca.pem"}),
                StartsWith("ca_file: read /absent/ca.pem: No such file or directory"));
    EXPECT_THAT(problem({.ca_file = own.key}), StartsWith("ca_file: read " + own.key.string()));
    EXPECT_THAT(problem({.cert_file = own.cert}), HasSubstr("cert_file and key_file"));
    EXPECT_THAT(problem({.cert_file = own.key, .key_file = own.key}),
                StartsWith("cert_file: read " + own.key.string()));
    EXPECT_THAT(problem({.cert_file = own.cert, .key_file = other.key}),
                AllOf(StartsWith("key_file: read " + other.key.string()), HasSubstr("mismatch")));
    EXPECT_EQ(problem({.cert_file = own.cert, .key_file = own.key}), "");
}

}  // namespace
}  // namespace holdfast::collectors
