#include "tradewind/app/wait_for_part.h"

#include <fmt/format.h>

#include <string>

#include "tradewind/app/logger.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/errors/problem.h"

namespace tradewind {
namespace {

constexpr absl::Duration kTryEvery = absl::Milliseconds(200);
constexpr absl::Duration kSayEvery = absl::Seconds(5);

}  // namespace

absl::Status WaitForPart(std::string_view what, absl::FunctionRef<absl::Status()> attempt, ShutdownSignal& shutdown) {
  const absl::Time started = clock::SteadyNow();
  absl::Time said = absl::InfinitePast();
  while (true) {
    absl::Status done = attempt();
    if (done.ok() || errors::Read(done) != errors::Reading::kRetryable) return done;
    if (clock::SteadyNow() - said >= kSayEvery) {
      said = clock::SteadyNow();
      kLog.Warn(fmt::format("waiting for {}", what),
                {{"waited", absl::Trunc(clock::SteadyNow() - started, absl::Seconds(1))}, {"error", done}});
    }
    if (shutdown.WaitFor(kTryEvery)) {
      return absl::CancelledError(fmt::format("asked to stop while waiting for {}", what));
    }
  }
}

}  // namespace tradewind
