// The inside of a KafkaAdmin: kafka_admin.cpp is topics, internal/kafka_admin_ends.cpp the ends of logs and the lag of
// groups. For these files only.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

#include "tradewind/bus/internal/client.h"
#include "tradewind/bus/internal/deadline.h"
#include "tradewind/bus/internal/rdkafka_handle.h"
#include "tradewind/bus/kafka_admin.h"

namespace tradewind::bus {

class KafkaAdmin::Impl {
 public:
  // Topic and partition.
  using Place = std::pair<std::string, int32_t>;

  explicit Impl(const KafkaConfig& config) : config_(config) {}
  ~Impl() {
    internal::DestroyWithin(std::move(uncommitted_client_), kDestroyLimit);
    internal::DestroyWithin(std::move(client_), kDestroyLimit);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  absl::Status Start(const std::string& client_id);
  absl::StatusOr<std::string> ClusterId();
  absl::StatusOr<std::map<std::string, int32_t>> EnsureTopics(absl::Span<const std::string> topics, TopicKind kind);
  absl::StatusOr<std::vector<TopicInfo>> ListTopics();
  absl::StatusOr<ClusterBrokers> Brokers();
  absl::StatusOr<OffsetRange> Range(const std::string& topic, int32_t partition);
  absl::StatusOr<std::vector<LogEnd>> LogEnds(absl::Span<const std::string> topics);
  absl::StatusOr<std::vector<GroupLag>> Lag(const std::string& group, absl::Span<const std::string> topics);

 private:
  static constexpr absl::Duration kDestroyLimit = absl::Seconds(5);

  // What all clients of an admin share.
  static void SetAdminDefaults(internal::ClientSettings& settings);
  internal::Deadline NewDeadline() const { return internal::Deadline(config_.request_timeout); }
  internal::AdminOptionsHandle Options(rd_kafka_admin_op_t operation) const;
  absl::StatusOr<internal::EventHandle> Answer(rd_kafka_queue_t* queue, std::string_view what) const;
  absl::StatusOr<internal::MetadataHandle> Metadata(const internal::Deadline& deadline) const;
  absl::Status CreateTopics(absl::Span<const std::string> topics, TopicKind kind);
  absl::Status CheckTopics(absl::Span<const std::string> topics, TopicKind kind);
  absl::StatusOr<std::map<std::string, int32_t>> WaitUntilReady(absl::Span<const std::string> topics);
  // Partitions of those topics that exist.
  absl::StatusOr<std::vector<Place>> PlacesOf(absl::Span<const std::string> topics);
  absl::StatusOr<std::vector<int64_t>> EndsOf(rd_kafka_t* client, absl::Span<const Place> places) const;
  absl::StatusOr<rd_kafka_t*> UncommittedClient();
  absl::Status ReadCommitted(const std::string& group, std::vector<GroupLag>& lags);

  const KafkaConfig config_;
  std::string client_id_;
  internal::ClientHandle client_;
  absl::Mutex mutex_;
  // Null until it is needed.
  internal::ClientHandle uncommitted_client_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tradewind::bus
