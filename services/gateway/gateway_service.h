// Sorts calls by their method: commands to the log, queries to their owners, everything else away.
#pragma once

#include <atomic>
#include <vector>

#include "grpcpp/generic/async_generic_service.h"

#include "services/gateway/authenticator.h"
#include "services/gateway/catalog.h"
#include "services/gateway/command_path.h"
#include "services/gateway/forwarder.h"

namespace tradewind::gateway {

// Thread-safe. Outlives the server it is registered with.
class GatewayService final : public grpc::CallbackGenericService {
 public:
  GatewayService(const Catalog& catalog, Forwarder& forwarder, Authenticator& authenticator);

  // Calls get UNAVAILABLE with reason NOT_READY until there is a way to the log. `commands` outlives the calls.
  void Open(const CommandPath& commands) { commands_ = &commands; }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;

 private:
  const Catalog& catalog_;
  Forwarder& forwarder_;
  Authenticator& authenticator_;
  // By Method::index.
  std::vector<MethodMetrics> metrics_;
  std::atomic<const CommandPath*> commands_ = nullptr;
};

}  // namespace tradewind::gateway
