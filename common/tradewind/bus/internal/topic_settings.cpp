#include "tradewind/bus/internal/topic_settings.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

namespace tradewind::bus::internal {
namespace {

constexpr char kCleanupPolicy[] = "cleanup.policy";
constexpr char kUncleanElection[] = "unclean.leader.election.enable";
constexpr char kMinInsyncReplicas[] = "min.insync.replicas";
constexpr char kHourMs[] = "3600000";

const char* PolicyOf(TopicKind kind) { return kind == TopicKind::kCompacted ? "compact" : "delete"; }

std::string ValueOf(const std::map<std::string, std::string, std::less<>>& settings, std::string_view name) {
  const auto found = settings.find(name);
  return found == settings.end() ? std::string() : found->second;
}

absl::Status Unfit(const std::string& topic, std::string_view setting, const std::string& value,
                   std::string_view wanted, std::string_view why) {
  return absl::FailedPreconditionError(
      fmt::format("topic {} has {}={}, which {}; set it to {} (kafka-configs --alter --topic {} --add-config {}={})",
                  topic, setting, value, why, wanted, topic, setting, wanted));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> TopicSettings(const KafkaConfig& config, TopicKind kind) {
  std::vector<std::pair<std::string, std::string>> settings = {
      {kCleanupPolicy, PolicyOf(kind)},
      {kUncleanElection, "false"},
      {kMinInsyncReplicas, std::to_string(config.min_insync_replicas)}};
  if (kind == TopicKind::kCompacted) {
    // What was replaced or removed is gone an hour after the next record, and not when half of the topic is such.
    settings.emplace_back("segment.ms", kHourMs);
    settings.emplace_back("max.compaction.lag.ms", kHourMs);
  }
  return settings;
}

absl::Status CheckTopicSettings(const KafkaConfig& config, TopicKind kind, const std::string& topic,
                                const std::map<std::string, std::string, std::less<>>& settings) {
  if (const std::string value = ValueOf(settings, kCleanupPolicy); value != PolicyOf(kind)) {
    return Unfit(topic, kCleanupPolicy, value, PolicyOf(kind),
                 kind == TopicKind::kCompacted ? "drops the newest record of a key too"
                                               : "drops events of a key while they are still needed");
  }
  if (const std::string value = ValueOf(settings, kUncleanElection); value != "false") {
    return Unfit(topic, kUncleanElection, value, "false", "may lose acknowledged events when a broker fails");
  }
  const std::string value = ValueOf(settings, kMinInsyncReplicas);
  if (std::atoi(value.c_str()) < config.min_insync_replicas) {
    return Unfit(topic, kMinInsyncReplicas, value, std::to_string(config.min_insync_replicas),
                 "is less than kafka.min_insync_replicas asks for");
  }
  return absl::OkStatus();
}

}  // namespace tradewind::bus::internal
