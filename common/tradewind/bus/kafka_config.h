// How to reach Kafka, and the mesh's habits there. One struct for every client of the process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace tradewind::config {
class Schema;
}

namespace tradewind::bus {

struct KafkaConfig {
  // Comma-separated host:port.
  std::string brokers = "127.0.0.1:9092";
  // Put before every topic name and consumer group.
  std::string topic_prefix;
  // Partitions of the topics this process creates. Chosen once: an existing topic keeps its count.
  int32_t partitions = 12;
  // Where it is not 0, the partitions over which keys are spread in topics that have more: what an operator says where
  // partitions were added. A service then takes it for what its store has pinned.
  int32_t pinned_partitions = 0;
  // Replicas of the topics this process creates, and how many of them must be in sync for a write (at most replicas).
  int32_t replication_factor = 1;
  int32_t min_insync_replicas = 1;
  // How long a member of a group may be silent before its tasks go to another.
  absl::Duration session_timeout = absl::Seconds(6);
  // How long a member of a group may go without asking for messages, as while a handler runs, before its tasks go to
  // another; session_timeout where that is longer.
  absl::Duration max_poll_interval = absl::Minutes(5);
  // How long one request to a broker may take.
  absl::Duration request_timeout = absl::Seconds(5);
};

// Binds the fields under "kafka".
void Describe(config::Schema& schema, KafkaConfig& config);

// The topic's full name: prefix + name.
std::string FullTopic(const KafkaConfig& config, std::string_view name);

// Over how many of the partitions of a topic, which has `partitions`, keys are spread by the settings alone.
int32_t KeyedPartitions(const KafkaConfig& config, int32_t partitions);

}  // namespace tradewind::bus
