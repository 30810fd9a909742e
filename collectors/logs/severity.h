#pragma once
#include <array>
#include <cstddef>
#include <string_view>

namespace holdfast::collectors {

enum class Severity : std::size_t { fatal, error, warning, info, debug, unknown };

/// Label values of the severities, in their order.
inline constexpr std::array<std::string_view, 6> severity_names{"fatal", "error", "warning",
                                                                "info",  "debug", "unknown"};

/// Only so many bytes of a line are looked at; a word that goes on behind them does not count.
inline constexpr std::size_t severity_scan_bytes = 256;

/// How bad a line of a log says it is. The first that applies, each from left to right:
///
///     a key level, severity or lvl   `"level":"error"`, `level=error`, `Severity: error`; as a
///     JSON
///                                    number 10 to 60 of bunyan and pino, `"level":50`
///     a syslog priority              `<PRI>` at the beginning (RFC 5424, 6.2.1)
///     a level as a whole word        `ERROR`, `[warn]`, `Fatal:`; not `errors`, not `err_code`
///
/// Any case. fatal: FATAL PANIC EMERG ALERT CRIT CRITICAL; error: ERROR ERR SEVERE; warning: WARN
/// WARNING; info: NOTICE INFO; debug: DEBUG TRACE. Pure and total: any bytes.
Severity severity_of(std::string_view line);

}  // namespace holdfast::collectors
