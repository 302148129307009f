#include "tradewind/app/partition_admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

#include "tradewind/app/logger.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/partition_reader.h"
#include "tradewind/bus/record_copy.h"
#include "tradewind/errors/printable.h"
#include "tradewind/runtime/lost_records.h"

namespace tradewind {
namespace {

// A record that is there comes at once; where the log has none at the offset, another one does, or none.
constexpr absl::Duration kReadPatience = absl::Seconds(2);

absl::Status NotRead(std::string_view topic) {
  return absl::NotFoundError(fmt::format("no group of this service reads {}", errors::Printable(topic)));
}

}  // namespace

LogViewer KafkaLogViewer(const bus::KafkaConfig& config, const std::string& client_id) {
  LogViewer viewer;
  viewer.range = [&config, client_id](const std::string& topic, int32_t partition) -> absl::StatusOr<bus::OffsetRange> {
    auto admin = bus::KafkaAdmin::Create(config, client_id);
    if (!admin.ok()) return admin.status();
    return (*admin)->Range(topic, partition);
  };
  viewer.read = [&config, client_id](const std::string& topic, int32_t partition,
                                     int64_t offset) -> absl::StatusOr<std::optional<bus::Record>> {
    const bus::Position position{.topic = topic, .partition = partition, .offset = offset};
    auto reader = bus::PartitionReader::Create(config, client_id, {&position, 1}, bus::Isolation::kUncommitted);
    if (!reader.ok()) return reader.status();
    auto record = (*reader)->Poll(kReadPatience);
    if (!record.ok()) return record.status();
    if (!record->has_value() || (*record)->offset() != offset) return std::nullopt;
    // The reader ends here, and cannot as long as there is a record of its own.
    return bus::CopyOf(**record);
  };
  return viewer;
}

std::string PartitionAdmin::FullTopic(std::string_view topic) const {
  if (topic.starts_with(topic_prefix_)) return std::string(topic);
  return topic_prefix_ + std::string(topic);
}

bool PartitionAdmin::Reads(const runtime::Group& group, const std::string& full_topic) const {
  const auto& topics = group.input_topics();
  return std::any_of(topics.begin(), topics.end(),
                     [&](const std::string& name) { return topic_prefix_ + name == full_topic; });
}

mesh::v1::PartitionProgress PartitionAdmin::DescribeUnread(const runtime::InputProgress& input, int32_t partition) {
  mesh::v1::PartitionProgress described;
  described.set_next_offset(input.next_offset());
  described.set_sources(static_cast<int64_t>(input.sources()));
  // The topic may be gone.
  if (const auto range = log_.range(input.topic(), partition); range.ok()) {
    described.set_log_begin(range->low);
    described.set_log_end(range->high);
  }
  if (input.pending().empty()) return described;
  described.mutable_lost()->set_reason(std::string(runtime::Describe(runtime::LostRecords::Reason::kNotRead)));
  described.mutable_lost()->set_effects(static_cast<int64_t>(input.pending().size()));
  described.mutable_lost()->set_go_on_at(input.next_offset());
  return described;
}

absl::StatusOr<mesh::v1::PartitionProgress> PartitionAdmin::DescribeOne(const runtime::InputProgress& input,
                                                                        int32_t partition, bool is_read) {
  if (!is_read) return DescribeUnread(input, partition);
  mesh::v1::PartitionProgress described;
  described.set_next_offset(input.next_offset());
  described.set_sources(static_cast<int64_t>(input.sources()));
  const auto range = log_.range(input.topic(), partition);
  if (!range.ok()) return range.status();
  described.set_log_begin(range->low);
  described.set_log_end(range->high);
  bool is_another_log = false;
  if (const auto compared = runtime::OffsetToCompare(input, *range); compared.has_value()) {
    const auto record = log_.read(input.topic(), partition, *compared);
    if (!record.ok()) return record.status();
    is_another_log = record->has_value() && bus::Fingerprint(**record) != input.fingerprint();
  }
  if (const auto lost = runtime::FindLostRecords(input, *range, is_another_log); lost.has_value()) {
    described.mutable_lost()->set_reason(std::string(runtime::Describe(lost->reason)));
    described.mutable_lost()->set_unread(lost->unread);
    described.mutable_lost()->set_effects(lost->effects);
    described.mutable_lost()->set_go_on_at(lost->go_on_at);
  }
  return described;
}

absl::StatusOr<mesh::v1::DescribePartitionResponse> PartitionAdmin::Describe(
    const mesh::v1::DescribePartitionRequest& request) {
  const std::string topic = FullTopic(request.topic());
  mesh::v1::DescribePartitionResponse response;
  bool is_known = false;
  for (const runtime::Group* group : groups_) {
    const bool is_read = Reads(*group, topic);
    is_known = is_known || is_read;
    const auto blob = store_.reader().ProgressOf({group->name(), request.partition()});
    if (!blob.ok()) return blob.status();
    const auto progress = runtime::TaskProgress::Parse(*blob);
    if (!progress.ok()) return progress.status();
    const runtime::InputProgress* input = progress->FindInput(topic);
    // It has read nothing of it yet, so there is nothing that it could miss.
    if (input == nullptr || (!is_read && input->pending().empty())) continue;
    is_known = true;
    auto described = DescribeOne(*input, request.partition(), is_read);
    if (!described.ok()) return described.status();
    described->set_group(group->name());
    if (const auto taken = input->WatermarkOf(request.source()); taken.has_value()) {
      described->mutable_taken()->set_epoch(taken->epoch);
      described->mutable_taken()->set_number(taken->number);
    }
    *response.add_groups() = *std::move(described);
  }
  if (!is_known) return NotRead(request.topic());
  return response;
}

absl::Status PartitionAdmin::Change(const std::string& group, const std::string& full_topic, int32_t partition,
                                    const std::function<absl::Status(runtime::InputProgress&, bool)>& change) {
  const auto found =
      std::find_if(groups_.begin(), groups_.end(), [&](const auto* one) { return one->name() == group; });
  if (found == groups_.end()) return NotRead(full_topic);
  const bool is_read = Reads(**found, full_topic);
  const store::TaskId task{group, partition};
  // Looked at first: nothing is taken from its owner for something that is not there.
  const auto known = store_.reader().ProgressOf(task);
  if (!known.ok()) return known.status();
  auto progress = runtime::TaskProgress::Parse(*known);
  if (!progress.ok()) return progress.status();
  if (progress->FindInput(full_topic) == nullptr) {
    return is_read ? absl::FailedPreconditionError("the group has read nothing of it yet") : NotRead(full_topic);
  }
  auto session = store_.OpenSession();
  if (!session.ok()) return session.status();
  const auto taken = (*session)->TakeTask(task, 0);
  if (!taken.ok()) return taken.status();
  progress = runtime::TaskProgress::Parse(taken->progress);
  if (!progress.ok()) return progress.status();
  runtime::InputProgress* input = progress->FindInput(full_topic);
  if (input == nullptr) return absl::UnavailableError("its owner was faster; try again");
  if (absl::Status changed = change(*input, is_read); !changed.ok()) return changed;
  const std::string blob = progress->Serialize(progress->cluster_id());
  store::Batch batch;
  batch.now = absl::Now();
  // This owner ends in order.
  batch.tasks.push_back({.task = task,
                         .expected_epoch = taken->epoch,
                         .expected_emit_sequence = taken->emit_sequence,
                         .new_emit_sequence = taken->emit_sequence + 1,
                         .progress = blob,
                         .ends_takes = true});
  const auto committed = (*session)->Commit(batch);
  if (!committed.ok()) return committed.status();
  if (committed->kind != store::CommitResult::Kind::kCommitted) {
    return absl::UnavailableError("its owner was faster; try again");
  }
  return absl::OkStatus();
}

absl::Status PartitionAdmin::AcceptLoss(const mesh::v1::AcceptLossRequest& request) {
  const std::string topic = FullTopic(request.topic());
  const auto accept = [&](runtime::InputProgress& input, bool is_read) -> absl::Status {
    const auto now = DescribeOne(input, request.partition(), is_read);
    if (!now.ok()) return now.status();
    if (!now->has_lost()) return absl::FailedPreconditionError("nothing is lost there");
    if (now->next_offset() != request.next_offset() || now->lost().go_on_at() != request.go_on_at()) {
      return absl::FailedPreconditionError("what is lost has changed since it was described; look again");
    }
    // Of a topic that is not read nothing can be read again.
    input.GoOnAt(now->lost().go_on_at(), is_read ? now->log_begin() : now->next_offset());
    kLog.Warn("the loss of records was accepted", {{"group", request.group()},
                                                   {"topic", topic},
                                                   {"partition", request.partition()},
                                                   {"next_offset", request.next_offset()},
                                                   {"go_on_at", request.go_on_at()}});
    return absl::OkStatus();
  };
  return Change(request.group(), topic, request.partition(), accept);
}

absl::Status PartitionAdmin::ForgetSource(const mesh::v1::ForgetSourceRequest& request) {
  const std::string topic = FullTopic(request.topic());
  return Change(request.group(), topic, request.partition(), [&](runtime::InputProgress& input, bool) -> absl::Status {
    if (!input.WatermarkOf(request.source()).has_value()) {
      return absl::NotFoundError(
          fmt::format("the group knows no source {} there", errors::Printable(request.source())));
    }
    input.ForgetSource(request.source(), absl::Now());
    kLog.Warn("a source was forgotten", {{"group", request.group()},
                                         {"topic", topic},
                                         {"partition", request.partition()},
                                         {"source", errors::Printable(request.source())}});
    return absl::OkStatus();
  });
}

}  // namespace tradewind
