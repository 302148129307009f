// The log of this folder.
#pragma once

#include "tradewind/telemetry/logger.h"

namespace tradewind::commands {

inline constexpr telemetry::Logger kLog{"commands"};

}  // namespace tradewind::commands
