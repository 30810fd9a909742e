#pragma once
#include <boost/json/value.hpp>
#include <string_view>

#include "daemon/http_server.h"

/// The envelope of the Prometheus API, around answers of ours.
namespace holdfast::daemon::envelope {

/// `data` of a request that succeeded.
ServerResponse success(boost::json::value data, int status = 200);
/// `message` with the errorType of `status`, and `data` if there is any. 401 asks for the token.
ServerResponse error(int status, std::string_view message, boost::json::value data = nullptr);

}  // namespace holdfast::daemon::envelope
