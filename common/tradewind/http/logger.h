// The log of this module.
#pragma once

#include "tradewind/telemetry/logger.h"

namespace tradewind::http {

inline constexpr telemetry::Logger kLog{"http"};

}  // namespace tradewind::http
