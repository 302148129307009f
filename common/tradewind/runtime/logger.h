#pragma once

#include "tradewind/telemetry/logger.h"

namespace tradewind::runtime {

inline constexpr telemetry::Logger kLog{"runtime"};

}  // namespace tradewind::runtime
