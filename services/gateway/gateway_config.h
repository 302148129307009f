// The settings of the gateway itself.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/time/time.h"

#include "tradewind/config/config.h"

namespace tradewind::gateway {

struct GatewayConfig {
  // The descriptor set that says what is served. Empty: ../share/tradewind/descriptors.binpb beside the executable's
  // folder.
  std::string descriptors;
  // Full service name -> gRPC address of the service that owns it.
  std::map<std::string, std::string> services = {
      {"tradewind.user.v1.UserService", "127.0.0.1:50052"},
      {"tradewind.order.v1.OrderService", "127.0.0.1:50053"},
      {"tradewind.notification.v1.NotificationService", "127.0.0.1:50054"},
      {"tradewind.inventory.v1.InventoryService", "127.0.0.1:50055"},
      {"tradewind.payment.v1.PaymentService", "127.0.0.1:50056"},
      {"tradewind.shipping.v1.ShippingService", "127.0.0.1:50057"},
  };
  // The one of `services` whose owner has the keys of access tokens (tradewind.mesh.v1.KeyService).
  std::string keys_of = "tradewind.user.v1.UserService";
  // Given to a call that has no deadline of its own, and the most that any command is waited for.
  absl::Duration timeout = absl::Seconds(10);
  absl::Duration max_timeout = absl::Seconds(60);
  // How long a command may wait for Kafka's acknowledgement, and before that for the key of a new subject.
  absl::Duration delivery_timeout = absl::Seconds(1);
  absl::Duration linger = absl::ZeroDuration();
  // Commands in the producer's queue, in flight included.
  int32_t queue_limit = 100'000;
  // Commands whose callers wait for an outcome, some 10 KB each; half of them at most for one service.
  int32_t max_pending = 50'000;
  // Argon2id for fields marked SENSITIVE_HASH.
  config::ByteSize hash_memory{19 << 20};
  int32_t hash_passes = 2;
  int32_t hash_threads = 2;
  int32_t hash_queue = 256;
  // How long calls under way may take after SIGTERM.
  absl::Duration drain = absl::Seconds(10);
};

// Binds the fields under "gateway".
void Describe(config::Schema& schema, GatewayConfig& config);

// `config.descriptors`, or the default path. FailedPrecondition when the executable's own path cannot be had.
absl::StatusOr<std::string> DescriptorPath(const GatewayConfig& config);

}  // namespace tradewind::gateway
