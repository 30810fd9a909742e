#pragma once
#include <string>
#include <string_view>

#include "model/result.h"
#include "model/time.h"

namespace holdfast::daemon {

/// `250ms`, `30s`, `5m`, `1h30m`, `7d`, `2w`: Prometheus' durations. Errc::invalid otherwise, and
/// for more than 100 years.
Result<Milliseconds> parse_duration(std::string_view text);
std::string format_duration(Milliseconds duration);

/// `2%` is 0.02; `0.02` is itself. Errc::invalid for anything that is no finite number.
Result<double> parse_share(std::string_view text);

/// `4MiB`, `512KiB`, `1GiB`, `1000`: bytes.
Result<std::uint64_t> parse_bytes(std::string_view text);

/// RFC 3339 (`2026-11-24T09:30:00Z`, with fraction or offset) or milliseconds since the epoch.
Result<Timestamp> parse_time(std::string_view text);
std::string format_time(Timestamp at);

/// SHA-256 in lower-case hexadecimal.
std::string sha256_hex(std::string_view bytes);

}  // namespace holdfast::daemon
