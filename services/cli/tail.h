// `tradewind tail`: shows the records of topics as they come, or those that are there. Each partition in its own
// order; those of different partitions are not sorted by time.
#pragma once

#include <cstdint>

#include "services/cli/log_reading.h"
#include "services/cli/record_format.h"
#include "services/cli/session.h"

namespace tradewind::cli {

struct TailOptions {
  Reading reading;
  RecordFilter filter;
  // Stop after this many shown records; 0 for no limit.
  int64_t count = 0;
  bool headers = false;
  bool json = false;
};

// Returns the exit code. Blocks until it has shown what was asked for or the session is interrupted.
int RunTail(const TailOptions& options, const Session& session);

}  // namespace tradewind::cli
