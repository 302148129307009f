// What a worker does in quiet moments: drops outbox rows that Kafka has, mirrors its offsets there, forgets old
// requests.
#include <string>
#include <vector>

#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/worker_impl.h"

namespace tradewind::runtime {
namespace {

// A quiet task drops its acknowledged outbox rows after this long, and Kafka's copy of its offsets is this far behind.
constexpr absl::Duration kTidyAfter = absl::Milliseconds(500);
constexpr absl::Duration kMirrorEvery = absl::Seconds(1);
constexpr absl::Duration kPruneEvery = absl::Minutes(1);
constexpr int64_t kPruneRows = 1000;

}  // namespace

void Worker::Impl::Housekeep(absl::Time now, bool idle) {
  if (!idle) quiet_since_ = now;
  if (idle && now - quiet_since_ >= kTidyAfter) {
    TidyOutboxes();
    quiet_since_ = now;
  }
  if (now - mirrored_at_ >= kMirrorEvery) {
    mirrored_at_ = now;
    MirrorOffsets(AllPartitions(), /*wait=*/false);
  }
  if (now - pruned_at_ >= kPruneEvery) {
    pruned_at_ = now;
    const auto pruned = ports_.session->PruneRequests(now - config_.request_retention, kPruneRows);
    if (!pruned.ok()) kLog.Warn("old answers to requests were not removed", {{"error", pruned.status()}});
    // A full round means that there is more.
    if (pruned.ok() && *pruned == kPruneRows) pruned_at_ = absl::InfinitePast();
  }
}

void Worker::Impl::TidyOutboxes() {
  store::Batch batch;
  batch.now = ports_.now();
  std::vector<std::string> blobs;
  blobs.reserve(tasks_.size());
  std::vector<Task*> tidied;
  for (auto& [partition, task] : tasks_) {
    const uint64_t acknowledged = publisher_.Acknowledged(partition);
    if (task->state == Task::State::kDisowned || acknowledged <= task->outbox_dropped) continue;
    blobs.push_back(task->progress.Serialize(ports_.cluster_id));
    tidied.push_back(task.get());
    batch.tasks.push_back({.task = task->id,
                           .expected_epoch = task->epoch,
                           .expected_emit_sequence = task->emit_sequence,
                           .new_emit_sequence = task->emit_sequence + 1,
                           .progress = blobs.back(),
                           .outbox_acknowledged = acknowledged});
  }
  if (batch.tasks.empty()) return;
  const auto result = ports_.session->Commit(batch);
  if (result.ok() && result->kind == store::CommitResult::Kind::kCommitted) {
    for (size_t i = 0; i < tidied.size(); ++i) {
      ++tidied[i]->emit_sequence;
      tidied[i]->outbox_dropped = batch.tasks[i].outbox_acknowledged;
    }
    return;
  }
  // In doubt or fenced: nothing is lost, the rows are sent once more by whoever takes the task next.
  for (Task* task : tidied) Disown(*task, "its outbox could not be tidied");
}

void Worker::Impl::MirrorOffsets(absl::Span<const int32_t> partitions, bool wait) {
  std::vector<bus::CommittedOffset> offsets;
  for (const int32_t partition : partitions) {
    const auto found = tasks_.find(partition);
    if (found == tasks_.end() || !found->second->offsets_moved) continue;
    Task& task = *found->second;
    task.offsets_moved = false;
    const std::string metadata = OffsetMetadata{ports_.store_id, task.epoch}.ToString();
    for (const InputProgress& input : task.progress.inputs()) {
      offsets.push_back({input.topic(), partition, input.next_offset(), metadata});
    }
  }
  if (offsets.empty()) return;
  if (const absl::Status committed = source_->CommitOffsets(offsets, wait); !committed.ok()) {
    kLog.Debug("offsets were not mirrored to Kafka; the store has them", {{"error", committed}});
  }
}

}  // namespace tradewind::runtime
