#include "collectors/scrape/text_parser.h"

#include <gmock/gmock.h>

#include <cmath>

#include "collectors/support/utf8.h"

namespace holdfast::collectors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

/// The page must outlive what is parsed of it: only literals and named strings come in here.
ScrapedPage parse(std::string_view page, const ScrapeLimits& limits = {}) {
    auto parsed = parse_page(page, limits, nullptr);
    EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message());
    return parsed ? std::move(*parsed) : ScrapedPage{};
}

double value_in(std::string_view page) {
    const auto parsed = parse(page);
    EXPECT_EQ(parsed.samples.size(), 1U) << page;
    return parsed.samples.empty() ? -12345 : parsed.samples[0].value;
}

Labels labels_in(std::string_view page) {
    const auto parsed = parse(page);
    EXPECT_EQ(parsed.samples.size(), 1U) << page;
    return parsed.samples.empty() ? Labels{} : labels_of(parsed.samples[0].text);
}

std::string complaint_about(std::string_view page) {
    const auto parsed = parse_page(page, {}, nullptr);
    EXPECT_FALSE(parsed) << page;
    EXPECT_TRUE(parsed || parsed.error().code() == Errc::parse);
    return parsed ? "" : parsed.error().message();
}

TEST(ParsePage, ReadsTheExampleOfTheSpecification) {
    const auto page = parse(R"(# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045

# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320

# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.01"} 3102
rpc_duration_seconds_sum 1.7560473e+07
rpc_duration_seconds_count 2693
)");
    ASSERT_EQ(page.samples.size(), 12U);
    EXPECT_EQ(page.samples[0].metric, "http_requests_total");
    EXPECT_EQ(page.samples[0].text, R"(http_requests_total{method="post",code="200"})");
    EXPECT_EQ(page.samples[0].value, 1027);
    EXPECT_THAT(labels_of(page.samples[2].text),
                ElementsAre(Pair("error", "Cannot find file:\n\"FILE.TXT\""),
                            Pair("path", R"(C:\DIR\FILE.TXT)")));
    EXPECT_EQ(page.samples[2].value, 1.458255915e9);
    EXPECT_TRUE(std::isinf(page.samples[4].value));
    EXPECT_EQ(page.families.at("http_requests_total").help, "The total number of HTTP requests.");

    std::vector<SeriesType> types;
    for (const auto& sample : page.samples) {
        types.push_back(sample.type);
    }
    constexpr auto c = SeriesType::counter;
    constexpr auto g = SeriesType::gauge;
    EXPECT_THAT(types, ElementsAre(c, c, g, g, g, c, c, c, c, g, c, c));
}

TEST(ParsePage, AnEmptyPageHasNoSamples) {
    for (const auto* page : {"", "\n", " \t\n\n", "# just a comment\n", "#\n"}) {
        EXPECT_TRUE(parse(page).samples.empty());
    }
}

TEST(ParsePage, ReadsEveryFormOfANumber) {
    EXPECT_EQ(value_in("a 0"), 0);
    EXPECT_EQ(value_in("a -1.5e-3"), -0.0015);
    EXPECT_EQ(value_in("a +7"), 7);
    EXPECT_EQ(value_in("a .5"), 0.5);
    EXPECT_EQ(value_in("a 5."), 5);
    EXPECT_EQ(value_in("a 9007199254740993"), 9007199254740992);
    EXPECT_EQ(value_in("a 1e400"), HUGE_VAL);
    EXPECT_EQ(value_in("a -1e400"), -HUGE_VAL);
    EXPECT_EQ(value_in("a 1e-400"), 0);
    EXPECT_EQ(value_in("a Inf"), HUGE_VAL);
    EXPECT_EQ(value_in("a -inf"), -HUGE_VAL);
    EXPECT_TRUE(std::isnan(value_in("a NaN")));
    EXPECT_TRUE(std::isnan(value_in("a nan")));
}

TEST(ParsePage, RefusesWhatIsNoNumber) {
    for (const auto* page : {"a", "a ", "a x", "a 1x", "a --1", "a +-1", "a +", "a nan(1)", "a 1_0",
                             "a{b=\"c\"}", "a 0x", "a 1,5"}) {
        EXPECT_THAT(complaint_about(page), HasSubstr("line 1: expected a number as value")) << page;
    }
}

TEST(ParsePage, TakesBlanksWhereTheSpecificationAllowsThem) {
    EXPECT_THAT(labels_in("  a \t{ b = \"c\" , d = \"e\" , }\t 1 \t 2 \t\n"),
                ElementsAre(Pair("b", "c"), Pair("d", "e")));
    EXPECT_THAT(labels_in("a{} 1"), ElementsAre());
    EXPECT_EQ(value_in("a{b=\"c\"}1"), 1);
    EXPECT_EQ(value_in("a 1\r\n"), 1);
}

