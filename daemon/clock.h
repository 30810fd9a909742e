#pragma once
#include <boost/asio/awaitable.hpp>

#include "model/time.h"

namespace holdfast::daemon {

/// Where the daemon's time comes from; tests pass a fake.
class Clock {
public:
    virtual ~Clock() = default;
    virtual Timestamp now() const = 0;
    /// Returns at `at` or just after. Cancellation: terminal.
    virtual boost::asio::awaitable<void> sleep_until(Timestamp at) = 0;
};

/// The wall clock. A sleep lasts as long as it was meant to last when it began, so that a step of
/// the wall clock moves the grid once and hangs nothing.
class SystemClock final : public Clock {
public:
    Timestamp now() const override;
    boost::asio::awaitable<void> sleep_until(Timestamp at) override;
};

}  // namespace holdfast::daemon
