#pragma once
#include <string>

#include "model/result.h"

namespace holdfast::daemon {

/// Sends spdlog's default logger to stderr at `level` (debug, info, warn, error) in `format`
/// (logfmt, json): one event, one line. Errc::config for other words.
Result<void> set_up_logging(const std::string& level, const std::string& format);

}  // namespace holdfast::daemon
