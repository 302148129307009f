// `tradewind parked`: what the services have set aside, one record in full, and what a person asks of them. A service's
// AdminService answers; the runtime of the service carries requests out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

#include "services/cli/session.h"

namespace tradewind::cli {

// What is asked for; every field that is set must match.
struct ParkedQuery {
  std::optional<int64_t> id;
  // The exact message key: bytes.
  std::optional<std::string> key;
  // A full type name, or its last part: "OrderConfirmed".
  std::optional<std::string> type;
  // "dead", "parked" or "held".
  std::optional<std::string> state;

  bool empty() const { return !id && !key && !type && !state; }
};

struct ParkedListOptions {
  // Nothing for every service that can have parked records.
  std::optional<std::string> service;
  ParkedQuery query;
  // Of each service at most so many, the oldest.
  int64_t limit = 100;
  // For one answer of one service; likewise below.
  absl::Duration timeout = absl::Seconds(5);
  bool json = false;
};

struct ParkedShowOptions {
  std::string service;
  int64_t id = 0;
  absl::Duration timeout = absl::Seconds(5);
  bool json = false;
};

enum class ParkedVerb { kRetry, kSkip };

struct ParkedRequestOptions {
  ParkedVerb verb = ParkedVerb::kRetry;
  std::optional<std::string> service;
  // Empty chooses everything: the command line asks for --all before it comes to that.
  ParkedQuery query;
  // How long to wait until it is carried out; not at all when zero.
  absl::Duration wait = absl::Seconds(5);
  absl::Duration timeout = absl::Seconds(5);
  bool json = false;
};

// All return the exit code, and block until the services have answered. A service that does not is a line on
// `session.err` and kExitNotWell; the others are asked and shown all the same.
int RunParkedList(const ParkedListOptions& options, const Session& session);
int RunParkedShow(const ParkedShowOptions& options, const Session& session);
int RunParkedRequest(const ParkedRequestOptions& options, const Session& session);

}  // namespace tradewind::cli
