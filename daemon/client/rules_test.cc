#include "daemon/client/rules_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>

#include "collectors/support/utf8.h"
#include "daemon/client/connection.h"
#include "daemon/client/offline.h"
#include "daemon/judging_json.h"
#include "daemon/quantities.h"
#include "rules/words.h"

namespace holdfast::client {
namespace json = boost::json;
namespace {

using daemon::seconds_json;

/// How many of each there are, of a file or of all.
struct Counts {
    std::size_t tests = 0;
    std::size_t failed = 0;  ///< expectations unmet
    std::size_t errors = 0;  ///< not run, not read
    double duration_seconds = 0;

    void add(const TestedFile& file) {
        tests += file.tests.size();
        errors += file.error ? 1 : 0;
        for (const auto& test : file.tests) {
            failed += test.unmet.empty() ? 0 : 1;
            errors += test.error ? 1 : 0;
            duration_seconds += test.duration_seconds;
        }
    }
};

Counts counts_of(const TestedFile& file) {
    Counts out;
    out.add(file);
    return out;
}

Counts counts_of(const std::vector<TestedFile>& files) {
    Counts out;
    for (const auto& file : files) {
        out.add(file);
    }
    return out;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TestedCase tested(const RuleCases& cases, const RuleCase& test) {
    TestedCase out{.name = test.name, .line = test.line, .expectations = test.expect.size()};
    const auto begin = std::chrono::steady_clock::now();
    auto unmet = run_rule_case(cases, test, with_threads(threads_for(0)));
    out.duration_seconds = seconds_since(begin);
    if (unmet) {
        out.unmet = std::move(*unmet);
    } else {
        out.error = unmet.error();
    }
    return out;
}

TestedFile tested(const std::string& file) {
    TestedFile out{.file = file};
    const auto cases = load_rule_cases(file);
    if (!cases) {
        out.error = cases.error();
        return out;
    }
    for (const auto& test : cases->tests) {
        out.tests.push_back(tested(*cases, test));
    }
    return out;
}

/// `FILE:7: expected at 1h: …`, and below it what was said.
std::string unmet_text(const std::string& file, const Unmet& unmet) {
    return fmt::format("{}:{}: expected {}\n    at {} ({}): {}\n", file, unmet.line, unmet.expected,
                       daemon::format_duration(unmet.time), rules::in_words(unmet.at), unmet.said);
}

json::object case_json(const TestedCase& test) {
    json::array unmet;
    for (const auto& u : test.unmet) {
        unmet.push_back(json::object{{"line", u.line},
                                     {"expected", u.expected},
                                     {"after_seconds", seconds_json(u.time)},
                                     {"at", rules::in_words(u.at)},
                                     {"said", u.said}});
    }
    json::object out{{"name", test.name},
                     {"line", test.line},
                     {"passed", test.passed()},
                     {"duration_seconds", test.duration_seconds},
                     {"unmet", std::move(unmet)}};
    if (test.error) {
        out["error"] = test.error->message();
    }
    return out;
}

// ---- JUnit XML

/// Text of an element or attribute. XML 1.0 has no way to write most control characters.
std::string xml_text(std::string_view text) {
    std::string out;
    for (const char c : collectors::to_utf8(text)) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\n':
                out += "&#10;";
                break;
            case '\t':
                out += "&#9;";
                break;
            default:
                out += static_cast<unsigned char>(c) < 0x20U ? "\xef\xbf\xbd" : std::string(1, c);
        }
    }
    return out;
}

std::string counts_xml(const Counts& counts) {
    return fmt::format(R"(tests="{}" failures="{}" errors="{}" time="{:.3f}")", counts.tests,
                       counts.failed, counts.errors, counts.duration_seconds);
}

/// A `failure` or `error` with its first line as the message.
std::string trouble_xml(const char* element, std::string_view text) {
    return fmt::format("      <{} message=\"{}\">{}</{}>\n", element,
                       xml_text(text.substr(0, text.find('\n'))), xml_text(text), element);
}

std::string case_xml(const TestedFile& file, const TestedCase& test) {
    auto out = fmt::format(
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.3f}\"",
        xml_text(test.name), xml_text(std::filesystem::path{file.file}.stem().string()),
        xml_text(file.file), test.line, test.duration_seconds);
    if (test.passed()) {
        return out + "/>\n";
    }
    out += ">\n";
    if (test.error) {
        out += trouble_xml("error", test.error->message());
    } else {
        std::string text;
        for (const auto& unmet : test.unmet) {
            text += unmet_text(file.file, unmet);
        }
        out += trouble_xml("failure", text);
    }
    return out + "    </testcase>\n";
}

}  // namespace

