#pragma once
#include <string>

#include "model/baseline.h"
#include "model/result.h"

namespace holdfast::daemon {

/// The UTC offsets that hold in `window` in the IANA time zone `name`, from the system's tzdata.
/// Errc::config for a name that it does not have.
Result<UtcOffsets> utc_offsets(const std::string& name, const Window& window);

}  // namespace holdfast::daemon
