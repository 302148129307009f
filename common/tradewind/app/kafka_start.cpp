#include "tradewind/app/kafka_start.h"

#include <fmt/format.h>

#include "absl/time/clock.h"

#include "tradewind/app/logger.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/errors/problem.h"

namespace tradewind {
namespace {

constexpr absl::Duration kTryEvery = absl::Milliseconds(200);
constexpr absl::Duration kSayEvery = absl::Seconds(5);

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
  const absl::Time started = absl::Now();
  absl::Time said = absl::InfinitePast();
  while (true) {
    auto mesh = TryOnce(**admin, topics);
    if (mesh.ok() || errors::Read(mesh.status()) != errors::Reading::kRetryable) return mesh;
    if (absl::Now() - said >= kSayEvery) {
      said = absl::Now();
      kLog.Warn("waiting for Kafka", {{"kafka.brokers", config.brokers},
                                      {"waited", absl::Trunc(absl::Now() - started, absl::Seconds(1))},
                                      {"error", mesh.status()}});
    }
    if (shutdown.WaitFor(kTryEvery)) return absl::CancelledError("asked to stop while waiting for Kafka");
  }
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
