#include "daemon/envelope.h"

#include <boost/json.hpp>

namespace holdfast::daemon::envelope {
namespace json = boost::json;
namespace {

constexpr auto json_type = "application/json";

std::string_view error_type(int status) {
    switch (status) {
        case 400:
            return "bad_data";
        case 401:
        case 403:
            return "unauthorized";
        case 404:
            return "not_found";
        case 405:
            return "method_not_allowed";
        case 409:
            return "conflict";
        case 422:
            return "bad_data";
        case 429:
            return "too_many_requests";
        case 503:
            return "unavailable";
        default:
            return "internal";
    }
}

}  // namespace

ServerResponse success(json::value data, int status) {
    return {status, json_type,
            json::serialize(json::object{{"status", "success"}, {"data", std::move(data)}}) + "\n"};
}

ServerResponse error(int status, std::string_view message, json::value data) {
    json::object out{{"status", "error"}, {"errorType", error_type(status)}, {"error", message}};
    if (!data.is_null()) {
        out["data"] = std::move(data);
    }
    ServerResponse response{status, json_type, json::serialize(out) + "\n"};
    if (status == 401) {
        response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"holdfast\"");
    }
    return response;
}

}  // namespace holdfast::daemon::envelope