TEST(ParsePage, ResolvesTheEscapesOfLabelsAndHelp) {
    EXPECT_THAT(labels_in(R"(a{b="\\ \" \n \t \\n"} 1)"),
                ElementsAre(Pair("b", "\\ \" \n \\t \\n")));
    EXPECT_THAT(labels_in(R"(a{b="}",c="# x",d=","} 1)"),
                ElementsAre(Pair("b", "}"), Pair("c", "# x"), Pair("d", ",")));
    const auto page = parse("# HELP a first\\nsecond \\\\ end\n");
    EXPECT_EQ(unescaped(page.families.at("a").help), "first\nsecond \\ end");
    EXPECT_EQ(unescaped("\\"), "\\");
}

TEST(ParsePage, ALabelWithoutAValueIsNoLabel) {
    EXPECT_THAT(labels_in(R"(a{b="",c="d"} 1)"), ElementsAre(Pair("c", "d")));
}

TEST(ParsePage, NamesLineReasonAndTextOfABadLine) {
    EXPECT_EQ(complaint_about("a 1\n\nb{c=\"d} 1\n"),
              "line 3: expected a quoted value for label 'c': 'b{c=\"d} 1'");
    EXPECT_THAT(complaint_about("1a 1"), HasSubstr("line 1: expected a metric name: '1a 1'"));
    EXPECT_THAT(complaint_about("{a=\"b\"} 1"), HasSubstr("expected a metric name"));
    EXPECT_THAT(complaint_about("a{1=\"b\"} 1"), HasSubstr("expected a label name"));
    EXPECT_THAT(complaint_about("a{b:c=\"d\"} 1"), HasSubstr("expected '=' after label 'b'"));
    EXPECT_THAT(complaint_about("a{b=c} 1"), HasSubstr("expected a quoted value"));
    EXPECT_THAT(complaint_about("a{b=\"c\" d=\"e\"} 1"), HasSubstr("expected ',' or '}'"));
    EXPECT_THAT(complaint_about("a{b=\"c\""), HasSubstr("expected ',' or '}'"));
    EXPECT_THAT(complaint_about("a{"), HasSubstr("expected a label name"));
    EXPECT_THAT(complaint_about("a{b=\"c\\"), HasSubstr("expected a quoted value"));
    EXPECT_THAT(complaint_about("a{b=\"1\",b=\"2\"} 1"), HasSubstr("label 'b' comes twice"));
    EXPECT_THAT(complaint_about("a 1 x"), HasSubstr("expected a time stamp"));
    EXPECT_THAT(complaint_about("a 1 2 3"), HasSubstr("text after the time stamp"));
    EXPECT_THAT(complaint_about("# TYPE\n"), HasSubstr("expected a metric name after TYPE"));
    EXPECT_THAT(complaint_about("# TYPE a\n"), HasSubstr("expected a type"));
    EXPECT_THAT(complaint_about("<html>"), HasSubstr("line 1: expected a metric name"));
}

TEST(ParsePage, ClipsAndEscapesTheTextOfABadLine) {
    EXPECT_THAT(complaint_about("\x01\xFF" + std::string(1000, 'x')),
                HasSubstr(R"('\x01\xff)" + std::string(78, 'x') + "…'"));
}

TEST(ParsePage, TakesWhatOpenMetricsAdds) {
    const auto page = parse(
        "# TYPE jobs counter\n# UNIT jobs jobs\njobs_total{q=\"a\"} 17 1.5 # {trace_id=\"x\"} 0.67 "
        "1.1\njobs_created{q=\"a\"} 1520430000.123\n# TYPE build info\nbuild_info{v=\"1\"} 1\n# "
        "EOF\nnot read any more\n");
    ASSERT_EQ(page.samples.size(), 3U);
    EXPECT_EQ(page.samples[0].value, 17);
    EXPECT_EQ(page.samples[0].type, SeriesType::counter);
    EXPECT_EQ(page.samples[1].type, SeriesType::gauge) << "a time, not a count";
    EXPECT_EQ(page.samples[2].type, SeriesType::gauge);
    EXPECT_EQ(value_in("a 1 # {x=\"y\"} 2"), 1);
}

TEST(ParsePage, OfADuplicateTheLastWinsAndTheOthersAreCounted) {
    const auto page = parse("a{b=\"c\"} 1\na{b=\"d\"} 5\na{b=\"c\"} 2\na{b=\"c\"} 3\n");
    ASSERT_EQ(page.samples.size(), 2U);
    EXPECT_EQ(page.samples[0].value, 3);
    EXPECT_EQ(page.duplicates, 2U);
}

TEST(ParsePage, KeepsOnlyTheWantedNamesButReadsEveryLine) {
    const std::string text = "a 1\nb 2\na{x=\"y\"} 3\n";
    const auto keeps_a = [](std::string_view metric) { return metric == "a"; };
    const auto page = parse_page(text, {}, keeps_a);
    ASSERT_TRUE(page);
    EXPECT_EQ(page->samples.size(), 2U);
    EXPECT_FALSE(parse_page("a 1\nb x\n", {}, keeps_a));
}

