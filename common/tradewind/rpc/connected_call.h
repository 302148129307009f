// Calls that are not given up because a connection did not come about at the first try, as happens on a busy machine.
// For commands and checks that a person waits for; services have their own ways to try again.
#pragma once

#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace grpc {
class Channel;
class ClientContext;
}  // namespace grpc

namespace tradewind::rpc {

// Makes the call, and again while no connection comes about for another reason than that nobody listens: such a call
// has carried nothing. `call` is given a context that has the deadline. Blocks for `timeout` at most.
grpc::Status CallWhenConnected(grpc::Channel& channel, absl::Duration timeout,
                               absl::FunctionRef<grpc::Status(grpc::ClientContext&)> call);

// Whether the call failed because the channel has no connection.
bool NeverConnected(grpc::Channel& channel, const grpc::Status& status);

// Returns the last part of a reason that gRPC gives, such as "Connection refused"; before it stand the layers that
// passed it on.
std::string_view InnermostReason(std::string_view reason);

}  // namespace tradewind::rpc
