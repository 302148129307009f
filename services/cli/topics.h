// `tradewind topics`: the mesh's topics, what they hold and which types travel on them.
#pragma once

#include "services/cli/session.h"

namespace tradewind::cli {

struct TopicsOptions {
  bool json = false;
};

// Returns the exit code. A topic that does not exist yet is listed as such: it is made by the first service that needs
// it.
int RunTopics(const TopicsOptions& options, const Session& session);

}  // namespace tradewind::cli
