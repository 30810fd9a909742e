#include "collectors/logs/severity.h"

#include <gmock/gmock.h>

#include <string>

namespace holdfast::collectors {
namespace {

TEST(SeverityOf, KnowsTheLevelWordsInAnyCase) {
    const std::pair<Severity, std::vector<std::string>> words[] = {
        {Severity::fatal, {"FATAL", "PANIC", "EMERG", "ALERT", "CRIT", "CRITICAL", "Fatal"}},
        {Severity::error, {"ERROR", "ERR", "SEVERE", "error", "Error"}},
        {Severity::warning, {"WARN", "WARNING", "warning"}},
        {Severity::info, {"NOTICE", "INFO", "info"}},
        {Severity::debug, {"DEBUG", "TRACE", "debug"}},
    };
    for (const auto& [severity, levels] : words) {
        for (const auto& level : levels) {
            EXPECT_EQ(severity_of(level), severity) << level;
            EXPECT_EQ(severity_of("2026-01-01 12:00:00 [" + level + "] x"), severity) << level;
            EXPECT_EQ(severity_of("level=" + level), severity) << level;
        }
    }
}

TEST(SeverityOf, IsUnknownWithoutALevel) {
    for (const auto* line : {"", " ", "hello", "GET / 200", "level=verbose", "level", "level="}) {
        EXPECT_EQ(severity_of(line), Severity::unknown) << line;
    }
}

TEST(SeverityOf, TakesWholeWordsOnly) {
    for (const auto* line : {"errors: 0", "terror", "err_code", "ERROR_5", "information", "5ERROR",
                             "warned", "debugger"}) {
        EXPECT_EQ(severity_of(line), Severity::unknown) << line;
    }
    EXPECT_EQ(severity_of("kernel:error."), Severity::error);
    EXPECT_EQ(severity_of("error-free"), Severity::error);
}

TEST(SeverityOf, TheFirstWordWins) {
    EXPECT_EQ(severity_of("INFO: recovered from ERROR"), Severity::info);
    EXPECT_EQ(severity_of("ERROR while writing INFO"), Severity::error);
}

TEST(SeverityOf, AKeyWinsOverWordsBeforeIt) {
    EXPECT_EQ(severity_of(R"(msg="no error" level=info)"), Severity::info);
    EXPECT_EQ(severity_of(R"({"msg":"fatal error","level":"debug"})"), Severity::debug);
    EXPECT_EQ(severity_of("<11>app: severity: warning"), Severity::warning);
}

TEST(SeverityOf, ReadsTheKeysOfLogfmtAndJson) {
    for (const auto* line :
         {"level=error", "lvl=err", "severity=ERROR", R"(level="error")", R"({"level":"error"})",
          R"({"level" : "error"})", R"({"log.level":"error"})", R"({"severity":"ERROR"})",
          "Level: Error", "ts=1 lvl=error msg=x", "{'level': 'error'}"}) {
        EXPECT_EQ(severity_of(line), Severity::error) << line;
    }
}

TEST(SeverityOf, AKeyWithoutAKnownLevelLeavesItToTheRest) {
    EXPECT_EQ(severity_of("level=7 lvl=warn"), Severity::warning);
    EXPECT_EQ(severity_of("water level rises, error"), Severity::error);
    EXPECT_EQ(severity_of("sublevel=error x"), Severity::error) << "a bare word";
    EXPECT_EQ(severity_of("loglevel=info error"), Severity::info) << "the first bare word";
}

TEST(SeverityOf, ReadsTheNumbersOfBunyanAndPino) {
    const auto of = [](const std::string& number) {
        return severity_of(R"({"name":"x","level":)" + number + R"(,"msg":"error"})");
    };
    EXPECT_EQ(of("10"), Severity::debug);
    EXPECT_EQ(of("20"), Severity::debug);
    EXPECT_EQ(of("30"), Severity::info);
    EXPECT_EQ(of("35"), Severity::info);
    EXPECT_EQ(of("40"), Severity::warning);
    EXPECT_EQ(of("50"), Severity::error);
    EXPECT_EQ(of("60"), Severity::fatal);
    for (const auto* none : {"9", "61", "-30", "99999999999999999999"}) {
        EXPECT_EQ(of(none), Severity::error) << "the bare word of the message";
    }
    EXPECT_EQ(severity_of("level=50"), Severity::unknown) << "no JSON";
}

TEST(SeverityOf, ReadsTheSyslogPriority) {
    EXPECT_EQ(severity_of("<0>x"), Severity::fatal);
    EXPECT_EQ(severity_of("<10>x"), Severity::fatal);  // user.crit
    EXPECT_EQ(severity_of("<11>x"), Severity::error);
    EXPECT_EQ(severity_of("<12>x"), Severity::warning);
    EXPECT_EQ(severity_of("<13>x"), Severity::info);
    EXPECT_EQ(severity_of("<14>x ERROR"), Severity::info) << "it comes first";
    EXPECT_EQ(severity_of("<191>x"), Severity::debug);
    for (const auto* none : {"<192>x", "<>x", "<1", "<1x>", " <1>", "<0001>x", "<-1>"}) {
        EXPECT_EQ(severity_of(none), Severity::unknown) << none;
    }
}

TEST(SeverityOf, LooksAtTheFirst256BytesOnly) {
    EXPECT_EQ(severity_of(std::string(251, ' ') + "ERROR"), Severity::error);
    EXPECT_EQ(severity_of(std::string(252, ' ') + "ERROR"), Severity::unknown);
    EXPECT_EQ(severity_of(std::string(253, ' ') + "ERROR"), Severity::unknown) << "not as ERR";
    EXPECT_EQ(severity_of(std::string(100'000, 'x') + " ERROR"), Severity::unknown);
}

TEST(SeverityOf, TakesAnyBytes) {  // pitfall 31
    EXPECT_EQ(severity_of("\xFF\xFE ERROR \xC3"), Severity::error);
    EXPECT_EQ(severity_of(std::string("\0\0ERROR\0", 8)), Severity::error);
}

}  // namespace
}  // namespace holdfast::collectors
