#include "tradewind/bus/internal/topic_settings.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

namespace tradewind::bus::internal {
namespace {

constexpr char kCleanupPolicy[] = "cleanup.policy";
constexpr char kUncleanElection[] = "unclean.leader.election.enable";
constexpr char kMinInsyncReplicas[] = "min.insync.replicas";
constexpr char kRetentionMs[] = "retention.ms";
constexpr char kSegmentMs[] = "segment.ms";
constexpr char kSegmentBytes[] = "segment.bytes";
constexpr char kHourMs[] = "3600000";
// A call waits for its reply for ten minutes at most. A segment goes when its last record is that old, so that what
// lies on the disk is what came in some fifteen minutes, and the interval at which the broker looks.
constexpr char kRepliesRetentionMs[] = "600000";
constexpr char kRepliesSegmentMs[] = "300000";
constexpr char kRepliesSegmentBytes[] = "67108864";

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
    settings.emplace_back(kSegmentMs, kHourMs);
    settings.emplace_back("max.compaction.lag.ms", kHourMs);
  }
  if (kind == TopicKind::kReplies) {
    settings.emplace_back(kRetentionMs, kRepliesRetentionMs);
    settings.emplace_back(kSegmentMs, kRepliesSegmentMs);
    settings.emplace_back(kSegmentBytes, kRepliesSegmentBytes);
  }
  return settings;
}

std::string AdviseTopicSettings(TopicKind kind, const std::string& topic,
                                const std::map<std::string, std::string, std::less<>>& settings) {
  if (kind != TopicKind::kReplies) return "";
  // -1 keeps them for ever.
  const int64_t retention = std::atoll(ValueOf(settings, kRetentionMs).c_str());
  if (retention >= 0 && retention <= std::atoll(kHourMs)) return "";
  return fmt::format(
      "topic {} keeps replies, which nobody reads after a minute, for retention.ms={}; to have the room back: "
      "kafka-configs --alter --topic {} --add-config {}={},{}={},{}={}",
      topic, retention, topic, kRetentionMs, kRepliesRetentionMs, kSegmentMs, kRepliesSegmentMs, kSegmentBytes,
      kRepliesSegmentBytes);
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
