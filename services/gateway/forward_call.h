// What the two kinds of forwarded calls share: how the call to the owning service is set up, and how its end is told.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "grpcpp/client_context.h"

#include "services/gateway/forwarder.h"

namespace tradewind::gateway {

// Sets trace, caller and, where given, the deadline.
void PrepareUpstream(grpc::ClientContext& upstream, const telemetry::TraceContext& trace, const std::string& caller,
                     std::optional<std::chrono::system_clock::time_point> deadline);

// Copies what the service said beside its status; the details travel in the status itself.
void PassTrailingMetadata(const grpc::ClientContext& upstream, grpc::GenericCallbackServerContext& downstream);

grpc::ServerGenericBidiReactor* StartUnaryForward(Forwarder& forwarder, const Method& method,
                                                  const MethodMetrics& metrics, std::string caller,
                                                  grpc::GenericCallbackServerContext& context);
grpc::ServerGenericBidiReactor* StartStreamForward(Forwarder& forwarder, const Method& method,
                                                   const MethodMetrics& metrics, std::string caller,
                                                   grpc::GenericCallbackServerContext& context);

}  // namespace tradewind::gateway
