// What an operator asks about one partition of a topic: how the groups of this service stand in it, to go on without
// records that are lost, and to forget a source. AdminService is its caller.
//
// A change is made as the owner of the task would make it: the task is taken, so that whoever has it can commit nothing
// more, changed, and left to be taken anew. So it is right whichever instance of the service is asked.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "tradewind/bus/event_source.h"
#include "tradewind/bus/kafka_config.h"
#include "tradewind/bus/record.h"
#include "tradewind/mesh/v1/admin.pb.h"
#include "tradewind/runtime/group.h"
#include "tradewind/runtime/task_progress.h"
#include "tradewind/store/store.h"

namespace tradewind {

// Looks at logs. Every call blocks for requests to Kafka; errors are bus::KafkaAdmin's.
struct LogViewer {
  std::function<absl::StatusOr<bus::OffsetRange>(const std::string& topic, int32_t partition)> range;
  // The record at `offset`; nothing where the log has none there.
  std::function<absl::StatusOr<std::optional<bus::Record>>(const std::string& topic, int32_t partition, int64_t offset)>
      read;
};
// Over the real Kafka, which `config` leads to; `config` outlives it.
LogViewer KafkaLogViewer(const bus::KafkaConfig& config, const std::string& client_id);

// Not thread-safe. Every call blocks for the store and for Kafka. Errors are statuses as rpc::ToGrpcStatus takes them.
class PartitionAdmin {
 public:
  // All outlive it.
  PartitionAdmin(store::Store& store, std::vector<const runtime::Group*> groups, std::string topic_prefix,
                 LogViewer log)
      : store_(store), groups_(std::move(groups)), topic_prefix_(std::move(topic_prefix)), log_(std::move(log)) {}

  absl::StatusOr<mesh::v1::DescribePartitionResponse> Describe(const mesh::v1::DescribePartitionRequest& request);
  absl::Status AcceptLoss(const mesh::v1::AcceptLossRequest& request);
  absl::Status ForgetSource(const mesh::v1::ForgetSourceRequest& request);

 private:
  std::string FullTopic(std::string_view topic) const;
  bool Reads(const runtime::Group& group, const std::string& full_topic) const;
  // `is_read`: by the group of the input, as it is in this build.
  absl::StatusOr<mesh::v1::PartitionProgress> DescribeOne(const runtime::InputProgress& input, int32_t partition,
                                                          bool is_read);
  // Of a topic that the group reads no more, where effects of it were under way.
  mesh::v1::PartitionProgress DescribeUnread(const runtime::InputProgress& input, int32_t partition);
  // Takes the task, has `change` change its input, and commits that.
  absl::Status Change(const std::string& group, const std::string& full_topic, int32_t partition,
                      const std::function<absl::Status(runtime::InputProgress&, bool is_read)>& change);

  store::Store& store_;
  const std::vector<const runtime::Group*> groups_;
  const std::string topic_prefix_;
  const LogViewer log_;
};

}  // namespace tradewind
