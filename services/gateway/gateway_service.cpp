#include "services/gateway/gateway_service.h"

#include <fmt/format.h>

#include "services/gateway/logger.h"
#include "tradewind/rpc/errors.h"

namespace tradewind::gateway {

GatewayService::GatewayService(const Catalog& catalog, Forwarder& forwarder)
    : catalog_(catalog), forwarder_(forwarder) {
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
  const MethodMetrics& metrics = metrics_[method->index];
  if (method->route == mesh::v1::ROUTE_COMMAND) {
    return StartCommandCall(*commands, *method, metrics, *context);
  }
  return forwarder_.Start(*method, metrics, *context);
}

}  // namespace tradewind::gateway
