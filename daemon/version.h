#pragma once
#include <string_view>

namespace holdfast::daemon {

/// The version of this build: from the CMake project.
inline constexpr std::string_view version = HOLDFAST_VERSION;

}  // namespace holdfast::daemon
