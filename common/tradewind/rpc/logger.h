// The log of this module.
#pragma once

#include "tradewind/telemetry/logger.h"

namespace tradewind::rpc {

inline constexpr telemetry::Logger kLog{"rpc"};

}  // namespace tradewind::rpc
