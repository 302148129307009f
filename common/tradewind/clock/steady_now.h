// The clock by which this process paces itself: how long to wait, when to try again, when to give up. Points in time
// that are stored or shown are those of the wall clock, absl::Now.
#pragma once

#include "absl/time/time.h"

namespace tradewind::clock {

// Returns what the wall clock said at the first call, and how long ago that was by the steady clock. So it never steps,
// whatever is done to the wall clock, and it stands still while the machine is suspended. Thread-safe; does not block.
absl::Time SteadyNow();

}  // namespace tradewind::clock
