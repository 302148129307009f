#include "tradewind/runtime/notice_limit.h"

#include "tradewind/runtime/logger.h"

namespace tradewind::runtime {

bool NoticeLimit::Take(absl::Time now) {
  if (now - minute_ >= absl::Minutes(1)) {
    minute_ = now;
    taken_ = 0;
  }
  ++taken_;
  if (taken_ == max_per_minute_ + 1) {
    kLog.Warn("no more of these until a minute is over; the metrics count all, and `tradewind parked list` has them",
              {{"what", what_}, {"in_a_minute", max_per_minute_}});
  }
  return taken_ <= max_per_minute_;
}

}  // namespace tradewind::runtime
