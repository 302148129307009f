// Reads chosen partitions without a consumer group: the gateway's replies, watch streams, `tradewind tail`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "tradewind/bus/event_source.h"
#include "tradewind/bus/kafka_config.h"
#include "tradewind/bus/record.h"

namespace tradewind::bus {

// Position::offset values with a meaning of their own.
inline constexpr int64_t kFromBeginning = -2;
inline constexpr int64_t kFromEnd = -1;

// Which records are read of those that somebody wrote in a transaction.
enum class Isolation {
  // Those of transactions that were committed. An open transaction holds back everything that stands behind it.
  kCommitted,
  // All, those of transactions that were or will be aborted too; no transaction holds anything back.
  kUncommitted,
};

// Whether a reader tells where the partitions end. It is woken once more for each end that it comes to.
enum class Ends { kUntold, kTold };

// Not thread-safe but for End.
class PartitionReader {
 public:
  // Resolves kFromEnd before it returns (blocks up to the configured request timeout), so that nothing produced
  // afterwards is missed. Unavailable when Kafka does not answer by then, NotFound for a partition that does not exist.
  // An offset that has expired is read from the earliest there is.
  static absl::StatusOr<std::unique_ptr<PartitionReader>> Create(const KafkaConfig& config,
                                                                 const std::string& client_id,
                                                                 absl::Span<const Position> positions,
                                                                 Isolation isolation = Isolation::kCommitted,
                                                                 Ends ends = Ends::kUntold);
  ~PartitionReader();

  // With Ends::kTold: partitions that were read to their end since this was last asked, each with the offset that would
  // come next: no
  // record that may be read lies before it. The last offsets before it may hold none (the end of a transaction, one
  // that was aborted, what compaction took away), and those behind it may be an open transaction's.
  std::vector<Position> TakeReachedEnds();

  // Where a reader goes on that takes this one's place: of each partition behind the last record that Poll has
  // returned, and before the first one where reading began.
  std::vector<Position> Next() const;

  // The next record, or nothing after `timeout`. Brokers that are away are waited for inside. Records that cannot be
  // read are passed over, and one comes in their place that says so (Record::damage).
  absl::StatusOr<std::optional<Record>> Poll(absl::Duration timeout);

  // Returns the offset that the partition's next record gets, as the broker says now. Blocks up to the configured
  // request timeout; Unavailable without an answer. May be called while another thread is in Poll.
  absl::StatusOr<int64_t> End(const std::string& topic, int32_t partition) const;

 private:
  class Impl;
  explicit PartitionReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tradewind::bus
