#include "services/gateway/gateway_service.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>

#include "absl/time/clock.h"

#include "tradewind/errors/printable.h"
#include "tradewind/errors/problem.h"

namespace tradewind::gateway {
namespace {

constexpr size_t kMaxShownMethod = 100;

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
    return new RefusedCall(
        {.code = absl::StatusCode::kUnimplemented,
         .reason = "UNKNOWN_METHOD",
         .message = fmt::format("there is no method {} here; setting gateway.services says what is served",
                                errors::Shortened(context->method(), kMaxShownMethod))},
        nullptr, *context);
  }
  const MethodMetrics& metrics = metrics_[method->index];
  const CommandPath* commands = commands_.load(std::memory_order_acquire);
  if (commands == nullptr) {
    return new RefusedCall({.code = absl::StatusCode::kUnavailable,
                            .reason = "NOT_READY",
                            .message = "the gateway is waiting for Kafka; nothing was done, try again"},
                           &metrics, *context);
  }
  const std::string_view authorization = AuthorizationOf(*context);
  std::optional<Identity> identity = authenticator_.Identify(authorization, absl::Now());
  if (identity.has_value() && identity->problem.has_value()) {
    return new RefusedCall(*identity->problem, &metrics, *context);
  }
  Caller caller = identity.has_value()
                      ? Caller{.id = std::move(identity->id)}
                      : Caller{.authenticator = &authenticator_, .authorization = std::string(authorization)};
  if (method->route == mesh::v1::ROUTE_COMMAND) {
    return StartCommandCall(*commands, *method, metrics, std::move(caller), *context);
  }
  return forwarder_.Start(*method, metrics, std::move(caller), *context);
}

}  // namespace tradewind::gateway
