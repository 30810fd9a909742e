#include "collectors/support/url.h"

#include <gmock/gmock.h>

namespace holdfast::collectors {
namespace {

using ::testing::HasSubstr;

Url url_of(std::string_view text) {
    const auto url = parse_url(text);
    EXPECT_TRUE(url) << (url ? "" : url.error().message());
    return url.value_or(Url{});
}

std::string complaint_about(std::string_view text) {
    const auto url = parse_url(text);
    EXPECT_FALSE(url) << text;
    EXPECT_TRUE(url || url.error().code() == Errc::config) << text;
    return url ? "" : url.error().message();
}

TEST(ParseUrl, TakesHostPortPathAndQuery) {
    const auto url = url_of("http://app.example:8080/health/a%20b?full=1&x=%2F");
    EXPECT_EQ(url.host, "app.example");
    EXPECT_EQ(url.port, "8080");
    EXPECT_EQ(url.target, "/health/a%20b?full=1&x=%2F");
    EXPECT_EQ(to_string(url), "http://app.example:8080/health/a%20b?full=1&x=%2F");
}

TEST(ParseUrl, FillsInPort80AndTheRootPath) {
    for (const auto* text : {"http://h", "http://h/", "HTTP://h:80", "http://h:/"}) {
        EXPECT_EQ(to_string(url_of(text)), "http://h:80/") << text;
    }
    EXPECT_EQ(url_of("http://h?a=b").target, "/?a=b");
}

TEST(ParseUrl, LeavesTheFragmentOut) {
    EXPECT_EQ(url_of("http://h/a#b").target, "/a");
}

TEST(ParseUrl, TakesIpv6WithoutItsBracketsAndPrintsThemAgain) {
    const auto url = url_of("http://[::1]:9102/metrics");
    EXPECT_EQ(url.host, "::1");
    EXPECT_EQ(authority(url), "[::1]:9102");
}

TEST(ParseUrl, TakesHttpsWithPort443UnlessItSaysOtherwise) {
    EXPECT_FALSE(url_of("http://h").tls);
    for (const auto* text : {"https://h", "HTTPS://h:443/"}) {
        EXPECT_TRUE(url_of(text).tls);
        EXPECT_EQ(to_string(url_of(text)), "https://h:443/") << text;
    }
    EXPECT_EQ(to_string(url_of("https://[::1]:8443/a")), "https://[::1]:8443/a");
}

TEST(ParseUrl, RefusesOtherSchemes) {
    EXPECT_THAT(complaint_about("ftp://h/"),
                HasSubstr("scheme 'ftp' is not supported, use http:// or https://"));
}

TEST(ParseUrl, TakesPortsFrom1To65535) {
    EXPECT_EQ(url_of("http://h:1").port, "1");
    EXPECT_EQ(url_of("http://h:65535").port, "65535");
    EXPECT_THAT(complaint_about("http://h:0"), HasSubstr("the port 0 is not in 1..65535"));
    EXPECT_THAT(complaint_about("http://h:65536"), HasSubstr("the port 65536 is not in 1..65535"));
    EXPECT_THAT(complaint_about("http://h:99999999999999999999"), HasSubstr("not in 1..65535"));
}

TEST(ParseUrl, RefusesWhatIsNoUrl) {
    for (const auto* text :
         {"", "h", "h:80", "//h/", "http:", "http:/h", "http://h/a b", "http://h:x/",
          "http://h:80x", "http://[::1/", "http://h/\xFF", "http://h/\r\nX: y"}) {
        EXPECT_THAT(complaint_about(text), HasSubstr("url '")) << text;
    }
    EXPECT_THAT(complaint_about("http:///a"), HasSubstr("the host is missing"));
}

TEST(ParseUrl, RefusesAHostThatCouldSmuggleALineBreak) {
    EXPECT_THAT(complaint_about("http://a%0d%0aX:80/"), HasSubstr("percent-encoding in the host"));
}

TEST(ParseUrl, RefusesAPasswordInTheAddress) {
    EXPECT_THAT(complaint_about("http://me:secret@h/"), HasSubstr("user and password"));
}

}  // namespace
}  // namespace holdfast::collectors
