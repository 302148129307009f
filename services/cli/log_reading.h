// Reads the mesh's topics for a verb: what is there, what comes, or both.
#pragma once

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "services/cli/event_schema.h"
#include "services/cli/session.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/record.h"

namespace tradewind::cli {

struct Reading {
  // With or without the prefix; empty: every topic of the mesh.
  std::vector<std::string> topics;
  bool from_beginning = false;
  // Stop at the ends as they were at the start. Reads from the beginning.
  bool until_end = false;
};

// Gives each record to `take`, a partition's in their order, until that returns false, the end is reached or the
// session is interrupted. Blocks. NotFound where a topic does not exist; DeadlineExceeded where the broker goes silent
// before the end. Returns, where it reads to the end, the partitions whose end an open transaction keeps from being
// read.
absl::StatusOr<std::vector<bus::LogEnd>> ReadLog(const Session& session, const EventSchema& schema,
                                                 const Reading& reading,
                                                 absl::FunctionRef<bool(const bus::Record&)> take);

// Says on the session's `err` what could not be read for open transactions: a line each.
void SayWhatIsHeld(const Session& session, absl::Span<const bus::LogEnd> held);

}  // namespace tradewind::cli
