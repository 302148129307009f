#include "tradewind/app/kafka_start.h"

#include <fmt/format.h>

#include "tradewind/app/wait_for_part.h"
#include "tradewind/bus/kafka_admin.h"

namespace tradewind {
namespace {

absl::StatusOr<KafkaMesh> TryOnce(bus::KafkaAdmin& admin, const std::vector<std::string>& topics) {
  KafkaMesh mesh;
  auto cluster_id = admin.ClusterId();
  if (!cluster_id.ok()) return cluster_id.status();
  mesh.cluster_id = *std::move(cluster_id);
  auto counts = admin.EnsureTopics(topics);
  if (!counts.ok()) return counts.status();
  mesh.partition_counts = *std::move(counts);
  return mesh;
}

}  // namespace

absl::StatusOr<KafkaMesh> MeetKafkaMesh(const bus::KafkaConfig& config, const std::string& client_id,
                                        const std::vector<std::string>& topics, ShutdownSignal& shutdown) {
  auto admin = bus::KafkaAdmin::Create(config, client_id + "-admin");
  if (!admin.ok()) return admin.status();
  return WaitForPart<KafkaMesh>(
      "Kafka", [&] { return TryOnce(**admin, topics); }, shutdown);
}

absl::Status CheckCopartitioned(const std::string& group, const std::map<std::string, int32_t>& partition_counts) {
  for (const auto& [topic, count] : partition_counts) {
    const auto& [first_topic, first_count] = *partition_counts.begin();
    if (count == first_count) continue;
    return absl::FailedPreconditionError(fmt::format(
        "group '{}' reads {} with {} partitions and {} with {}; the input topics of a group need the same number: make "
        "one of them anew with the other's",
        group, first_topic, first_count, topic, count));
  }
  return absl::OkStatus();
}

}  // namespace tradewind
