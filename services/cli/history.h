// `tradewind timeline`: all that happened to one thing, an order or a user, in every service, in the order of time: the
// records under its key, and those that came of the same calls.
#pragma once

#include <string>

#include "services/cli/session.h"

namespace tradewind::cli {

struct HistoryOptions {
  // Message key: an order's id, a user's id.
  std::string key;
  bool json = false;
};

// Returns the exit code; kExitNotWell where nothing is on the log under that key. Blocks: reads all topics twice.
int RunHistory(const HistoryOptions& options, const Session& session);

}  // namespace tradewind::cli
