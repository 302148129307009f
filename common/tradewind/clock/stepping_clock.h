// The time of a process that keeps points in time in a store: the wall clock's, as long as that goes forward.
#pragma once

#include <functional>

#include "absl/time/time.h"

namespace tradewind::clock {

// Goes on by the steady clock where the wall clock is set back, until that has come as far again: what is due in an
// hour is due in an hour. Where the wall clock steps ahead it follows, and says by how much: it is as if the process
// had been away for so long, and after a suspended machine wakes up it has been. Not thread-safe; does not block.
class SteppingClock {
 public:
  // A lead of the wall clock of less than this is taken for the usual correction of a clock and not counted.
  static constexpr absl::Duration kStep = absl::Seconds(5);

  // `wall` is absl::Now and `steady` SteadyNow, except in tests.
  SteppingClock(std::function<absl::Time()> wall, std::function<absl::Time()> steady);

  // Never less than it was before.
  absl::Time Now();
  // How far the clock has stepped ahead since this was last called, which is not at all as a rule. Seen by Now.
  absl::Duration TakeStep();
  // All steps ahead together.
  absl::Duration steps() const { return steps_; }

 private:
  std::function<absl::Time()> wall_;
  std::function<absl::Time()> steady_;
  // From the steady clock to this one.
  absl::Duration lead_;
  absl::Duration steps_;
  absl::Duration untold_;
};

}  // namespace tradewind::clock
