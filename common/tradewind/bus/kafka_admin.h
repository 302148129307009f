// Topics: made with what the mesh needs of them, and checked for it when they are there already.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "tradewind/bus/event_source.h"
#include "tradewind/bus/kafka_config.h"

namespace tradewind::bus {

struct TopicInfo {
  std::string name;
  int32_t partitions = 0;
  int32_t replication_factor = 0;
};

// What becomes of a topic's old records.
enum class TopicKind {
  // They go when they are old enough for the broker's retention.
  kEvents,
  // Of each key the newest stays; one without a value removes its key.
  kCompacted,
  // They go within minutes: whom they are for reads them at once or not at all.
  kReplies,
};

// The brokers of a cluster, as one of them tells.
struct ClusterBrokers {
  // host:port of each that takes part.
  std::vector<std::string> addresses;
  // Ids, rising, of those that should hold a copy of some partition and do not take part.
  std::vector<int32_t> missing;
};

// Where a partition ends: for whoever reads what is committed, as everything of the mesh does, and in truth.
struct LogEnd {
  std::string topic;
  int32_t partition = 0;
  // The last stable offset: nothing at or behind it is read before the transaction that is open there has ended.
  int64_t stable = 0;
  int64_t high = 0;

  bool HasOpenTransaction() const { return stable < high; }
};

// A consumer group's committed offset beside the end of the partition, as LogEnd::stable.
struct GroupLag {
  std::string topic;
  int32_t partition = 0;
  int64_t committed = -1;
  int64_t end = 0;
};

// Thread-safe. Every call blocks up to the configured request timeout, a few times over where it says so.
class KafkaAdmin {
 public:
  static absl::StatusOr<std::unique_ptr<KafkaAdmin>> Create(const KafkaConfig& config, const std::string& client_id);
  ~KafkaAdmin();

  // The cluster's id, once a broker answers. Unavailable until then.
  absl::StatusOr<std::string> ClusterId();

  // Creates what is missing of `topics` (full names) with the configured partition count, replication and
  // min.insync.replicas, what `kind` says of old records and no unclean leader election. FailedPrecondition, naming
  // topic and setting, when one exists with another cleanup policy, unclean election, or fewer in-sync replicas asked
  // for than configured. One that keeps replies for longer than it would be given is named in the log. Returns the
  // partition count of each.
  absl::StatusOr<std::map<std::string, int32_t>> EnsureTopics(absl::Span<const std::string> topics,
                                                              TopicKind kind = TopicKind::kEvents);

  absl::StatusOr<std::vector<TopicInfo>> ListTopics();
  // A broker that has just died takes part for a few seconds more.
  absl::StatusOr<ClusterBrokers> Brokers();
  // `high` is LogEnd::stable.
  absl::StatusOr<OffsetRange> Range(const std::string& topic, int32_t partition);
  // Of all partitions of `topics`, those that do not exist left out. A transaction that ends meanwhile may be shown as
  // open or not; one that stays open is.
  absl::StatusOr<std::vector<LogEnd>> LogEnds(absl::Span<const std::string> topics);
  // Over all partitions of `topics`; for people, not for the runtime.
  absl::StatusOr<std::vector<GroupLag>> Lag(const std::string& group, absl::Span<const std::string> topics);

 private:
  class Impl;
  explicit KafkaAdmin(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tradewind::bus
