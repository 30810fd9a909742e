#pragma once
#include <boost/json.hpp>
#include <cmath>
#include <string>

#include "daemon/quantities.h"
#include "storage/json_fields.h"

namespace holdfast::daemon {

/// JSON as the API gives it: numbers as numbers (null when there is none), durations as `7d`, times
/// as RFC 3339 with the same in milliseconds beside it as `<name>_ms`.
struct ApiStyle {
    static boost::json::value number(double v) {
        return std::isfinite(v) ? boost::json::value(v) : boost::json::value{};
    }
    static boost::json::value time(Timestamp v) { return boost::json::string(format_time(v)); }
    static boost::json::value duration(Milliseconds v) {
        return boost::json::string(format_duration(v));
    }
    static void beside(boost::json::object& out, const std::string& name, Timestamp v) {
        out[name + "_ms"] = v.time_since_epoch().count();
    }
    static void beside(boost::json::object& out, const std::string& name,
                       const std::optional<Timestamp>& v) {
        if (v) {
            beside(out, name, *v);
        }
    }
    static void beside(boost::json::object& out, const std::string& name, Milliseconds v) {
        out[name + "_ms"] = v.count();
    }
};

template <class T>
boost::json::value api_json(const T& value) {
    return storage::to_json<ApiStyle>(value);
}

}  // namespace holdfast::daemon
