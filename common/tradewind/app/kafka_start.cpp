#include "tradewind/app/kafka_start.h"

#include <fmt/format.h>

#include <algorithm>

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

std::string DescribeUnequal(const std::string& group, const std::map<std::string, int32_t>& partition_counts) {
  if (partition_counts.empty()) return "";
  const auto [fewest, most] =
      std::minmax_element(partition_counts.begin(), partition_counts.end(),
                          [](const auto& left, const auto& right) { return left.second < right.second; });
  if (fewest->second == most->second) return "";
  return fmt::format(
      "group '{}' reads {} with {} partitions and {} with {}; the input topics of a group need the same number: "
      "partitions {} to {} are not read until all have as many and the service is started again",
      group, fewest->first, fewest->second, most->first, most->second, fewest->second, most->second - 1);
}

int32_t CountUnread(const std::string& lead_topic, const std::map<std::string, int32_t>& partition_counts) {
  int32_t unread = 0;
  for (const auto& [topic, count] : partition_counts) {
    unread += std::max(count - partition_counts.at(lead_topic), 0);
  }
  return unread;
}

}  // namespace tradewind
