#pragma once
#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "daemon/client/output.h"
#include "daemon/client/rule_case_run.h"
#include "model/result.h"

namespace holdfast::client {

/// `holdfast rules test`.
struct RulesTestArguments {
    std::vector<std::string> files;
    std::string junit;  ///< file for the result as JUnit XML; empty: none
    Format format = Format::table;
};

/// Runs the tests of all files, one after the other, and says a line per test. Exit::ok when all
/// passed, Exit::usage_or_internal when one failed or a file could not be read.
int rules_test(const RulesTestArguments& arguments);

/// One test that was run.
struct TestedCase {
    std::string name;
    int line = 0;
    std::size_t expectations = 0;
    double duration_seconds = 0;  ///< that running took
    std::vector<Unmet> unmet;     ///< empty: it passed
    std::optional<Error> error;   ///< it could not be run
    bool passed() const { return unmet.empty() && !error; }
};

/// One file.
struct TestedFile {
    std::string file;
    std::optional<Error> error;  ///< it could not be read
    std::vector<TestedCase> tests;
};

/// For people: `ok` or `FAILED` with each test, below a failed one what was expected and said.
std::string tested_text(const TestedFile& file);
/// `passed`, `failed`, `unreadable` (files) and `files`, each with its tests.
boost::json::object tested_json(const std::vector<TestedFile>& files);
/// JUnit XML as CI systems read it: a testsuite per file, a testcase per test, a failure with all
/// that was not met, an error for a file that cannot be read.
std::string tested_junit(const std::vector<TestedFile>& files);

}  // namespace holdfast::client
