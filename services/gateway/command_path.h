// From a request to a record on the log and back: what a command call needs of the rest of the gateway, and the call.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "absl/time/time.h"
#include "grpcpp/generic/async_generic_service.h"

#include "services/gateway/command_publisher.h"
#include "services/gateway/deadline_wheel.h"
#include "services/gateway/password_hasher.h"
#include "services/gateway/pending_table.h"
#include "services/gateway/server_call.h"

namespace tradewind::gateway {

// What is known once Kafka has answered.
struct Topology {
  struct Target {
    // Full name.
    std::string topic;
    int32_t partitions = 0;
  };
  // By topic name without prefix; has every command topic of the catalog.
  std::unordered_map<std::string, Target> targets;
  int32_t reply_partition = 0;
};

// Immutable but for the parts it refers to, which are thread-safe and outlive every call.
struct CommandPath {
  std::string instance_id;
  // ce_source.
  std::string source;
  absl::Duration timeout;
  absl::Duration max_timeout;
  HashCost hash_cost;
  Topology topology;
  PendingTable& pending;
  DeadlineThread& deadlines;
  CommandPublisher& publisher;
  HasherPool& hashers;
};

// Takes the call; the reactor owns itself.
grpc::ServerGenericBidiReactor* StartCommandCall(const CommandPath& path, const Method& method,
                                                 const MethodMetrics& metrics,
                                                 grpc::GenericCallbackServerContext& context);

}  // namespace tradewind::gateway
