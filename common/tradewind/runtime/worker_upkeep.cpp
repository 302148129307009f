// What a worker does in quiet moments: drops outbox rows that Kafka has, mirrors its offsets there, counts what was set
// aside, forgets old requests.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tradewind/faults/crash_point.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/worker_impl.h"

namespace tradewind::runtime {
namespace {

// A quiet task drops its acknowledged outbox rows after this long, and Kafka's copy of its offsets is this far behind.
constexpr absl::Duration kTidyAfter = absl::Milliseconds(500);
constexpr absl::Duration kMirrorEvery = absl::Seconds(1);
// What is set aside is counted this often, and the more seldom the longer that takes: a hundredth of the time at most.
constexpr absl::Duration kCountEvery = absl::Seconds(1);
constexpr absl::Duration kMaxCountEvery = absl::Seconds(10);
constexpr int kCountPause = 100;
constexpr absl::Duration kPruneEvery = absl::Minutes(1);
constexpr int64_t kPruneRows = 1000;

}  // namespace

void Worker::Impl::Housekeep(absl::Time now, bool idle) {
  if (!idle) quiet_since_ = now;
  if (idle && now - quiet_since_ >= kTidyAfter) {
    TidyOutboxes(/*ending=*/false);
    quiet_since_ = now;
  }
  if (now >= mirror_due_) {
    mirror_due_ = now + kMirrorEvery;
    MirrorOffsets(AllPartitions(), /*wait=*/false).IgnoreError();
  }
  if (now - counted_at_ >= count_every_) {
    counted_at_ = now;
    const absl::Time begun = absl::Now();
    CountKept();
    count_every_ = std::clamp((absl::Now() - begun) * kCountPause, kCountEvery, kMaxCountEvery);
    for (const auto& [partition, task] : tasks_) repeats_.Review(partition, task->progress);
  }
  if (now - pruned_at_ >= kPruneEvery) {
    pruned_at_ = now;
    PruneRequests(now);
  }
}

void Worker::Impl::PruneRequests(absl::Time now) {
  // A repeat that still lies on the log must find the answer that was given to it first, however late it is read. So
  // the time for which answers are kept ends with the last moment at which every input was read to its end.
  absl::Time all_read_at = now;
  for (const auto& [partition, task] : tasks_) {
    if (task->state == Task::State::kRunning && InputsAreRead(*task, now)) task->inputs_read_at = now;
    all_read_at = std::min(all_read_at, task->inputs_read_at);
  }
  if (tasks_.empty() || all_read_at == absl::InfinitePast()) return;
  const auto pruned = ports_.session->PruneRequests(all_read_at - config_.request_retention, kPruneRows);
  if (!pruned.ok()) kLog.Warn("old answers to requests were not removed", {{"error", pruned.status()}});
  // A full round means that there is more.
  if (pruned.ok() && *pruned == kPruneRows) pruned_at_ = absl::InfinitePast();
}

void Worker::Impl::CountKept() {
  // Over the worker's own session: it waits for no query of anybody else.
  const auto counts = ports_.session->CountKept(ports_.group->name());
  // While the store is away the last known numbers stand.
  if (!counts.ok()) return;
  metrics_.dead_records.Set(static_cast<double>(counts->dead));
  metrics_.parked_records.Set(static_cast<double>(counts->parked));
  metrics_.held_records.Set(static_cast<double>(counts->held));
}

void Worker::Impl::TidyOutboxes(bool ending) {
  store::Batch batch;
  batch.now = ports_.now();
  std::vector<std::string> blobs;
  blobs.reserve(tasks_.size());
  std::vector<Task*> tidied;
  for (auto& [partition, task] : tasks_) {
    const uint64_t acknowledged = publisher_.Acknowledged(partition);
    // One that ends in order says so by a commit, even if it has nothing to say.
    const bool has_reason = acknowledged > task->outbox_dropped || (ending && task->untouched);
    if (task->state == Task::State::kDisowned || !has_reason) continue;
    blobs.push_back(task->progress.Serialize(ports_.cluster_id));
    tidied.push_back(task.get());
    batch.tasks.push_back({.task = task->id,
                           .expected_epoch = task->epoch,
                           .expected_emit_sequence = task->emit_sequence,
                           .new_emit_sequence = task->emit_sequence + 1,
                           .progress = blobs.back(),
                           .outbox_acknowledged = acknowledged,
                           .ends_takes = true});
    task->KeepWithheld(acknowledged, batch);
  }
  if (batch.tasks.empty()) return;
  TRADEWIND_CRASH_POINT("outbox.tidying");
  const auto result = ports_.session->Commit(batch);
  TRADEWIND_CRASH_POINT("outbox.tidied");
  if (result.ok() && result->kind == store::CommitResult::Kind::kCommitted) {
    for (size_t i = 0; i < tidied.size(); ++i) {
      ++tidied[i]->emit_sequence;
      tidied[i]->untouched = false;
      tidied[i]->DropOutbox(batch.tasks[i].outbox_acknowledged);
    }
    return;
  }
  // In doubt or fenced: nothing is lost, the rows are sent once more by whoever takes the task next.
  for (Task* task : tidied) Disown(*task, "its outbox could not be tidied");
}

absl::Status Worker::Impl::MirrorOffsets(absl::Span<const int32_t> partitions, bool wait) {
  std::vector<bus::CommittedOffset> offsets;
  for (const int32_t partition : partitions) {
    const auto found = tasks_.find(partition);
    if (found == tasks_.end() || !found->second->offsets_moved) continue;
    Task& task = *found->second;
    task.offsets_moved = false;
    const std::string metadata = OffsetMetadata{ports_.store_id, task.epoch}.ToString();
    for (const InputProgress& input : task.progress.inputs()) {
      if (!IsRead(input)) continue;
      offsets.push_back({input.topic(), partition, input.next_offset(), metadata});
    }
  }
  if (offsets.empty()) return absl::OkStatus();
  TRADEWIND_CRASH_POINT("offsets.mirroring");
  absl::Status committed = source_->CommitOffsets(offsets, wait);
  if (!committed.ok()) {
    kLog.Debug("offsets were not mirrored to Kafka; the store has them", {{"error", committed}});
    for (const bus::CommittedOffset& offset : offsets) tasks_.at(offset.partition)->offsets_moved = true;
  }
  return committed;
}

}  // namespace tradewind::runtime
