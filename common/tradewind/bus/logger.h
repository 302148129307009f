#pragma once

#include "tradewind/telemetry/logger.h"

namespace tradewind::bus {

inline constexpr telemetry::Logger kLog{"bus"};

}  // namespace tradewind::bus
