// Waiting in tests: for a condition, never for a time.
#pragma once

#include <functional>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace tradewind::testing {

// True as soon as `condition` is; false when it is still not after `patience`.
inline bool Eventually(const std::function<bool()>& condition, absl::Duration patience = absl::Seconds(10)) {
  const absl::Time deadline = absl::Now() + patience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace tradewind::testing
