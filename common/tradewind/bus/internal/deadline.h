// A point in time that several calls share, on a clock that never jumps.
#pragma once

#include <algorithm>
#include <chrono>

#include "absl/time/time.h"

namespace tradewind::bus::internal {

class Deadline {
 public:
  // An infinite `timeout` is taken as an hour: callers wait in loops anyway.
  explicit Deadline(absl::Duration timeout)
      : end_(Clock::now() + absl::ToChronoNanoseconds(std::clamp(timeout, absl::ZeroDuration(), absl::Hours(1)))) {}

  bool expired() const { return Clock::now() >= end_; }

  // What is left, at most `cap`, as librdkafka wants it. Rounded up: a call with a rest of 0.4 ms must not spin.
  int RemainingMs(absl::Duration cap = absl::Hours(1)) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now()).count();
    return static_cast<int>(std::clamp<int64_t>(left, 0, absl::ToInt64Milliseconds(cap)));
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point end_;
};

}  // namespace tradewind::bus::internal
