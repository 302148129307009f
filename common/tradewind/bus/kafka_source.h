// EventSource on Kafka: one member of a consumer group. Subscribes to the lead topic with cooperative-sticky
// assignment and adds the same-numbered partitions of the other topics by hand.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "tradewind/bus/event_source.h"
#include "tradewind/bus/kafka_config.h"

namespace tradewind::bus {

struct KafkaSourceOptions {
  std::string client_id;
  // Full names, prefix included.
  std::string group;
  std::string lead_topic;
  // The group's other input topics. Same partition count as the lead topic.
  std::vector<std::string> other_topics;
};

class KafkaSource final : public EventSource {
 public:
  // Does not wait for a broker. `listener` outlives the source.
  static absl::StatusOr<std::unique_ptr<KafkaSource>> Create(const KafkaConfig& config,
                                                             const KafkaSourceOptions& options,
                                                             AssignmentListener& listener);
  // Without Close the group is left all the same, and the listener not told. Blocks up to a few seconds.
  ~KafkaSource() override;

  absl::StatusOr<std::optional<Record>> Poll(absl::Duration timeout) override;
  absl::Status Pause(absl::Span<const int32_t> partitions) override;
  absl::Status Resume(absl::Span<const Position> positions) override;
  absl::StatusOr<std::vector<CommittedOffset>> Committed(absl::Span<const Position> partitions) override;
  absl::StatusOr<OffsetRange> Range(const std::string& topic, int32_t partition) override;
  std::vector<absl::StatusOr<OffsetRange>> Ranges(absl::Span<const Position> partitions) override;
  bool CaughtUp(const std::string& topic, int32_t partition, int64_t end) override;
  bool TakeFailedCommits() override;
  absl::Status CommitOffsets(absl::Span<const CommittedOffset> offsets, bool wait) override;
  absl::Status Close(absl::Duration deadline) override;

 private:
  class Impl;
  explicit KafkaSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tradewind::bus
