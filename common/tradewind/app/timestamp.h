// Times as events and resources carry them.
#pragma once

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

#include "tradewind/runtime/context.h"

namespace tradewind {

// Rounded down to a microsecond.
google::protobuf::Timestamp ToTimestamp(absl::Time time);

// The time of the batch, which all its handlers see.
google::protobuf::Timestamp Now(const runtime::Context& context);

}  // namespace tradewind
