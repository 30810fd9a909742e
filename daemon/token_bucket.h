#pragma once
#include <algorithm>

#include "daemon/web_config.h"
#include "model/time.h"

namespace holdfast::daemon {

/// Lets `limit.burst` requests pass at once, and then one per `limit.interval`. The time comes in;
/// a step back in it costs no more than the tokens that were there.
class TokenBucket {
public:
    TokenBucket(const RateLimit& limit, Timestamp now) : limit_{limit}, full_at_{now} {}

    /// 0 when the request may pass; else after how long the next one may.
    Milliseconds take(Timestamp now) {
        // Kept as the time when all tokens are there again: each one taken puts it off.
        const auto capacity = limit_.burst * limit_.interval;
        full_at_ = std::clamp(full_at_, now, now + capacity);
        const auto wait = full_at_ + limit_.interval - (now + capacity);
        if (wait > Milliseconds{0}) {
            return wait;
        }
        full_at_ += limit_.interval;
        return Milliseconds{0};
    }

private:
    RateLimit limit_;
    Timestamp full_at_;
};

}  // namespace holdfast::daemon
