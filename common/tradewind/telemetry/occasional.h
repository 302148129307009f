// Log lines that strangers can cause as often as they like: written at most once a minute, with how often they would
// have been.
//
//   static telemetry::Occasional occasional;
//   if (const uint64_t times = occasional.Count(absl::Now()); times > 0) kLog.Warn("refused", {{"times", times}});
#pragma once

#include <cstdint>
#include <mutex>

#include "absl/time/time.h"

namespace tradewind::telemetry {

// Thread-safe.
class Occasional {
 public:
  explicit Occasional(absl::Duration every = absl::Minutes(1)) : every_(every) {}

  // Counts one. Where it is time to say so, the number of those that have not been said yet; else 0. A clock that was
  // set back makes it say so at once.
  uint64_t Count(absl::Time now) {
    const std::lock_guard lock(mutex_);
    ++unsaid_;
    if (now >= said_ && now < said_ + every_) return 0;
    said_ = now;
    const uint64_t times = unsaid_;
    unsaid_ = 0;
    return times;
  }

 private:
  const absl::Duration every_;
  std::mutex mutex_;
  absl::Time said_ = absl::InfinitePast();
  uint64_t unsaid_ = 0;
};

}  // namespace tradewind::telemetry
