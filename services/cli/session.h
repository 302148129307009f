// What every verb of the operator's command is given: its settings, where to write, and whether it was interrupted.
#pragma once

#include <atomic>
#include <ostream>

#include "absl/status/status.h"

#include "services/cli/cli_config.h"

namespace tradewind::cli {

// The exit codes of every verb, as --help lists them.
enum ExitCode : int {
  kExitOk = 0,
  // Something is not well, did not come in time, or could not be reached.
  kExitNotWell = 1,
  // The command line or a setting is wrong; nothing was done.
  kExitUsage = 2,
};

// Outlives the verb that it is given to. One thread.
struct Session {
  const CliConfig& config;
  // Results, for people or as JSON.
  std::ostream& out;
  // One line for each thing that went wrong.
  std::ostream& err;
  // Whether `out` is a terminal that shows colours.
  bool color = false;
  // Set by SIGINT, SIGTERM and SIGHUP: a verb that follows something ends at its next poll.
  const std::atomic<bool>& interrupted;
};

// Writes "tradewind: <message>" to `session.err` and returns `code`.
int Fail(const Session& session, const absl::Status& status, ExitCode code = kExitNotWell);

}  // namespace tradewind::cli
