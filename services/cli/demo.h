// `tradewind demo`: an order's way through the running system, from the shelf to the door, and each hop that it took
// over Kafka.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

#include "services/cli/session.h"

namespace tradewind::cli {

struct DemoOptions {
  // Placed one after another by the same user, each once the one before it was delivered.
  int32_t orders = 1;
  // For a call and everything that follows from it.
  absl::Duration timeout = absl::Seconds(10);
  bool json = false;
};

// Plays the shop, its customer and its carrier through the gateway: puts products under fresh ids on the shelf,
// registers a user under a random address, places the orders, ships and delivers each once it is confirmed, waits until
// the user was told of all that, and shows the timelines. Returns kExitNotWell, after showing what was seen and one
// line on session.err, when something does not come in time or an order is not delivered.
int RunDemo(const DemoOptions& options, const Session& session);

}  // namespace tradewind::cli
