// Brings answers home: reads one partition of the reply topic from its end and gives each reply to the call that waits
// for it. Gateways share partitions; what is meant for others is passed over.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

#include "tradewind/bus/kafka_config.h"
#include "tradewind/bus/partition_reader.h"
#include "tradewind/bus/record.h"
#include "tradewind/bus/skipped_records.h"
#include "tradewind/commands/pending_table.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind::commands {

// Hands the replies of one record to their calls. Returns how many calls it ended; InvalidArgument where its value is
// no ReplyBatch or cannot be read. `scratch` is reused memory.
absl::StatusOr<int> DeliverReplies(const bus::Record& record, std::string_view instance_id,
                                   mesh::v1::ReplyBatch& scratch, PendingTable& pending);

class ReplyReader {
 public:
  // Reading from the end of the partition when it returns, on a thread of its own. Blocks for one request to Kafka;
  // Unavailable when no broker answers. `pending` outlives the reader.
  static absl::StatusOr<std::unique_ptr<ReplyReader>> Start(const bus::KafkaConfig& config, std::string client_id,
                                                            std::string instance_id, int32_t partition,
                                                            PendingTable& pending);
  ~ReplyReader();

 private:
  ReplyReader(const bus::KafkaConfig& config, std::string client_id, std::string instance_id, int32_t partition,
              PendingTable& pending);
  absl::Status Open();
  void Run();
  // Where nothing has come for a while: whether something could.
  void Look();
  // After an error that the reader does not survive: answers that came in between are lost, and their calls end as
  // OUTCOME_PENDING.
  void Reopen(const absl::Status& why);

  const bus::KafkaConfig config_;
  // Full name.
  const std::string topic_;
  const std::string client_id_;
  const std::string instance_id_;
  const int32_t partition_;
  PendingTable& pending_;
  std::unique_ptr<bus::PartitionReader> reader_;
  bus::SkippedRecords skipped_{"replies"};
  const telemetry::Age unread_;
  absl::Time looked_at_ = absl::InfinitePast();
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace tradewind::commands
