// The words behind `tradewind new` on the command line.
#pragma once

#include "services/cli/new.h"

namespace CLI {
class App;
}

namespace tradewind::cli {

class NewArguments {
 public:
  // Must stay where it is until the parser has run.
  void AddTo(CLI::App& app);
  // The options of the subverb of `new` that was given.
  NewOptions Chosen(const CLI::App& verb) const;

 private:
  NewOptions options_;
};

}  // namespace tradewind::cli
