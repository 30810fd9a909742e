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

/// A judgement with its effect and margin as shares of the level too.
inline boost::json::value judged_json(const Judged& judged) {
    auto out = api_json(judged).as_object();
    const auto& e = judged.evidence;
    auto& evidence = out["evidence"].as_object();
    const auto ratio = [&e](double amount) -> boost::json::value {
        return e.baseline != 0 ? ApiStyle::number(amount / std::abs(e.baseline)) : nullptr;
    };
    evidence["effect_ratio"] = ratio(e.effect);
    evidence["effect_lower_ratio"] = ratio(e.effect_lower);
    evidence["effect_upper_ratio"] = ratio(e.effect_upper);
    evidence["margin_ratio"] = ratio(e.margin);
    return out;
}

}  // namespace holdfast::daemon
