#pragma once
#include <boost/asio/steady_timer.hpp>
#include <vector>

namespace holdfast::daemon {

/// Keeps a timer in a list of those to be woken, for its scope.
class Waiting {
public:
    using Timers = std::vector<boost::asio::steady_timer*>;

    Waiting(Timers& timers, boost::asio::steady_timer& timer) : timers_{timers}, timer_{&timer} {
        timers_.push_back(timer_);
    }
    ~Waiting() { std::erase(timers_, timer_); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

private:
    Timers& timers_;
    boost::asio::steady_timer* timer_;
};

}  // namespace holdfast::daemon
