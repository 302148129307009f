#include "tradewind/app/kafka_start.h"

#include <fmt/format.h>

#include "tradewind/app/logger.h"
#include "tradewind/app/wait_for_part.h"
#include "tradewind/bus/envelope.h"
#include "tradewind/bus/kafka_admin.h"

namespace tradewind {
namespace {

absl::StatusOr<KafkaMesh> TryOnce(bus::KafkaAdmin& admin, const std::vector<std::string>& topics,
                                  const std::string& replies_topic) {
  KafkaMesh mesh;
  auto cluster_id = admin.ClusterId();
  if (!cluster_id.ok()) return cluster_id.status();
  mesh.cluster_id = *std::move(cluster_id);
  auto counts = admin.EnsureTopics(topics);
  if (!counts.ok()) return counts.status();
  mesh.partition_counts = *std::move(counts);
  auto replies = admin.EnsureTopics({&replies_topic, 1}, bus::TopicKind::kReplies);
  if (!replies.ok()) return replies.status();
  mesh.partition_counts.merge(*replies);
  return mesh;
}

}  // namespace

absl::StatusOr<KafkaMesh> MeetKafkaMesh(const bus::KafkaConfig& config, const std::string& client_id,
                                        const std::vector<std::string>& topics, ShutdownSignal& shutdown) {
  auto admin = bus::KafkaAdmin::Create(config, client_id + "-admin");
  if (!admin.ok()) return admin.status();
  const std::string replies_topic = bus::FullTopic(config, bus::kRepliesTopic);
  return WaitForPart<KafkaMesh>(
      "Kafka", [&] { return TryOnce(**admin, topics, replies_topic); }, shutdown);
}

absl::StatusOr<std::map<std::string, int32_t>> PinPartitions(const bus::KafkaConfig& config, store::Store& store,
                                                             const std::map<std::string, int32_t>& partition_counts) {
  std::map<std::string, int32_t> counts;
  for (const auto& [topic, count] : partition_counts) counts[topic] = bus::KeyedPartitions(config, count);
  auto pinned = store.PinPartitions(counts, /*replace=*/false);
  if (!pinned.ok()) return pinned.status();
  if (config.pinned_partitions != 0 && *pinned != counts) {
    for (const auto& [topic, count] : counts) {
      if (count == pinned->at(topic)) continue;
      kLog.Warn("keys are spread over another number of partitions from now on, as kafka.pinned_partitions says",
                {{"topic", topic}, {"partitions", count}, {"before", pinned->at(topic)}});
    }
    pinned = store.PinPartitions(counts, /*replace=*/true);
    if (!pinned.ok()) return pinned.status();
  }
  for (const auto& [topic, count] : *pinned) {
    if (count < 1) {
      return absl::FailedPreconditionError(fmt::format(
          "the store says that the keys of {} are spread over {} partitions: it is damaged; restore it from a backup, "
          "or set kafka.pinned_partitions to the number of partitions that {} had when this service first started",
          topic, count, topic));
    }
    const int32_t there = partition_counts.at(topic);
    if (count <= there) continue;
    return absl::FailedPreconditionError(fmt::format(
        "{} has {} partitions, and this service has spread its keys over {}; give it the missing ones (kafka-topics.sh "
        "--alter --topic {} --partitions {})",
        topic, there, count, topic, count));
  }
  return pinned;
}

}  // namespace tradewind
