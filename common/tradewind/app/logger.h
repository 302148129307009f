#pragma once

#include "tradewind/telemetry/logger.h"

namespace tradewind {

inline constexpr telemetry::Logger kLog{"app"};

}  // namespace tradewind
