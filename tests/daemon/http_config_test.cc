#include "daemon/http_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "daemon/config.h"
#include "tests/support/certificates.h"

namespace holdfast::daemon {
namespace {

using holdfast::testing::Authority;
using ::testing::HasSubstr;

class HttpConfigTest : public ::testing::Test {
protected:
    void write(const std::string& name, const std::string& text) const {
        std::ofstream{folder() / name} << text;
    }
    const std::filesystem::path& folder() const { return authority_.folder(); }
    Result<HttpClientConfig> load(const std::string& yaml) const {
        write("http.yml", yaml);
        return load_http_config(folder() / "http.yml");
    }
    HttpClientConfig good(const std::string& yaml) const {
        auto config = load(yaml);
        EXPECT_TRUE(config) << config.error().message();
        return config ? std::move(*config) : HttpClientConfig{};
    }
    std::string problem(const std::string& yaml) const {
        const auto config = load(yaml);
        return config ? "no problem" : config.error().message();
    }

    Authority authority_;
};

TEST_F(HttpConfigTest, NothingIsSentByDefault) {
    const auto config = good("{}");
    EXPECT_EQ(config.authorization, std::nullopt);
    EXPECT_EQ(config.tls, nullptr);
}

TEST_F(HttpConfigTest, ReadsAUserWithThePasswordHereOrInAFile) {
    // RFC 7617, section 2
    EXPECT_EQ(good("basic_auth: {username: Aladdin, password: open sesame}\n").authorization,
              "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    write("password", "open sesame\n");
    EXPECT_EQ(good("basic_auth: {username: Aladdin, password_file: password}\n").authorization,
              "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST_F(HttpConfigTest, ReadsAnAuthorizationWithTheCredentialsHereOrInAFile) {
    EXPECT_EQ(good("authorization: {credentials: abc}\n").authorization, "Bearer abc");
    write("token", "abc\r\n");
    EXPECT_EQ(good("authorization: {type: Token, credentials_file: token}\n").authorization,
              "Token abc");
}

TEST_F(HttpConfigTest, ReadsTlsWithPathsThatStartAtItsFolder) {
    const auto own = authority_.issue();
    EXPECT_NE(good("tls_config: {ca_file: authority.pem, server_name: a, cert_file: " +
                   own.cert.string() + ", key_file: " + own.key.string() +
                   ", insecure_skip_verify: true}\n")
                  .tls,
              nullptr);
    EXPECT_THAT(problem("tls_config:\n  ca_file: absent.pem\n"),
                HasSubstr(":2:3: tls_config: ca_file: read " + (folder() / "absent.pem").string()));
    EXPECT_THAT(problem("tls_config: {cert_file: authority.pem}\n"),
                HasSubstr("cert_file and key_file: one is missing"));
}

TEST_F(HttpConfigTest, SaysWhatIsWrongAndWhere) {
    EXPECT_THAT(problem("basic_aut: {}\n"),
                HasSubstr(":1:1: unknown key 'basic_aut', did you mean"));
    EXPECT_THAT(problem("tls_config: {ca: x}\n"), HasSubstr("unknown key 'tls_config.ca'"));
    EXPECT_THAT(problem("basic_auth: {username: a}\n"),
                HasSubstr("basic_auth.password: is missing; or give password_file"));
    EXPECT_THAT(problem("basic_auth: {username: a, password: b, password_file: c}\n"),
                HasSubstr("there is password_file as well"));
    EXPECT_THAT(problem("basic_auth: {password: b}\n"), HasSubstr("username: is missing"));
    EXPECT_THAT(problem("basic_auth: {username: 'a:b', password: b}\n"), HasSubstr("no colon"));
    EXPECT_THAT(problem("authorization: {type: Basic, credentials: b}\n"), HasSubstr("basic_auth"));
    EXPECT_THAT(problem("basic_auth: {username: a, password: b}\n"
                        "authorization: {credentials: b}\n"),
                HasSubstr("authorization: there is basic_auth as well"));
    EXPECT_THAT(problem("authorization: {credentials_file: absent}\n"),
                HasSubstr("credentials_file: read " + (folder() / "absent").string()));
}

TEST_F(HttpConfigTest, TheConfigurationTakesTlsForProbesScrapesAndAlertmanagers) {
    const auto file = (folder() / "holdfast.yml").string();
    const auto config = parse_config(R"(
collectors:
  probe: [{name: a, url: 'https://a/', tls_config: {ca_file: authority.pem}}, {name: b, url: 'https://b/'}]
  scrape: [{name: a, url: 'https://a/', tls_config: {insecure_skip_verify: true}}]
alerting: {alertmanagers: [{url: 'https://a:9093', tls_config: {ca_file: authority.pem}}]}
)",
                                     file);
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_NE(config->collectors.probes[0].options.tls, nullptr);
    EXPECT_TRUE(config->collectors.probes[0].options.url.tls);
    EXPECT_EQ(config->collectors.probes[1].options.tls, nullptr);
    EXPECT_NE(config->collectors.scrapes[0].options.tls, nullptr);
    EXPECT_NE(config->alerting.alertmanagers[0].tls, nullptr);

    const auto wrong = parse_config(
        "alerting: {alertmanagers: [{url: 'https://a', tls_config: {ca_file: absent.pem}}]}", file);
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().message(),
                HasSubstr("alerting.alertmanagers[0].tls_config: ca_file: read " +
                          (folder() / "absent.pem").string()));
}

}  // namespace
}  // namespace holdfast::daemon
