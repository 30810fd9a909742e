#pragma once
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "daemon/client/output.h"
#include "daemon/recompute.h"

namespace holdfast::client {

/// `holdfast replay --upgrade`. Empty is not given.
struct ReplayUpgradeArguments {
    std::string upgrade;       ///< id
    std::string storage_path;  ///< the daemon's state; absent: the first of state_folders()
    std::string at;            ///< RFC 3339 or ms; absent: when its stored judgements were made
    std::string output;        ///< file for the result as JSON; absent or `-`: standard output
    Format format = Format::table;
    unsigned jobs = 0;       ///< threads; 0: one per core
    bool exit_code = false;  ///< say the verdict by the exit code
};

/// Judges an upgrade once more, from the stores alone and beside a running daemon, and says whether
/// that is bit for bit what is stored. Exit::ok when it is, and with `at`; Exit::usage_or_internal
/// when it is not, with a sentence that names the rule and the field, or when it cannot be told.
int replay_upgrade(const ReplayUpgradeArguments& arguments);

/// `upgrade target from to judged_at verdict stored_verdict identical differences judgements`;
/// `identical` is null where there is nothing of that moment to compare with.
boost::json::object recomputed_json(const daemon::Recomputed& recomputed);
/// The same for people.
std::string recomputed_table(const daemon::Recomputed& recomputed);
/// `replay u1: 3 fields are not what is stored: …`; empty where nothing differs.
std::string differing_sentence(const daemon::Recomputed& recomputed);

}  // namespace holdfast::client
