// What the two kinds of forwarded calls share: how the call to the owning service is set up, and how its end is told.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "grpcpp/client_context.h"

#include "services/gateway/forwarder.h"

namespace tradewind::gateway {

// Sets trace, caller, the caller's address and, where given, the deadline.
void PrepareUpstream(grpc::ClientContext& upstream, const telemetry::TraceContext& trace, const std::string& caller,
                     const std::string& address, std::optional<std::chrono::system_clock::time_point> deadline);

// Copies what the service said beside its status; the details travel in the status itself.
void PassTrailingMetadata(const grpc::ClientContext& upstream, grpc::GenericCallbackServerContext& downstream);

// What a caller is told of an error that upstream ended with. What the service said goes on unchanged: its errors have
// details. What gRPC itself has to say of one that cannot be reached names addresses: it goes to the log, under
// `trace`, and the caller gets a problem of the gateway's.
std::optional<errors::Problem> ProblemOfUpstream(const grpc::Status& status, const Method& method,
                                                 const telemetry::TraceContext& trace);

grpc::ServerGenericBidiReactor* StartUnaryForward(Forwarder& forwarder, const Method& method,
                                                  const MethodMetrics& metrics, Caller caller,
                                                  grpc::GenericCallbackServerContext& context);
grpc::ServerGenericBidiReactor* StartStreamForward(Forwarder& forwarder, const Method& method,
                                                   const MethodMetrics& metrics, Caller caller,
                                                   grpc::GenericCallbackServerContext& context);

}  // namespace tradewind::gateway
