#include "daemon/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "collectors/support/http_client.h"
#include "collectors/support/resolver.h"
#include "collectors/support/tls_client.h"
#include "daemon/tls_server.h"
#include "tests/support/certificates.h"
#include "tests/support/run.h"

namespace holdfast::daemon {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::ip::tcp;
using collectors::HttpOutcome;
using collectors::TlsClientOptions;
using holdfast::testing::Authority;
using holdfast::testing::CertificateFiles;
using holdfast::testing::run;
using ::testing::HasSubstr;
using ::testing::Not;

/// A server on a free port and a thread of its own, that repeats what it is asked.
class Served {
public:
    explicit Served(const ServerSettings& settings)
        : server_{std::move(*HttpServer::listen(io_.get_executor(), "127.0.0.1:0", metrics_))} {
        server_.configure(settings);
        auto echo = [](ServerRequest request) -> asio::awaitable<ServerResponse> {
            co_return ServerResponse{200, "text/plain", request.method + " " + request.path};
        };
        ended_ = asio::co_spawn(io_, server_.serve(std::move(echo)),
                                asio::bind_cancellation_slot(stop_.slot(), asio::use_future));
        thread_ = std::thread{[this] { io_.run(); }};
    }
    ~Served() { stop(); }
    Served(const Served&) = delete;
    Served& operator=(const Served&) = delete;

    std::string port() const {
        const auto address = server_.address();
        return address.substr(address.rfind(':') + 1);
    }
    void configure(const ServerSettings& settings) {
        asio::post(io_, [this, settings] { server_.configure(settings); });
    }
    double handshakes_failed() const { return metrics_.http_tls_handshakes_failed.Value(); }

    /// Ends the server as the daemon does: cancelled and awaited.
    void stop() {
        if (thread_.joinable()) {
            asio::post(io_, [this] { stop_.emit(asio::cancellation_type::terminal); });
            thread_.join();
            ended_.get();
        }
    }

private:
    SelfMetrics metrics_ = SelfMetrics::make();
    asio::io_context io_{1};
    asio::cancellation_signal stop_;
    HttpServer server_;
    std::future<void> ended_;
    std::thread thread_;
};

class HttpServerTest : public ::testing::Test {
protected:
    ServerSettings tls(TlsServerOptions options) {
        const auto files = authority_.issue();
        options.cert_file = files.cert;
        options.key_file = files.key;
        return {*TlsServer::make(options), {{"X-Frame-Options", "deny"}}};
    }
    TlsServerOptions verifying(std::vector<std::string> sans) const {
        return {.client_auth = ClientAuth::require_and_verify,
                .client_ca_file = authority_.file(),
                .client_allowed_sans = std::move(sans)};
    }
    HttpOutcome get(const Served& served, const TlsClientOptions* options) {
        collectors::HttpRequest request{
            {.host = "127.0.0.1", .port = served.port(), .target = "/a", .tls = options != nullptr},
            60s,
            1000};
        if (options != nullptr) {
            request.tls = *collectors::TlsClient::make(*options);
        }
        return run(client_.send(std::move(request)));
    }
    HttpOutcome get_by_tls(const Served& served) {
        const TlsClientOptions options{.ca_file = authority_.file()};
        return get(served, &options);
    }
    /// A GET with a client's certificate.
    HttpOutcome get_as(const Served& served, const CertificateFiles& files) {
        const TlsClientOptions options{
            .ca_file = authority_.file(), .cert_file = files.cert, .key_file = files.key};
        return get(served, &options);
    }
    CertificateFiles client_named(const std::string& alternative_names) {
        return authority_.issue({.name = "client", .alternative_names = alternative_names});
    }

    /// A connection of its own, without TLS whatever the server speaks.
    tcp::socket connect(const Served& served) {
        tcp::socket socket{io_};
        socket.connect({asio::ip::address_v4::loopback(),
                        static_cast<std::uint16_t>(std::stoul(served.port()))});
        return socket;
    }

    asio::io_context io_;
    Authority authority_;
    collectors::DetachedCalls calls_{4};
    collectors::Resolver resolver_{calls_};
    collectors::HttpClient client_{resolver_, "1"};
};

TEST_F(HttpServerTest, AnswersOverPlainTcp) {
    const Served served{{nullptr, {{"X-Frame-Options", "deny"}}}};
    const auto response = get(served, nullptr);
    ASSERT_TRUE(response) << response.error().error.message();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "GET /a");
    EXPECT_EQ(response->headers.at("x-frame-options"), "deny");
    EXPECT_EQ(response->headers.at("x-content-type-options"), "nosniff");
}

TEST_F(HttpServerTest, AnswersOverTls) {
    const Served served{tls({})};
    const auto response = get_by_tls(served);
    ASSERT_TRUE(response) << response.error().error.message();
    EXPECT_EQ(response->body, "GET /a");
    EXPECT_EQ(response->headers.at("x-frame-options"), "deny");
    EXPECT_EQ(served.handshakes_failed(), 0);
}

TEST_F(HttpServerTest, AnswersSeveralRequestsOverOneTlsConnection) {
    const Served served{tls({})};
    auto socket = connect(served);
    const auto client = *collectors::TlsClient::make({.ca_file = authority_.file()});
    collectors::TlsStream stream{socket, client->context()};
    client->prepare(stream, "127.0.0.1");
    stream.handshake(collectors::TlsStream::client);
    for (const std::string end : {"\r\n", "Connection: close\r\n\r\n"}) {
        asio::write(stream, asio::buffer("GET /" + std::to_string(end.size()) +
                                         " HTTP/1.1\r\nHost: a\r\n" + end));
    }
    std::string text;
    boost::system::error_code error;
    asio::read(stream, asio::dynamic_buffer(text), error);
    EXPECT_EQ(error, asio::error::eof) << "TLS says goodbye: " << error.message();
    EXPECT_THAT(text, HasSubstr("GET /2"));
    EXPECT_THAT(text, HasSubstr("GET /21"));
}

