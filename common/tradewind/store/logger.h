// The log of the store.
#pragma once

#include "tradewind/telemetry/logger.h"

namespace tradewind::store {

inline constexpr telemetry::Logger kLog{"store"};

}  // namespace tradewind::store