TEST(ParsePage, LeavesOutAndCountsWhatIsOverALimit) {
    const ScrapeLimits two{.max_series = 2};
    EXPECT_EQ(parse("a 1\nb 1\n", two).over_max_series, 0U);
    const auto page = parse("a 1\nb 1\nc 1\na 2\n", two);
    EXPECT_EQ(page.samples.size(), 2U);
    EXPECT_EQ(page.over_max_series, 1U);
    EXPECT_EQ(page.samples[0].value, 2) << "a series that is in stays in";

    const ScrapeLimits short_labels{.max_label_bytes = 3};
    EXPECT_EQ(parse("a{b=\"123\"} 1\n", short_labels).samples.size(), 1U);
    const auto clipped = parse("a{b=\"1234\"} 1\nc 1\n", short_labels);
    EXPECT_EQ(clipped.samples.size(), 1U);
    EXPECT_EQ(clipped.over_max_label, 1U);
}

TEST(ParsePage, RefusesAPageThatIsTooLargeWithBothFigures) {
    EXPECT_TRUE(parse_page("a 1\n", {.max_bytes = 4}, nullptr));
    const auto page = parse_page("a 12\n", {.max_bytes = 4}, nullptr);
    ASSERT_FALSE(page);
    EXPECT_EQ(page.error().code(), Errc::parse);
    EXPECT_EQ(page.error().message(), "the page has 5 bytes, at most 4 are taken");
}

TEST(ParsePage, InvalidUtf8ComesInAsItIsAndIsReplacedInLabelsOnly) {  // pitfall 31
    const std::string text = "a{b=\"x\xFFy\xC3\xA9\"} 1\n";
    const auto page = parse_page(text, {}, nullptr);
    ASSERT_TRUE(page);
    EXPECT_THAT(std::string{page->samples[0].text}, HasSubstr("x\xFFy"));
    EXPECT_THAT(labels_of(page->samples[0].text), ElementsAre(Pair("b", "x\xEF\xBF\xBDy\xC3\xA9")));
}

TEST(ParsePage, NulBytesAreBytes) {
    const std::string text{"a{b=\"x\0y\"} 1\n", 13};
    const auto page = parse_page(text, {}, nullptr);
    ASSERT_TRUE(page);
    EXPECT_EQ(labels_of(page->samples[0].text).at("b"), std::string("x\0y", 3));
}

TEST(SeriesTypeOf, TheDeclaredTypeDecidesAndElseTheName) {
    EXPECT_EQ(series_type("a_total", FamilyType::unknown), SeriesType::counter);
    EXPECT_EQ(series_type("a_count", FamilyType::unknown), SeriesType::gauge);
    EXPECT_EQ(series_type("a_total", FamilyType::gauge), SeriesType::gauge);
    EXPECT_EQ(series_type("a", FamilyType::counter), SeriesType::counter);
    EXPECT_EQ(series_type("a_bucket", FamilyType::summary), SeriesType::gauge);
    EXPECT_EQ(series_type("a_sum", FamilyType::summary), SeriesType::counter);
}

TEST(ParsePage, TheTypeOfAFamilyHoldsForItsComponentsOnly) {
    const auto page = parse("# TYPE a histogram\na_bucket{le=\"1\"} 1\na_size 1\n");
    EXPECT_EQ(page.samples[0].type, SeriesType::counter);
    EXPECT_EQ(page.samples[1].type, SeriesType::gauge);
}

TEST(LabelsOf, GivesWhatComesBeforeAnErrorInAnyText) {
    EXPECT_THAT(labels_of(""), ElementsAre());
    EXPECT_THAT(labels_of("a"), ElementsAre());
    EXPECT_THAT(labels_of("a{b=\"c\",d"), ElementsAre(Pair("b", "c")));
}

TEST(FirstValue, FindsTheLineByItsWholeName) {
    constexpr auto page = "# HELP start x\nstarted 5\nstart_time 6\nstart 1.5e9\nstart 7\n";
    EXPECT_EQ(first_value(page, "start"), 1.5e9);
    EXPECT_EQ(first_value(page, "sta"), std::nullopt);
    EXPECT_EQ(first_value("a{b=\"} 9\"} 3\r\n", "a"), 3);
    EXPECT_EQ(first_value("a\n", "a"), std::nullopt);
    EXPECT_EQ(first_value("a x\n", "a"), std::nullopt);
    EXPECT_EQ(first_value("", "a"), std::nullopt);
}

TEST(Utf8, KnowsWellFormedFromIllFormed) {
    for (const auto* good : {"", "abc", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                             "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
        EXPECT_TRUE(is_utf8(good)) << quoted(good);
        EXPECT_EQ(to_utf8(good), good);
    }
    for (const auto* bad :
         {"\x80", "\xC1\xBF", "\xC2", "\xC2x", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
          "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
        EXPECT_FALSE(is_utf8(bad)) << quoted(bad);
        EXPECT_TRUE(is_utf8(to_utf8(bad)));
    }
    EXPECT_EQ(to_utf8("a\xE2\x82z"), "a\xEF\xBF\xBD\xEF\xBF\xBDz");
}

}  // namespace
}  // namespace holdfast::collectors
