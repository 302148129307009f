// Posts to servers outside the mesh, through libcurl. Follows no redirect, goes through no proxy, verifies
// certificates. Used by effects: every call is a connection of its own, on the thread that asks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

struct sockaddr;

namespace tradewind::http {

struct Post {
  std::string url;
  // "name: value" each, of characters that a header may hold.
  std::vector<std::string> headers;
  std::string body;
};

struct ClientLimits {
  // Of the whole call, in whole milliseconds.
  absl::Duration timeout = absl::Seconds(15);
  // Without it https alone.
  bool allow_http = false;
  // PEM; empty for the system's.
  std::string ca_file;
  // Of the answer's body; what comes after is not read.
  size_t most_answer_bytes = 64 << 10;
  // Whether this address, which is about to be connected to, may be; a name could mean another one by then. Called on
  // the thread that asks, does not throw. Without it every address may.
  std::function<bool(const sockaddr*)> may_connect;
};

struct Answer {
  int status = 0;
  // As far as the limit lets it be read.
  std::string body;
  // There was more.
  bool is_cut = false;
};

// Blocks for at most the timeout. Thread-safe. Errors: PermissionDenied where the name stands for no address but such
// as must not be connected to; Unavailable for every other way to get no answer.
absl::StatusOr<Answer> Send(const Post& post, const ClientLimits& limits);

}  // namespace tradewind::http
