// The command line of `tradewind`: a verb with its own options, and settings that any verb takes. Verbs are parsed
// here; settings are only set apart, for config::Load, so that they mean what they mean to every other executable.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "services/cli/demo.h"
#include "services/cli/history.h"
#include "services/cli/new.h"
#include "services/cli/parked.h"
#include "services/cli/partition.h"
#include "services/cli/sign_erasures.h"
#include "services/cli/status.h"
#include "services/cli/tail.h"
#include "services/cli/topics.h"

namespace tradewind::cli {

using VerbOptions =
    std::variant<DemoOptions, HistoryOptions, NewOptions, ParkedListOptions, ParkedRequestOptions, ParkedShowOptions,
                 PartitionOptions, SignErasuresOptions, StatusOptions, TailOptions, TopicsOptions>;

struct CommandLine {
  // --config, --section.field=value and the words that every executable has (--version, --check-config,
  // --print-config).
  std::vector<std::string> settings;
  // Nothing when the line asks only for one of those words, or when `output` is all there is to do.
  std::optional<VerbOptions> verb;
  // To be printed before exiting with `exit_code`: help to standard output, a mistake to standard error.
  std::string output;
  int exit_code = 0;
};

// Never fails: a mistake is an `output` with kExitUsage.
CommandLine ParseCommandLine(int argc, const char* const* argv);

}  // namespace tradewind::cli
