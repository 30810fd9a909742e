#pragma once
#include <boost/json.hpp>
#include <string>

#include "daemon/client/output.h"

namespace holdfast::client {

/// `holdfast placebo --baseline`. Empty is not given.
struct PlaceboArguments {
    std::string baseline;   ///< CSV of the past, see read_recording(); required
    std::string case_file;  ///< case.json
    std::string cycle;      ///< `7d`
    std::string timezone;   ///< IANA name; absent: UTC
    std::string watch;      ///< `24h`; absent: a cycle, at most a third of the history
    unsigned jobs = 0;      ///< threads; 0: one per core
    Format format = Format::table;
};

/// Judges a recorded past as upgrades that did not happen, and says what an upgrade may expect:
/// false pages, the smallest worsening that pages, what can be proven. Exit::ok when it was judged,
/// whatever it says; Exit::usage_or_internal when it was not.
int placebo(const PlaceboArguments& arguments);

/// Of a result, as daemon::placebo_json() and the daemon give it: a line per signal, then the notes
/// and the summary. Precondition: it has that form.
std::string placebo_table(const boost::json::object& result);
/// The result in `format`.
std::string placebo_text(const boost::json::object& result, Format format);

}  // namespace holdfast::client
