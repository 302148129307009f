// The log of this folder.
#pragma once

#include "tradewind/telemetry/logger.h"

namespace tradewind::seal {

inline constexpr telemetry::Logger kLog{"seal"};

}  // namespace tradewind::seal
