// The words behind `tradewind partition` on the command line.
#pragma once

#include <string>

#include "services/cli/command_line.h"

namespace CLI {
class App;
}

namespace tradewind::cli {

class PartitionArguments {
 public:
  // Must stay where it is until the parser has run.
  void AddTo(CLI::App& app);
  // The options of the subverb of `partition` that was given. Throws CLI::ValidationError where a word is not
  // TOPIC/PARTITION.
  VerbOptions Chosen(const CLI::App& partition) const;

 private:
  CLI::App* AddVerb(CLI::App& partition, const std::string& name, const std::string& description);

  // Where CLI11 puts what both subverbs take; one at most is parsed.
  std::string place_;
  std::string source_;
  std::string service_;
  bool yes_ = false;
  double timeout_s_ = 30;
};

}  // namespace tradewind::cli
