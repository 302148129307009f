// What a process does with Kafka before anything else: waits for it, saying so, and sees to its topics.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "tradewind/app/shutdown.h"
#include "tradewind/bus/kafka_config.h"
#include "tradewind/store/store.h"

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

// Over how many of its partitions the keys of each topic are spread: as many as when this store first met the topic, or
// as kafka.pinned_partitions says, which the store then keeps. FailedPrecondition, with the way out, where a topic has
// fewer now. Blocks for the store, whose errors it returns.
absl::StatusOr<std::map<std::string, int32_t>> PinPartitions(const bus::KafkaConfig& config, store::Store& store,
                                                             const std::map<std::string, int32_t>& partition_counts);

}  // namespace tradewind
