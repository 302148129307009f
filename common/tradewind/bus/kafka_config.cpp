#include "tradewind/bus/kafka_config.h"

#include <algorithm>

#include "tradewind/config/config.h"

namespace tradewind::bus {

void Describe(config::Schema& schema, KafkaConfig& config) {
  auto section = schema.Section("kafka", "How to reach Kafka, and what topics are made with.");
  section.Field("brokers", &config.brokers, "brokers to start from, host:port, comma-separated")
      .NotEmpty()
      .ReachesBrokers();
  section.Field("topic_prefix", &config.topic_prefix, "put before every topic name and consumer group");
  section.Field("partitions", &config.partitions, "partitions of the topics made at start; existing ones keep theirs")
      .Min(1)
      .Max(10'000);
  section
      .Field("pinned_partitions", &config.pinned_partitions,
             "partitions over which keys are spread in topics that have more; 0: as many as the service began with, "
             "and in the gateway as many as there are")
      .Max(10'000);
  section.Field("replication_factor", &config.replication_factor, "replicas of the topics made at start")
      .Min(1)
      .Max(100);
  section
      .Field("min_insync_replicas", &config.min_insync_replicas,
             "replicas that must have a record before it counts as written; at most replication_factor")
      .Min(1)
      .Max(100);
  section
      .Field("session_timeout", &config.session_timeout,
             "how long a process may be silent before its tasks go to another")
      .Min(absl::Seconds(1))
      .Max(absl::Minutes(30));
  section
      .Field("max_poll_interval", &config.max_poll_interval,
             "how long a handler may take before the tasks of its process go to another; at least session_timeout")
      .Min(absl::Seconds(1))
      .Max(absl::Hours(24));
  section.Field("request_timeout", &config.request_timeout, "how long one request to a broker may take")
      .Min(absl::Milliseconds(500))
      .Max(absl::Minutes(5));
}

std::string FullTopic(const KafkaConfig& config, std::string_view name) {
  std::string topic = config.topic_prefix;
  topic.append(name);
  return topic;
}

int32_t KeyedPartitions(const KafkaConfig& config, int32_t partitions) {
  return config.pinned_partitions == 0 ? partitions : std::min(config.pinned_partitions, partitions);
}

}  // namespace tradewind::bus
