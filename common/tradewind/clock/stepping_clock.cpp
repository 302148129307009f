#include "tradewind/clock/stepping_clock.h"

#include <utility>

namespace tradewind::clock {

SteppingClock::SteppingClock(std::function<absl::Time()> wall, std::function<absl::Time()> steady)
    : wall_(std::move(wall)), steady_(std::move(steady)), lead_(wall_() - steady_()) {}

absl::Time SteppingClock::Now() {
  const absl::Time steady = steady_();
  const absl::Duration ahead = wall_() - steady - lead_;
  if (ahead > absl::ZeroDuration()) lead_ += ahead;
  if (ahead >= kStep) {
    steps_ += ahead;
    untold_ += ahead;
  }
  return steady + lead_;
}

absl::Duration SteppingClock::TakeStep() { return std::exchange(untold_, absl::ZeroDuration()); }

}  // namespace tradewind::clock
