#include "daemon/timezone.h"

#include <date/tz.h>

namespace holdfast::daemon {

Result<UtcOffsets> utc_offsets(const std::string& name, const Window& window) {
    try {
        const auto* const zone = date::locate_zone(name);
        UtcOffsets out;
        for (auto at = window.begin;;) {
            const auto info = zone->get_info(at);
            out.push_back({std::chrono::time_point_cast<Milliseconds>(info.begin), info.offset});
            const auto next = std::chrono::time_point_cast<Milliseconds>(info.end);
            if (next >= window.end || next <= at) {
                return out;
            }
            at = next;
        }
    } catch (const std::exception& unknown) {
        return failure(Errc::config,
                       "no time zone '{}': {}; use an IANA name such as Europe/Berlin", name,
                       unknown.what());
    }
}

}  // namespace holdfast::daemon
