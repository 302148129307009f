// How much a worker says of messages that it cannot handle, in the log and on mesh.dead.v1. Whoever can write to a
// topic decides how many of them there are; all are kept and counted whatever is said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/time/time.h"

namespace tradewind::runtime {

// How much is kept, announced and logged of a text whose size nobody has limited: a key, a reason. The record itself is
// kept whole.
inline constexpr size_t kMaxNotice = 1024;
// The same for a line of the log.
inline constexpr size_t kMaxLogged = 200;

// Not thread-safe.
class NoticeLimit {
 public:
  // `what` names what is said, for the one line that tells of the limit.
  NoticeLimit(std::string_view what, int64_t max_per_minute) : what_(what), max_per_minute_(max_per_minute) {}

  // Whether one more may be said. Writes a line where the first one in a minute may not. `now` never goes back.
  bool Take(absl::Time now);

 private:
  const std::string_view what_;
  const int64_t max_per_minute_;
  absl::Time minute_ = absl::InfinitePast();
  int64_t taken_ = 0;
};

// Of one worker.
struct NoticeLimits {
  static constexpr int64_t kMaxLines = 100;
  static constexpr int64_t kMaxDeaths = 1'000;

  NoticeLimit dead_lines{"log lines about dead messages", kMaxLines};
  NoticeLimit parked_lines{"log lines about messages that failed", kMaxLines};
  NoticeLimit held_lines{"log lines about events behind a gap", kMaxLines};
  NoticeLimit deaths{"notices on mesh.dead.v1", kMaxDeaths};
};

}  // namespace tradewind::runtime
