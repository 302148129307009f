#include "tradewind/clock/steady_now.h"

#include <chrono>

#include "absl/time/clock.h"

namespace tradewind::clock {

absl::Time SteadyNow() {
  using Steady = std::chrono::steady_clock;
  struct Begin {
    absl::Time wall = absl::Now();
    Steady::time_point steady = Steady::now();
  };
  static const Begin begin;
  return begin.wall + absl::FromChrono(Steady::now() - begin.steady);
}

}  // namespace tradewind::clock
