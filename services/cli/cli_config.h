// The settings of the operator's command: the common Kafka section, and where it finds the gateway, the services and
// the descriptor set.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tradewind/bus/kafka_config.h"
#include "tradewind/seal/keys.h"
#include "tradewind/telemetry/logger.h"

namespace tradewind::config {
class Schema;
}

namespace tradewind::cli {

struct CliConfig {
  bus::KafkaConfig kafka;
  // For `keys` alone.
  seal::KeysConfig keys;
  // A verb says in one line what went wrong; what its libraries warn of on the way is noise beside it.
  telemetry::LogConfig log{.level = "error", .format = "text"};
  // host:port of the gateway's gRPC.
  std::string gateway = "127.0.0.1:50051";
  // Descriptor set that events are decoded with.
  std::string descriptors;
  // host:port of the gRPC of each service, for its health and its parked records.
  std::map<std::string, std::string> services = {
      {"gateway", "127.0.0.1:50051"},      {"user", "127.0.0.1:50052"},      {"order", "127.0.0.1:50053"},
      {"notification", "127.0.0.1:50054"}, {"inventory", "127.0.0.1:50055"}, {"payment", "127.0.0.1:50056"},
      {"shipping", "127.0.0.1:50057"},
  };
  // By consumer group, host:port of /metrics of the service that runs it. A service's handlers are a group under its
  // name, its effects one more.
  std::map<std::string, std::string> groups = {
      {"user", "127.0.0.1:9465"},         {"user.effects", "127.0.0.1:9465"},         {"order", "127.0.0.1:9466"},
      {"notification", "127.0.0.1:9467"}, {"notification.effects", "127.0.0.1:9467"}, {"inventory", "127.0.0.1:9468"},
      {"payment", "127.0.0.1:9469"},      {"payment.effects", "127.0.0.1:9469"},      {"shipping", "127.0.0.1:9470"},
  };
  // host:port of /metrics of the processes that run no consumer group.
  std::map<std::string, std::string> pages = {{"gateway", "127.0.0.1:9464"}};
};

// The settings as they are before anything was configured; the descriptor set lies where the build puts it beside the
// running executable.
CliConfig DefaultCliConfig();

// Binds the sections "cli", "kafka", "seal" and "log".
void Describe(config::Schema& schema, CliConfig& config);

}  // namespace tradewind::cli
