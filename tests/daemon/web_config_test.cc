#include "daemon/web_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/certificates.h"

namespace holdfast::daemon {
namespace {

using namespace std::chrono_literals;
using holdfast::testing::Authority;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

const std::string hash = "$2b$04$holdfastTestSaltNo1aaOY6f1wryF4OycEJ3Ce8XsW7XQ7bpTE0O";

class WebConfigTest : public ::testing::Test {
protected:
    WebConfigTest() : file_{authority_.folder() / "web.yml"}, own_{authority_.issue()} {}

    Result<WebConfig> load(const std::string& yaml) {
        std::ofstream{file_} << yaml;
        return load_web_config(file_);
    }
    WebConfig good(const std::string& yaml) {
        auto config = load(yaml);
        EXPECT_TRUE(config) << config.error().message();
        return config ? std::move(*config) : WebConfig{};
    }
    std::string problem(const std::string& yaml) {
        const auto config = load(yaml);
        EXPECT_TRUE(config || config.error().code() == Errc::config);
        return config ? "no problem" : config.error().message();
    }
    /// A tls_server_config with a good certificate and `more` keys.
    std::string tls(const std::string& more) const {
        return fmt::format("tls_server_config: {{cert_file: {}, key_file: {}{}}}\n",
                           own_.cert.filename().string(), own_.key.string(), more);
    }
    std::string tls_problem(const std::string& more) { return problem(tls(more)); }

