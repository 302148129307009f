// librdkafka's message as a Record.
#pragma once

#include "tradewind/bus/internal/rdkafka_handle.h"
#include "tradewind/bus/record.h"

namespace tradewind::bus::internal {

// The record's views point into the message, which it owns from here on. `message` carries a record, not an error.
Record RecordFrom(MessageHandle message);

}  // namespace tradewind::bus::internal
