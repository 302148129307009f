// The log of this service.
#pragma once

#include "tradewind/telemetry/logger.h"

namespace tradewind::payment {

inline constexpr telemetry::Logger kLog{"payment"};

}  // namespace tradewind::payment