TEST_F(HttpServerTest, ClosesWhatDoesNotSpeakTlsAndGoesOn) {
    const Served served{tls({})};
    for (const std::string bytes : {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                    "\x16\x03\x01\xff\xff\xff\xff\xff\xff", "\r\n", ""}) {
        auto socket = connect(served);
        asio::write(socket, asio::buffer(bytes));
        socket.shutdown(tcp::socket::shutdown_send);
        std::string text;
        boost::system::error_code error;
        asio::read(socket, asio::dynamic_buffer(text), error);
        EXPECT_TRUE(error);
        EXPECT_THAT(text, Not(HasSubstr("HTTP")));
    }
    EXPECT_TRUE(get_by_tls(served));
    EXPECT_EQ(served.handshakes_failed(), 4);
}

TEST_F(HttpServerTest, ANewCertificateServesTheNextConnection) {
    Served served{tls({})};
    auto old = connect(served);
    const auto client = *collectors::TlsClient::make({.ca_file = authority_.file()});
    collectors::TlsStream stream{old, client->context()};
    client->prepare(stream, "127.0.0.1");
    stream.handshake(collectors::TlsStream::client);

    Authority next{"next authority"};
    const auto files = next.issue();
    served.configure({*TlsServer::make({.cert_file = files.cert, .key_file = files.key}), {}});
    const TlsClientOptions options{.ca_file = next.file()};
    ASSERT_TRUE(get(served, &options));
    EXPECT_FALSE(get_by_tls(served));

    asio::write(stream, asio::buffer(std::string{"GET /old HTTP/1.0\r\n\r\n"}));
    std::string text;
    boost::system::error_code error;
    asio::read(stream, asio::dynamic_buffer(text), error);
    EXPECT_THAT(text, HasSubstr("GET /old")) << "a connection keeps the certificate it has";
}

TEST_F(HttpServerTest, EndsInTheMiddleOfAHandshakeAndOfAConnection) {
    Served served{tls({})};
    auto silent = connect(served);
    auto idle = connect(served);
    const auto client = *collectors::TlsClient::make({.ca_file = authority_.file()});
    collectors::TlsStream stream{idle, client->context()};
    client->prepare(stream, "127.0.0.1");
    stream.handshake(collectors::TlsStream::client);
    const auto begin = std::chrono::steady_clock::now();
    served.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, HttpServer::read_timeout);
}

TEST_F(HttpServerTest, AsksForACertificateThatItsAuthorityHasSigned) {
    const Served served{tls(verifying({}))};
    EXPECT_FALSE(get_by_tls(served)) << "without one";
    Authority stranger{"stranger"};
    EXPECT_FALSE(get_as(served, stranger.issue()));
    const auto response = get_as(served, client_named("DNS:ops.example"));
    ASSERT_TRUE(response) << response.error().error.message();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(served.handshakes_failed(), 2);
}

TEST_F(HttpServerTest, TakesAnyCertificateWhereItOnlyRequiresOne) {
    const Served served{tls({.client_auth = ClientAuth::require_any})};
    EXPECT_FALSE(get_by_tls(served));
    Authority stranger{"stranger"};
    EXPECT_TRUE(get_as(served, stranger.issue()));
}

TEST_F(HttpServerTest, VerifiesACertificateOnlyIfThereIsOne) {
    const Served served{tls({.client_auth = ClientAuth::verify_if_given,
                             .client_ca_file = authority_.file(),
                             .client_allowed_sans = {"ops.example"}})};
    EXPECT_TRUE(get_by_tls(served));
    EXPECT_TRUE(get_as(served, client_named("DNS:ops.example")));
    EXPECT_FALSE(get_as(served, client_named("DNS:dev.example")));
}

TEST_F(HttpServerTest, TakesOnlyClientsWithAnAllowedName) {
    const Served served{
        tls(verifying({"ops.example", "10.0.0.1", "fd00:0::1", "ops@x.example", "urn:ops"}))};
    for (const auto* good : {"DNS:dev.example,DNS:ops.example", "IP:10.0.0.1", "IP:fd00::1",
                             "email:ops@x.example", "URI:urn:ops"}) {
        const auto response = get_as(served, client_named(good));
        EXPECT_TRUE(response) << good << ": " << response.error().error.message();
    }
    for (const auto* bad : {"", "DNS:dev.example", "IP:10.0.0.2", "DNS:ops.example.evil.example"}) {
        EXPECT_FALSE(get_as(served, client_named(bad))) << bad;
    }
}

TEST_F(HttpServerTest, SpeaksOnlyTheVersionsItIsTold) {
    const Served served{tls({.min_version = TlsVersion::tls13})};
    EXPECT_TRUE(get_by_tls(served));
    const auto client = *collectors::TlsClient::make({.ca_file = authority_.file()});
    SSL_CTX_set_max_proto_version(client->context().native_handle(), TLS1_2_VERSION);
    auto socket = connect(served);
    collectors::TlsStream stream{socket, client->context()};
    boost::system::error_code error;
    stream.handshake(collectors::TlsStream::client, error);
    EXPECT_THAT(error.message(), HasSubstr("protocol version"));
}

}  // namespace
}  // namespace holdfast::daemon
