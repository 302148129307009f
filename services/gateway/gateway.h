// The gateway as a whole: its parts put together, brought up in order and taken down in order.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "services/gateway/authenticator.h"
#include "services/gateway/catalog.h"
#include "services/gateway/command_path.h"
#include "services/gateway/forwarder.h"
#include "services/gateway/gateway_config.h"
#include "services/gateway/gateway_service.h"
#include "tradewind/app/shutdown.h"
#include "tradewind/bus/kafka_config.h"
#include "tradewind/rpc/server.h"
#include "tradewind/rpc/work_pool.h"
#include "tradewind/seal/keys.h"

namespace tradewind::gateway {

// Start, then Connect, then Stop, all from one thread.
class Gateway {
 public:
  // Takes calls at grpc.address when it returns, and refuses them until Connect has succeeded.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(const GatewayConfig& config, const bus::KafkaConfig& kafka,
                                                        const rpc::ServerConfig& server, const seal::KeysConfig& keys);
  ~Gateway();

  // Waits for Kafka, as long as it takes or until `stop` asks for the end: makes the topics, opens the way to the log,
  // serves. An error when what Kafka has there cannot be used: waiting would not help.
  absl::Status Connect(ShutdownSignal& stop);

  // Takes no new calls, lets those under way finish within gateway.drain, sends what is to be sent. Blocks.
  void Stop();

  int port() const { return server_->port(); }

 private:
  Gateway(const GatewayConfig& config, const bus::KafkaConfig& kafka, const seal::KeysConfig& keys,
          std::unique_ptr<Catalog> catalog);
  absl::Status ReadKeys();

  const GatewayConfig config_;
  const bus::KafkaConfig kafka_;
  const seal::KeysConfig keys_config_;
  std::unique_ptr<Catalog> catalog_;
  // From here on in the order in which they need one another: destroyed the other way round.
  seal::Keys keys_;
  UndecidedKeys undecided_keys_{keys_};
  rpc::WorkPool hashers_;
  commands::CommandLink link_;
  const CommandPath commands_;
  Forwarder forwarder_;
  Authenticator authenticator_;
  GatewayService service_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace tradewind::gateway
