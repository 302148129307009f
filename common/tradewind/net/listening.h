// Waits for a port on which a process is to listen and which an outgoing connection of some program has for the moment.
// Called by every server just before it binds.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace tradewind::net {

struct ListeningWait {
  // How long to try again while a connection has the port.
  absl::Duration at_most = absl::Seconds(20);
  // The same where all that is left of it is its last wait, which Linux ends after 60 s.
  absl::Duration at_most_ended = absl::Seconds(65);
  absl::Duration say_every = absl::Seconds(5);
  // Told at once, and then every `say_every`, that the port is waited for and why.
  std::function<void(const std::string& line)> say;
  // Ends the waiting as Cancelled. The usual one is true once SIGTERM, SIGINT or SIGHUP has come and is blocked, as it
  // is while a process of the mesh starts.
  std::function<bool()> give_up;
};

// Blocks while an outgoing connection has the port of `address` (host:port). Returns OK once that has ended, and at
// once where something else stands in the way, such as a process that listens there: the server that binds names that.
// FailedPrecondition, naming `setting`, the address and what to do, where a connection keeps the port for too long.
absl::Status WaitUntilFree(const std::string& address, std::string_view setting, const ListeningWait& wait);

}  // namespace tradewind::net
