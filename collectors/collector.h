#pragma once
#include <boost/asio/awaitable.hpp>
#include <string_view>
#include <vector>

#include "model/result.h"
#include "model/sample.h"

namespace holdfast::collectors {

/// A source of samples. The scheduler calls collect() once per interval, never twice at a time.
class Collector {
public:
    virtual ~Collector() = default;

    /// Kind of source in configuration, logs and the `collector` label: lower case, never renamed.
    virtual std::string_view name() const = 0;

    /// Which of several of one kind this is: a probe's name, a log's; empty for the host's own.
    virtual std::string_view instance() const { return {}; }

    /// Reads the source once and stamps every sample with `now`.
    /// Fails with Errc::io, parse, timeout, denied or unsupported; a failure never stops the next
    /// call. A part of the source that cannot be read is absent from the reading, never zero.
    /// Cancellation: terminal. The loop is never blocked: procfs and sysfs are memory and read in
    /// place, anything else goes to run_blocking() or DetachedCalls.
    virtual boost::asio::awaitable<Result<Reading>> collect(Timestamp now) = 0;
};

}  // namespace holdfast::collectors
