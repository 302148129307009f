// What a process does with Kafka before anything else: waits for it, saying so, and sees to its topics.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "tradewind/app/shutdown.h"
#include "tradewind/bus/kafka_config.h"

namespace tradewind {

struct KafkaMesh {
  std::string cluster_id;
  // Of each topic asked for, by full name.
  std::map<std::string, int32_t> partition_counts;
};

// Blocks until a broker answers and `topics` (full names) exist, with a line in the log every few seconds. Cancelled
// when `shutdown` comes first; FailedPrecondition, naming topic and setting, when a topic is not what the mesh needs.
absl::StatusOr<KafkaMesh> MeetKafkaMesh(const bus::KafkaConfig& config, const std::string& client_id,
                                        const std::vector<std::string>& topics, ShutdownSignal& shutdown);

// FailedPrecondition, naming the topics, unless all have the same number of partitions.
absl::Status CheckCopartitioned(const std::string& group, const std::map<std::string, int32_t>& partition_counts);

}  // namespace tradewind