std::string tested_text(const TestedFile& file) {
    std::string out;
    for (const auto& test : file.tests) {
        out += fmt::format("{} {}: {} ({} expectation{}, {:.1f} s)\n",
                           test.passed() ? "ok    " : "FAILED", file.file, test.name,
                           test.expectations, test.expectations == 1 ? "" : "s",
                           test.duration_seconds);
        for (const auto& unmet : test.unmet) {
            out += "  " + unmet_text(file.file, unmet);
        }
        if (test.error) {
            out += fmt::format("  {}:{}: {}\n", file.file, test.line, test.error->message());
        }
    }
    return out;
}

json::object tested_json(const std::vector<TestedFile>& files) {
    json::array out;
    std::size_t failed = 0;
    std::size_t unreadable = 0;
    for (const auto& file : files) {
        json::array tests;
        for (const auto& test : file.tests) {
            failed += test.passed() ? 0 : 1;
            tests.push_back(case_json(test));
        }
        json::object one{{"file", file.file}, {"tests", std::move(tests)}};
        if (file.error) {
            ++unreadable;
            one["error"] = file.error->message();
        }
        out.push_back(std::move(one));
    }
    return {{"passed", counts_of(files).tests - failed},
            {"failed", failed},
            {"unreadable", unreadable},
            {"files", std::move(out)}};
}

std::string tested_junit(const std::vector<TestedFile>& files) {
    auto all = counts_of(files);
    std::string suites;
    for (const auto& file : files) {
        auto counts = counts_of(file);
        if (file.error) {  // it stands for the tests that nobody could read
            ++counts.tests;
            ++all.tests;
        }
        suites +=
            fmt::format("  <testsuite name=\"{}\" {}>\n", xml_text(file.file), counts_xml(counts));
        for (const auto& test : file.tests) {
            suites += case_xml(file, test);
        }
        if (file.error) {
            suites += case_xml(
                file, {.name = "read the file", .line = 1, .unmet = {}, .error = file.error});
        }
        suites += "  </testsuite>\n";
    }
    return fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"holdfast rules test\" "
        "{}>\n{}</testsuites>\n",
        counts_xml(all), suites);
}

int rules_test(const RulesTestArguments& arguments) {
    std::vector<TestedFile> files;
    for (const auto& name : arguments.files) {
        const auto& file = files.emplace_back(tested(name));
        if (arguments.format == Format::table) {
            std::cout << tested_text(file) << std::flush;  // one by one: weeks take seconds
        }
        if (file.error) {
            complain_offline(*file.error);
        }
    }
    const auto counts = counts_of(files);
    const auto bad = counts.failed + counts.errors;
    if (arguments.format == Format::table) {
        std::cout << fmt::format(
            "{} test{}, {}\n", counts.tests, counts.tests == 1 ? "" : "s",
            bad == 0 ? "all ok"
                     : fmt::format("{} failed, {} with errors", counts.failed, counts.errors));
    } else {
        const auto result = tested_json(files);
        std::cout << (arguments.format == Format::json ? as_json(result) : as_yaml(result));
    }
    if (!(std::cout << std::flush)) {
        return complain_offline({Errc::io, "write the result: standard output is closed"});
    }
    if (!arguments.junit.empty()) {
        if (const auto written = write_whole(arguments.junit, tested_junit(files)); !written) {
            return complain_offline(written.error());
        }
    }
    return bad == 0 ? Exit::ok : Exit::usage_or_internal;
}

}  // namespace holdfast::client
