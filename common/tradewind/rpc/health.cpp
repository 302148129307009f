// CheckHealth: one call of grpc.health.v1 on a channel of its own.
#include <fmt/format.h>

#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

#include "tradewind/rpc/channel.h"
#include "tradewind/rpc/connected_call.h"
#include "tradewind/rpc/server.h"

namespace tradewind::rpc {

absl::Status CheckHealth(const std::string& address, absl::Duration timeout) {
  const auto channel = MakeChannel(address);
  const auto stub = grpc::health::v1::Health::NewStub(channel);
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status = CallWhenConnected(
      *channel, timeout, [&](grpc::ClientContext& context) { return stub->Check(&context, {}, &response); });
  if (!status.ok()) {
    return absl::UnavailableError(fmt::format("no health from {}: {}", address, status.error_message()));
  }
  if (response.status() != grpc::health::v1::HealthCheckResponse::SERVING) {
    return absl::UnavailableError(fmt::format(
        "{} answers {}", address, grpc::health::v1::HealthCheckResponse::ServingStatus_Name(response.status())));
  }
  return absl::OkStatus();
}

}  // namespace tradewind::rpc