    Authority authority_;
    std::filesystem::path file_;
    testing::CertificateFiles own_;
};

TEST_F(WebConfigTest, SwitchesNothingOnWhenEmpty) {
    for (const auto* empty :
         {"", "{}", "# nothing\n", "basic_auth_users:\n", "http_server_config: {http2: false}\n"}) {
        const auto config = good(empty);
        EXPECT_EQ(config.tls, nullptr);
        EXPECT_TRUE(config.headers.empty());
        EXPECT_TRUE(config.users.empty());
        EXPECT_EQ(config.rate_limit.interval, 0ms);
    }
}

TEST_F(WebConfigTest, ReadsAWholeFile) {
    const auto config = good(tls(", client_auth_type: RequireAndVerifyClientCert, client_ca_file: "
                                 "authority.pem, client_allowed_sans: [ops.example, '10.0.0.1'], "
                                 "min_version: TLS13, max_version: TLS13") +
                             "http_server_config:\n"
                             "  http2: false\n"
                             "  headers: {X-Frame-Options: deny, Strict-Transport-Security: ''}\n"
                             "basic_auth_users: {ops: " +
                             hash +
                             "}\n"
                             "rate_limit: {interval: 10ms, burst: 20}\n");
    EXPECT_NE(config.tls, nullptr);
    EXPECT_THAT(config.headers, ElementsAre(Pair("X-Frame-Options", "deny"),
                                            Pair("Strict-Transport-Security", "")));
    EXPECT_THAT(config.users, ElementsAre(Pair("ops", hash)));
    EXPECT_EQ(config.rate_limit.interval, 10ms);
    EXPECT_EQ(config.rate_limit.burst, 20);
}

TEST_F(WebConfigTest, TakesEveryClientAuthTypeThatPrometheusHas) {
    for (const auto* plain : {"NoClientCert", "RequestClientCert", "RequireAnyClientCert"}) {
        EXPECT_NE(good(tls(fmt::format(", client_auth_type: {}", plain))).tls, nullptr) << plain;
    }
    for (const auto* verifying : {"VerifyClientCertIfGiven", "RequireAndVerifyClientCert"}) {
        const auto more = fmt::format(", client_auth_type: {}", verifying);
        EXPECT_NE(good(tls(more + ", client_ca_file: authority.pem")).tls, nullptr) << verifying;
        EXPECT_THAT(tls_problem(more), HasSubstr("client_ca_file: is missing")) << verifying;
    }
    EXPECT_THAT(tls_problem(", client_auth_type: Maybe"),
                HasSubstr("'Maybe' is none of NoClientCert, "));
}

TEST_F(WebConfigTest, NamesFileLineColumnAndTheNearestKey) {
    EXPECT_THAT(
        problem("tls_server_confg: {}\n"),
        HasSubstr(file_.string() +
                  ":1:1: unknown key 'tls_server_confg', did you mean 'tls_server_config'?"));
    EXPECT_THAT(problem("http_server_config:\n  htp2: true\n"),
                HasSubstr(":2:3: unknown key 'http_server_config.htp2', did you mean 'http2'?"));
    EXPECT_THAT(problem("rate_limit: [\n"), HasSubstr("not YAML"));
}

TEST_F(WebConfigTest, NamesCertificatesThatAreMissingUnreadableOrDoNotMatch) {
    EXPECT_THAT(problem("tls_server_config: {key_file: a}\n"),
                HasSubstr(":1:20: tls_server_config.cert_file: is missing"));
    EXPECT_THAT(problem("tls_server_config: {cert_file: a}\n"),
                HasSubstr("tls_server_config.key_file: is missing"));
    EXPECT_THAT(problem("tls_server_config: {cert_file: absent.pem, key_file: absent.key}\n"),
                AllOf(HasSubstr(file_.string() + ":1:"),
                      HasSubstr("tls_server_config: cert_file: read " +
                                (authority_.folder() / "absent.pem").string() +
                                ": No such file or directory")));
    const auto other = authority_.issue();
    EXPECT_THAT(problem(fmt::format("tls_server_config: {{cert_file: {}, key_file: {}}}\n",
                                    own_.cert.string(), other.key.string())),
                AllOf(HasSubstr("key_file: read " + other.key.string()), HasSubstr("mismatch")));
    EXPECT_THAT(tls_problem(", client_auth_type: RequireAndVerifyClientCert, client_ca_file: " +
                            own_.key.string()),
                HasSubstr("client_ca_file: read " + own_.key.string()));
}

TEST_F(WebConfigTest, RefusesOldVersionsOfTlsByName) {
    for (const auto* old : {"TLS10", "TLS11"}) {
        for (const auto* key : {"min_version", "max_version"}) {
            EXPECT_THAT(tls_problem(fmt::format(", {}: {}", key, old)),
                        HasSubstr(fmt::format("{}: {} is too old", key, old)));
        }
    }
    EXPECT_THAT(tls_problem(", min_version: SSL3"), HasSubstr("'SSL3' is none of TLS12, TLS13"));
    EXPECT_THAT(tls_problem(", min_version: TLS13, max_version: TLS12"),
                HasSubstr("min_version: must not be above max_version"));
}

TEST_F(WebConfigTest, TakesNamesOfClientsOnlyWhereTheyAreVerified) {
    EXPECT_THAT(tls_problem(", client_allowed_sans: [a]"),
                HasSubstr("client_allowed_sans: needs client_auth_type"));
    EXPECT_THAT(tls_problem(", client_auth_type: RequireAnyClientCert, client_allowed_sans: [a]"),
                HasSubstr("client_allowed_sans: needs client_auth_type"));
    EXPECT_THAT(tls_problem(", client_ca_file: authority.pem"),
                HasSubstr("client_ca_file: needs a client_auth_type"));
}

TEST_F(WebConfigTest, RefusesHeadersThatWouldBreakAnAnswer) {
    const auto headers = [&](const std::string& text) {
        return problem("http_server_config:\n  headers:\n    " + text + "\n");
    };
    EXPECT_THAT(headers("X-A: \"b\\r\\nX-Evil: c\""), HasSubstr(":3:10: "));
    EXPECT_THAT(headers("X-A: \"b\\nc\""), HasSubstr("line break"));
    EXPECT_THAT(headers("\"X-A\\r\\nX-Evil\": b"), HasSubstr("line break"));
    EXPECT_THAT(headers("'X A': b"), HasSubstr("mark in its name"));
    EXPECT_THAT(headers("content-LENGTH: 0"), HasSubstr("holdfast itself"));
}

TEST_F(WebConfigTest, RefusesHttp2WhichIsNotSpoken) {
    EXPECT_THAT(problem("http_server_config: {http2: true}\n"),
                HasSubstr("http2: only HTTP/1.1 is spoken"));
}

TEST_F(WebConfigTest, SaysHowToMakeAHashWhereThereIsNone) {
    for (const auto& bad : {std::string{"secret"}, std::string{"''"}, hash.substr(1), hash + "x",
                            "$2x" + hash.substr(3), "$2b$03" + hash.substr(6),
                            "$2b$xx" + hash.substr(6), "$5$" + hash.substr(3)}) {
        EXPECT_THAT(problem("basic_auth_users:\n  ops: " + bad + "\n"),
                    AllOf(HasSubstr(":2:8: basic_auth_users.ops: is no bcrypt hash"),
                          HasSubstr("htpasswd -nBC 10 \"\" | tr -d ':'")))
            << bad;
    }
    EXPECT_THAT(problem("basic_auth_users: {ops: $2b$17" + hash.substr(6) + "}\n"),
                HasSubstr("has the cost 17"));
    EXPECT_THAT(problem("basic_auth_users: {ops: [a]}\n"), HasSubstr("expected a text"));
    EXPECT_THAT(problem("basic_auth_users: {'a:b': " + hash + "}\n"), HasSubstr("no colon"));
}

TEST_F(WebConfigTest, DoesNotRepeatASecretInItsMessages) {
    EXPECT_THAT(problem("basic_auth_users: {ops: hunter2}\n"), Not(HasSubstr("hunter2")));
}

TEST_F(WebConfigTest, TakesARateFromOneRequestOn) {
    EXPECT_EQ(good("rate_limit: {interval: 1s}\n").rate_limit.burst, 1);
    for (const auto* bad : {"0", "-1", "1.5", "many", "1000001"}) {
        EXPECT_THAT(problem(fmt::format("rate_limit: {{interval: 1s, burst: {}}}\n", bad)),
                    HasSubstr("burst: '"));
    }
    EXPECT_THAT(problem("rate_limit: {interval: often}\n"), HasSubstr("'often'"));
}

TEST_F(WebConfigTest, NamesAFileThatIsNotThere) {
    const auto config = load_web_config(authority_.folder() / "absent.yml");
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code(), Errc::io);
    EXPECT_THAT(config.error().message(),
                HasSubstr("absent.yml: No such file or directory; check --web.config.file"));
}

}  // namespace
}  // namespace holdfast::daemon
