// What a worker does in quiet moments: drops outbox rows that Kafka has, mirrors its offsets there, counts what was set
// aside, forgets old requests.
#include <algorithm>
#include <map>
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
// Kafka forgets offsets that are not committed again for a while, seven days unless offsets.retention.minutes says
// otherwise.
constexpr absl::Duration kMirrorAllEvery = absl::Hours(1);
// What is set aside is counted this often, and the more seldom the longer that takes: a hundredth of the time at most.
constexpr absl::Duration kCountEvery = absl::Seconds(1);
constexpr absl::Duration kMaxCountEvery = absl::Seconds(10);
constexpr int kCountPause = 100;
constexpr absl::Duration kPruneEvery = absl::Minutes(1);
constexpr int64_t kPruneRows = 1000;
// A task that reads on for so many times `request_retention` and never comes to the end of its inputs no longer keeps
// what is older than that. Rows that name no task are kept for as long.
constexpr int kMaxRetentions = 4;
// A task that was owned for this long is well.
constexpr absl::Duration kWellAfter = absl::Minutes(1);

}  // namespace

void Worker::Impl::Housekeep(absl::Time now, bool idle) {
  if (!idle) quiet_since_ = now;
  if (idle && now - quiet_since_ >= kTidyAfter) {
    TidyOutboxes(/*ending=*/{});
    quiet_since_ = now;
  }
  EndCaution(now);
  if (now >= mirror_due_) {
    mirror_due_ = now + kMirrorEvery;
    if (source_->TakeFailedCommits() || now - mirrored_all_at_ >= kMirrorAllEvery) {
      mirrored_all_at_ = now;
      for (auto& [partition, task] : tasks_) task->offsets_moved = task->state != Task::State::kDisowned;
    }
    MirrorOffsets(AllPartitions(), /*wait=*/false).IgnoreError();
  }
  if (now - counted_at_ >= count_every_) {
    counted_at_ = now;
    const absl::Time begun = clock::SteadyNow();
    CountKept();
    CountWaiting();
    count_every_ = std::clamp((clock::SteadyNow() - begun) * kCountPause, kCountEvery, kMaxCountEvery);
    for (const auto& [partition, task] : tasks_) repeats_.Review(partition, task->progress);
  }
  if (now - pruned_at_ >= std::min(kPruneEvery, config_.request_retention)) {
    pruned_at_ = now;
    PruneRequests(now);
  }
}

void Worker::Impl::PruneRequests(absl::Time now) {
  // A repeat that still lies on the log must find the answer that was given to it first, however late it is read. So
  // the time for which a task's answers are kept ends with the last moment at which its inputs were read to their ends.
  // A step ahead of the clock does not shorten it: who repeats a call may have no part in the step.
  std::map<absl::Time, std::vector<int32_t>> partitions_by_time;
  absl::Time waits_since = now;
  for (const auto& [partition, task] : tasks_) {
    if (task->state == Task::State::kRunning && InputsAreRead(*task, now)) task->inputs_read_at = now;
    const absl::Time read_at = LastReadToEnd(*task, now);
    partitions_by_time[read_at].push_back(partition);
    waits_since = std::min(waits_since, std::max(read_at, task->taken_at));
  }
  metrics_.requests_held_back.Set(absl::ToDoubleSeconds(now - waits_since));
  if (partitions_by_time.empty()) return;
  const absl::Duration kept_for = config_.request_retention + clock_.steps();
  for (const auto& [read_at, partitions] : partitions_by_time) {
    if (read_at == absl::InfinitePast()) continue;
    EndPruning(ports_.session->PruneRequests(ports_.group->name(), partitions, read_at - kept_for, kPruneRows));
  }
  const absl::Time all_read_at = partitions_by_time.begin()->first;
  if (all_read_at == absl::InfinitePast()) return;
  EndPruning(ports_.session->PruneRequestsWithoutTask(
      all_read_at - kMaxRetentions * config_.request_retention - clock_.steps(), kPruneRows));
}

absl::Time Worker::Impl::LastReadToEnd(const Task& task, absl::Time now) const {
  const absl::Duration longest = kMaxRetentions * config_.request_retention;
  const bool reads_on = task.state == Task::State::kRunning && now - task.taken_at >= longest;
  return reads_on ? std::max(task.inputs_read_at, now - longest) : task.inputs_read_at;
}

