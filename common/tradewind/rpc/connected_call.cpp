#include "tradewind/rpc/connected_call.h"

#include "absl/time/clock.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

namespace tradewind::rpc {
namespace {

constexpr std::string_view kRefused = "Connection refused";

}  // namespace

grpc::Status CallWhenConnected(grpc::Channel& channel, absl::Duration timeout,
                               absl::FunctionRef<grpc::Status(grpc::ClientContext&)> call) {
  const auto deadline = absl::ToChronoTime(absl::Now() + timeout);
  while (true) {
    grpc::ClientContext context;
    context.set_deadline(deadline);
    grpc::Status status = call(context);
    // Where nobody listens another connection will not come about either.
    const bool tries_again = NeverConnected(channel, status) && InnermostReason(status.error_message()) != kRefused;
    if (!tries_again || !channel.WaitForConnected(deadline)) return status;
  }
}

bool NeverConnected(grpc::Channel& channel, const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE &&
         channel.GetState(false) == GRPC_CHANNEL_TRANSIENT_FAILURE;
}

std::string_view InnermostReason(std::string_view reason) {
  const size_t colon = reason.rfind(": ");
  return colon == std::string_view::npos ? reason : reason.substr(colon + 2);
}

}  // namespace tradewind::rpc
