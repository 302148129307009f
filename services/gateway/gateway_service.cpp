#include "services/gateway/gateway_service.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "absl/time/clock.h"

#include "services/gateway/logger.h"
#include "tradewind/rpc/errors.h"

namespace tradewind::gateway {
namespace {

std::string_view AuthorizationOf(const grpc::GenericCallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("authorization");
  return found != metadata.end() ? std::string_view(found->second.data(), found->second.size()) : std::string_view();
}

}  // namespace

GatewayService::GatewayService(const Catalog& catalog, Forwarder& forwarder, Authenticator& authenticator)
    : catalog_(catalog), forwarder_(forwarder), authenticator_(authenticator) {
  metrics_.reserve(catalog.methods().size());
  for (const std::unique_ptr<Method>& method : catalog.methods()) {
    metrics_.emplace_back(*method);
  }
}

grpc::ServerGenericBidiReactor* GatewayService::CreateReactor(grpc::GenericCallbackServerContext* context) {
  const Method* method = catalog_.Find(context->method());
  if (method == nullptr) {
    kLog.Debug("call of an unknown method", {{"method", context->method()}});
    return new RefusedCall(rpc::ToGrpcStatus(errors::Problem{
        .code = absl::StatusCode::kUnimplemented,
        .reason = "UNKNOWN_METHOD",
        .message = fmt::format("there is no method {} here; setting gateway.services says what is served",
                               context->method())}));
  }
  const CommandPath* commands = commands_.load(std::memory_order_acquire);
  if (commands == nullptr) {
    return new RefusedCall(
        rpc::ToGrpcStatus(errors::Problem{.code = absl::StatusCode::kUnavailable,
                                          .reason = "NOT_READY",
                                          .message = "the gateway is waiting for Kafka; nothing was done, try again"}));
  }
  Authenticator::Caller caller = authenticator_.Identify(AuthorizationOf(*context), absl::Now());
  if (caller.problem.has_value()) {
    return new RefusedCall(rpc::ToGrpcStatus(*caller.problem));
  }
  const MethodMetrics& metrics = metrics_[method->index];
  if (method->route == mesh::v1::ROUTE_COMMAND) {
    return StartCommandCall(*commands, *method, metrics, std::move(caller.id), *context);
  }
  return forwarder_.Start(*method, metrics, std::move(caller.id), *context);
}

}  // namespace tradewind::gateway
