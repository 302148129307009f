// Waits for what a process cannot do without and that may be away when it starts: Kafka, the database.
#pragma once

#include <optional>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "tradewind/app/shutdown.h"

namespace tradewind {

// Calls `attempt` until it gives something but a retryable error (errors::Read), and returns that. Says in the log
// every few seconds that it waits for `what`, and why. Cancelled when `shutdown` comes first.
absl::Status WaitForPart(std::string_view what, absl::FunctionRef<absl::Status()> attempt, ShutdownSignal& shutdown);

// The same for an attempt that yields something.
template <typename Part>
absl::StatusOr<Part> WaitForPart(std::string_view what, absl::FunctionRef<absl::StatusOr<Part>()> attempt,
                                 ShutdownSignal& shutdown) {
  std::optional<Part> part;
  const auto once = [&]() -> absl::Status {
    absl::StatusOr<Part> got = attempt();
    if (!got.ok()) return got.status();
    part = *std::move(got);
    return absl::OkStatus();
  };
  if (absl::Status waited = WaitForPart(what, once, shutdown); !waited.ok()) return waited;
  return *std::move(part);
}

}  // namespace tradewind
