// `tradewind demo`: one customer's way through the running system, and each hop that it took over Kafka.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

#include "services/cli/session.h"

namespace tradewind::cli {

struct DemoOptions {
  // Placed one after another by the same user.
  int32_t orders = 1;
  // For a call and everything that follows from it.
  absl::Duration timeout = absl::Seconds(10);
  bool json = false;
};

// Registers a user under a random address, places the orders through the gateway, waits until each is settled and the
// user was told of it, and shows the timelines. Returns kExitNotWell, after showing what was seen and one line on
// session.err, when something does not come in time or an order is not confirmed.
int RunDemo(const DemoOptions& options, const Session& session);

}  // namespace tradewind::cli
