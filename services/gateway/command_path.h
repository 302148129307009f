// From a request to a record on the log and back: what a command call needs of the rest of the gateway, and the call.
#pragma once

#include "absl/time/time.h"
#include "grpcpp/generic/async_generic_service.h"

#include "services/gateway/server_call.h"
#include "services/gateway/undecided_keys.h"
#include "tradewind/auth/password.h"
#include "tradewind/commands/command_link.h"
#include "tradewind/rpc/work_pool.h"
#include "tradewind/seal/keys.h"

namespace tradewind::gateway {

// Immutable but for the parts it refers to, which are thread-safe and outlive every call.
struct CommandPath {
  absl::Duration timeout;
  absl::Duration max_timeout;
  // For the key of a new subject to get to the log and back.
  absl::Duration key_timeout;
  auth::HashCost hash_cost;
  commands::CommandLink& link;
  rpc::WorkPool& hashers;
  seal::Keys& keys;
  UndecidedKeys& undecided_keys;
};

// Takes the call; the reactor owns itself.
grpc::ServerGenericBidiReactor* StartCommandCall(const CommandPath& path, const Method& method,
                                                 const MethodMetrics& metrics, Caller caller,
                                                 grpc::GenericCallbackServerContext& context);

}  // namespace tradewind::gateway
