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
  // Of each of these topics, by full name.
  std::map<std::string, int32_t> partition_counts;
};

// Blocks until a broker answers, and `topics` (full names) and that of the replies exist, with a line in the log every
// few seconds. Cancelled when `shutdown` comes first; FailedPrecondition, naming topic and setting, when a topic is not
// what the mesh needs.
absl::StatusOr<KafkaMesh> MeetKafkaMesh(const bus::KafkaConfig& config, const std::string& client_id,
                                        const std::vector<std::string>& topics, ShutdownSignal& shutdown);

// What is wrong where the input topics of a group, given by full name, have not the same number of partitions: names
// two of them. Empty where all is well.
std::string DescribeUnequal(const std::string& group, const std::map<std::string, int32_t>& partition_counts);
// How many of these partitions no task reads: the lead topic's number is that of the tasks.
int32_t CountUnread(const std::string& lead_topic, const std::map<std::string, int32_t>& partition_counts);

}  // namespace tradewind
