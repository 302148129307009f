// Partitions that were added to a topic after the mesh had begun to spread its keys over fewer of them. No task reads
// them, and nothing of the mesh writes to them as long as its processes go on counting as before. For the metric
// tradewind_partitions_unread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "tradewind/bus/event_source.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/kafka_config.h"

namespace tradewind {

// The partitions that a group reads of its input topics.
struct GroupReads {
  std::string group;
  // Full names.
  std::vector<std::string> topics;
  // As many of each topic as its tasks.
  int32_t partitions = 0;
};

// Not thread-safe.
class UnreadPartitions {
 public:
  // Where an operator has said how many partitions are read (`is_decided`), one that is not read counts only while it
  // holds records; what it holds is asked with `range`.
  using AskRange = std::function<absl::StatusOr<bus::OffsetRange>(const std::string& topic, int32_t partition)>;
  UnreadPartitions(std::vector<GroupReads> groups, bool is_decided, AskRange range)
      : groups_(std::move(groups)), is_decided_(is_decided), range_(std::move(range)) {}

  // Takes the ends of all partitions of the groups' topics. Blocks for `range`.
  void Note(absl::Span<const bus::LogEnd> ends);

 private:
  bool HoldsRecords(const bus::LogEnd& end) const;

  const std::vector<GroupReads> groups_;
  const bool is_decided_;
  const AskRange range_;
  // What was shown last, by group and topic.
  std::map<std::pair<std::string, std::string>, int64_t> shown_;
};

// How many partitions topics have now. Thread-safe.
class PartitionCounter {
 public:
  // `config` outlives it. Connects only when it is asked, which few processes ever are.
  PartitionCounter(const bus::KafkaConfig& config, std::string client_id)
      : config_(config), client_id_(std::move(client_id)) {}

  // Blocks for a request to Kafka, at most once a second. NotFound where there is no such topic.
  absl::StatusOr<int32_t> Ask(const std::string& topic);

 private:
  absl::StatusOr<std::vector<bus::TopicInfo>> ListTopics();

  const bus::KafkaConfig& config_;
  const std::string client_id_;
  // Guards what follows, and is held while Kafka is asked: all who ask meanwhile want the same answer.
  std::mutex mutex_;
  std::unique_ptr<bus::KafkaAdmin> admin_;
  absl::StatusOr<std::vector<bus::TopicInfo>> topics_;
  absl::Time asked_at_ = absl::InfinitePast();
};

}  // namespace tradewind
