#include "tradewind/bus/internal/topic_settings.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

namespace tradewind::bus::internal {
namespace {

constexpr char kCleanupPolicy[] = "cleanup.policy";
constexpr char kUncleanElection[] = "unclean.leader.election.enable";
constexpr char kMinInsyncReplicas[] = "min.insync.replicas";

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

std::vector<std::pair<std::string, std::string>> TopicSettings(const KafkaConfig& config) {
  return {{kCleanupPolicy, "delete"},
          {kUncleanElection, "false"},
          {kMinInsyncReplicas, std::to_string(config.min_insync_replicas)}};
}

absl::Status CheckTopicSettings(const KafkaConfig& config, const std::string& topic,
                                const std::map<std::string, std::string, std::less<>>& settings) {
  if (const std::string value = ValueOf(settings, kCleanupPolicy); value != "delete") {
    return Unfit(topic, kCleanupPolicy, value, "delete", "drops events of a key while they are still needed");
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