void Worker::Impl::EndPruning(const absl::StatusOr<int64_t>& pruned) {
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

void Worker::Impl::CountWaiting() const {
  const auto most_keys = static_cast<size_t>(config_.parked_keys);
  double by_keys = 0;
  size_t by_gaps = 0;
  size_t timers = 0;
  size_t keys = 0;
  size_t without_handler = 0;
  for (const auto& [partition, task] : tasks_) {
    keys += task->queues.size();
    without_handler += task->without_handler.size() + CountUnreadEffects(*task);
    // Back-pressure of effects that run is no problem, and ends by itself.
    if (task->crowded && task->queues.size() >= most_keys - most_keys / 10) ++by_keys;
    by_gaps += task->stopped_topics.size();
    timers += task->damaged_timers.size();
  }
  metrics_.tasks_paused_by_keys.Set(by_keys);
  metrics_.topics_paused_by_gaps.Set(static_cast<double>(by_gaps));
  metrics_.unreadable_timers.Set(static_cast<double>(timers));
  metrics_.parked_keys.Set(static_cast<double>(keys));
  metrics_.no_handler_records.Set(static_cast<double>(without_handler));
}

size_t Worker::Impl::CountUnreadEffects(const Task& task) const {
  size_t effects = 0;
  for (const InputProgress& input : task.progress.inputs()) {
    if (!IsRead(input)) effects += input.pending().size();
  }
  return effects;
}

bool Worker::Impl::IsWell(const Task& task, absl::Time now) const {
  if (now - task.taken_at < kWellAfter || task.suspect_runs) return false;
  const auto& inputs = task.progress.inputs();
  return std::none_of(inputs.begin(), inputs.end(), [&](const InputProgress& input) {
    // What was under way on a topic that this version does not read never ends here.
    if (!IsRead(input)) return false;
    const auto before = task.begun_before.find(input.topic());
    return !input.pending().empty() && before != task.begun_before.end() && input.pending().front() < before->second;
  });
}

void Worker::Impl::EndCaution(absl::Time now) {
  bool any = false;
  for (auto& [partition, task] : tasks_) {
    if (!task->takes_open || task->state == Task::State::kDisowned || !IsWell(*task, now)) continue;
    any = true;
    if (!task->careful) continue;
    task->careful = false;
    task->progress.suspect().reset();
    if (lanes_ != nullptr) lanes_->HoldBack(partition, false);
    kLog.Info("the task is well; its messages are handled by the batch again", {{"partition", partition}});
  }
  if (any) TidyOutboxes(/*ending=*/{});
}

void Worker::Impl::TidyOutboxes(absl::Span<const int32_t> ending) {
  const absl::Time now = clock_.Now();
  store::Batch batch;
  batch.now = now;
  std::vector<std::string> blobs;
  blobs.reserve(tasks_.size());
  std::vector<Task*> tidied;
  for (auto& [partition, task] : tasks_) {
    const uint64_t acknowledged = publisher_.Acknowledged(partition);
    // One that ends in order says so by a commit, and so does one whose owner is well.
    const bool ends = std::find(ending.begin(), ending.end(), partition) != ending.end();
    const bool ends_takes = task->takes_open && (ends || IsWell(*task, now));
    const bool has_reason = acknowledged > task->outbox_dropped || ends_takes;
    if (task->state == Task::State::kDisowned || !has_reason) continue;
    blobs.push_back(task->progress.Serialize(ports_.cluster_id));
    tidied.push_back(task.get());
    batch.tasks.push_back({.task = task->id,
                           .expected_epoch = task->epoch,
                           .expected_emit_sequence = task->emit_sequence,
                           .new_emit_sequence = task->emit_sequence + 1,
                           .progress = blobs.back(),
                           .outbox_acknowledged = acknowledged,
                           .ends_takes = ends_takes});
    task->KeepWithheld(acknowledged, batch);
  }
  if (batch.tasks.empty()) return;
  TRADEWIND_CRASH_POINT("outbox.tidying");
  const auto result = ports_.session->Commit(batch);
  TRADEWIND_CRASH_POINT("outbox.tidied");
  if (result.ok() && result->kind == store::CommitResult::Kind::kCommitted) {
    for (size_t i = 0; i < tidied.size(); ++i) {
      ++tidied[i]->emit_sequence;
      tidied[i]->DropOutbox(batch.tasks[i].outbox_acknowledged);
      if (!batch.tasks[i].ends_takes) continue;
      tidied[i]->takes_open = false;
      takeover_.NoteTakesEnded(tidied[i]->id.partition);
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
