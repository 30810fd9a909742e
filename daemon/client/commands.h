#pragma once
#include <optional>
#include <string>
#include <vector>

#include "daemon/client/connection.h"
#include "daemon/client/output.h"
#include "daemon/service.h"

namespace holdfast::client {

/// What every verb may need.
struct Context {
    std::string url;
    std::string token_file;  ///< empty: that of a daemon on this host, where it can be found
    daemon::HttpClientConfig http;
    Format format = Format::table;

    Connection connect() const;
};

struct StartArguments {
    std::string target, from, to, reason, cycle, timezone, baseline, idempotency_key;
    std::vector<std::string> labels;
    bool no_window = false;
};

int upgrade_start(const Context& context, const StartArguments& arguments);
/// close, cancel, rollback, window-end, override, notes: by sub-resource.
int upgrade_change(const Context& context, const std::string& id, const std::string& what,
                   const std::string& by, const std::string& reason, const std::string& text);
int upgrade_list(const Context& context);
int upgrade_show(const Context& context, const std::string& id);
int upgrade_events(const Context& context, const std::string& id);
int upgrade_verdict(const Context& context, const std::string& id);
/// Until the verdict is anything but `watching`, or `timeout` is over.
int upgrade_wait(const Context& context, const std::string& id, Milliseconds timeout);

int baseline_take(const Context& context, const std::string& range, const std::string& cycle,
                  const std::string& timezone);
int baseline_list(const Context& context);
int baseline_show(const Context& context, const std::string& id);

/// Asks for the placebo of a stored baseline and waits for it; `watch` empty: the daemon's default.
/// How far it is is said on stderr where that is a terminal.
int baseline_placebo(const Context& context, const std::string& id, const std::string& watch);

int rules_show(const Context& context);
int series_list(const Context& context);
int series_query(const Context& context, const std::string& series, const std::string& start,
                 const std::string& end);
int alerts_list(const Context& context);
int alerts_test(const Context& context);
int check_page(const Context& context, const std::string& path);
int check_config(const std::vector<std::string>& files);
int check_web_config(const std::vector<std::string>& files);

/// One cycle of every collector, in the Prometheus text format, without a daemon.
int collect_once(const daemon::ServiceOptions& options);

}  // namespace holdfast::client
