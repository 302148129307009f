// The log of the gateway.
#pragma once

#include "tradewind/telemetry/logger.h"

namespace tradewind::gateway {

inline constexpr telemetry::Logger kLog{"gateway"};

}  // namespace tradewind::gateway
