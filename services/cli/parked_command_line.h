// The words behind `tradewind parked` on the command line.
#pragma once

#include <string>

#include "services/cli/command_line.h"

namespace CLI {
class App;
}

namespace tradewind::cli {

class ParkedArguments {
 public:
  // Must stay where it is until the parser has run.
  void AddTo(CLI::App& app);
  // The options of the subverb of `parked` that was given. Throws CLI::ValidationError for a line that asks for
  // nothing, or for too much.
  VerbOptions Chosen(const CLI::App& parked) const;

 private:
  // Where CLI11 puts what several subverbs take; one at most is parsed.
  struct Words {
    std::string service;
    int64_t id = 0;
    std::string key;
    std::string type;
    std::string state;
    bool all = false;
    double timeout_s = 5;
    double wait_s = 5;
    int64_t limit = 100;
    bool json = false;
  };
  void AddFilters(CLI::App& verb);
  void AddRequest(CLI::App& parked, const std::string& name, const std::string& description);
  ParkedQuery QueryOf(const CLI::App& verb) const;
  ParkedRequestOptions RequestOf(const CLI::App& verb) const;

  Words words_;
};

}  // namespace tradewind::cli
