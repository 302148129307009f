// How a process of the mesh ends: SIGTERM, SIGINT or SIGHUP asks for it, one deadline bounds it, a watchdog enforces
// that.
//
// Used by App and by executables that are no App (the gateway).
#pragma once

#include <memory>

#include "absl/time/time.h"

namespace tradewind {

// Make one at the very start of main, before any thread: it blocks these signals for the calling thread and those
// that come of it. Thread-safe.
class ShutdownSignal {
 public:
  ShutdownSignal();
  ~ShutdownSignal();
  ShutdownSignal(const ShutdownSignal&) = delete;
  ShutdownSignal& operator=(const ShutdownSignal&) = delete;

  // Until the process is asked to end, by a signal or by Request; false when `timeout` came first.
  bool WaitFor(absl::Duration timeout);
  // Asks from within.
  void Request();

 private:
  const int signal_fd_;
  const int request_fd_;
};

// Ends the process with exit code 1 and a line in the log if it still runs after `deadline`.
void StartWatchdog(absl::Duration deadline);

// Ends the process without destructors: destroying a librdkafka 2.0.2 client can hang.
[[noreturn]] void ExitNow(int code);

}  // namespace tradewind
