// A record that owns its bytes.
#pragma once

#include "tradewind/bus/record.h"

namespace tradewind::bus {

// For whoever keeps a record longer than it takes to handle: one that came from a broker keeps all that was fetched
// with it in memory, and its client cannot end before it.
Record CopyOf(const Record& record);

}  // namespace tradewind::bus
