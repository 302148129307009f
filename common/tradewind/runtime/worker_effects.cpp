// Effects: their messages go into lanes once a batch has taken them, and what came of them goes into the next batch.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tradewind/bus/record_copy.h"
#include "tradewind/faults/crash_point.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/worker_impl.h"

namespace tradewind::runtime {

namespace {

// A record from Kafka keeps all in memory that was fetched with it, a megabyte perhaps, and effects may wait for long.
void CopyRecord(Input& input) {
  input.record = bus::CopyOf(input.record);
  input.envelope = bus::ParseEnvelope(input.record);
}

void EnterLane(Task& task, const std::string& queue, const bus::Record& record) {
  task.lanes[queue].Add(record);
  task.in_lanes.Add(record);
}

void LeaveLane(Task& task, const std::string& queue, const bus::Record& record) {
  const auto lane = task.lanes.find(queue);
  if (lane == task.lanes.end()) return;
  lane->second.Remove(record);
  task.in_lanes.Remove(record);
  if (lane->second.messages == 0) task.lanes.erase(lane);
}

}  // namespace

bool Worker::Impl::IsEffect(const Input& input) const {
  if (lanes_ == nullptr || !input.envelope.ok()) return false;
  const Handler* handler = ports_.group->Find(input.envelope->type);
  return handler != nullptr && !attempt_settings_.IsToBePassedOn(*handler, input.record.topic());
}

void Worker::Impl::StartEffects(Attempt& attempt) {
  if (lanes_ == nullptr) return;
  for (auto& [partition, work] : attempt.works()) {
    Task& task = *work.task;
    for (Input* input : work.effects) {
      task.to_read_again[std::string(input->record.topic())].erase(input->record.offset());
      CopyRecord(*input);
      const Handler& handler = *ports_.group->Find(input->envelope->type);
      EnterLane(task, QueueKeyOf(input->record), input->record);
      lanes_->Add(task, handler, std::move(*input));
      TRADEWIND_CRASH_POINT("effect.added");
    }
  }
}

void Worker::Impl::StartFromQueue(Task& task, Input input, size_t bytes) {
  const std::string queue = QueueKeyOf(input.record);
  // Nothing of this queue is due until the effect has ended.
  task.queues.Put(queue, absl::InfiniteFuture());
  task.started_from_queue[queue][input.queued->id] = static_cast<int64_t>(bytes);
  EnterLane(task, queue, input.record);
  const Handler& handler = *ports_.group->Find(input.envelope->type);
  lanes_->Add(task, handler, std::move(input));
}

void Worker::Impl::GatherFinished() {
  // While the outbox is full nothing can be committed; what has ended waits in the lanes.
  if (lanes_ == nullptr || throttled_) return;
  for (EffectLanes::Finished& finished :
       lanes_->Collect(ports_.steady_now(), static_cast<size_t>(config_.batch_messages))) {
    const auto task = tasks_.find(finished.partition);
    const bool ours =
        task != tasks_.end() && task->second->epoch == finished.epoch && task->second->state != Task::State::kDisowned;
    // The task has been taken anew since: the message runs again.
    if (!ours) continue;
    TRADEWIND_CRASH_POINT("effect.finished");
    const std::string key = QueueKeyOf(finished.input.record);
    LeaveLane(*task->second, key, finished.input.record);
    const bool failed = finished.result.outcome.kind() != Outcome::Kind::kAck;
    Input& input = gathered_.emplace_back(std::move(finished.input));
    input.task = task->second.get();
    input.effect = std::move(finished.result);
    if (!failed) continue;
    // They follow it at once: a later message of the key must not get in between.
    for (Input& waiting : lanes_->TakeWaiting(finished.partition, key)) {
      waiting.task = task->second.get();
      LeaveLane(*task->second, key, waiting.record);
      if (waiting.queued.has_value()) {
        // It still stands in its queue.
        LeaveInQueue(*task->second, waiting.queued->id, key);
        continue;
      }
      waiting.from_lane = true;
      gathered_.push_back(std::move(waiting));
    }
  }
}

void Worker::Impl::StartCarefully() {
  if (lanes_ == nullptr || throttled_) return;
  for (auto& [partition, task] : tasks_) {
    if (!task->careful || task->state != Task::State::kRunning) continue;
    // What ended has to be on record first, and with it the mark goes.
    if (task->suspect_runs) continue;
    // The one that a process has died with comes first: another mark would take the place of its own.
    const std::optional<Suspect>& suspect = task->progress.suspect();
    const Input* const next = lanes_->NextHeldBack(
        partition, [&](const Input& input) { return suspect.has_value() && IsSuspect(*suspect, input.record); });
    if (next == nullptr) continue;
    Mark(*task, next->record);
    if (task->state != Task::State::kRunning) continue;
    task->suspect_runs = true;
    const int32_t begun = task->progress.suspect()->attempts;
    if (begun <= config_.max_deaths) {
      lanes_->StartHeldBack(partition);
    } else {
      const std::string why =
          fmt::format("the process died {} times while it ran this effect by itself", config_.max_deaths);
      lanes_->EndHeldBack(partition, {.outcome = Dead(why)});
    }
  }
}

void Worker::Impl::LeaveInQueue(Task& task, int64_t id, const std::string& queue) {
  const auto started = task.started_from_queue.find(queue);
  if (started == task.started_from_queue.end()) return;
  started->second.erase(id);
  if (started->second.empty()) task.started_from_queue.erase(started);
}

void Worker::Impl::FinishEffects(absl::Span<const int32_t> partitions, absl::Duration patience) {
  if (lanes_ == nullptr) return;
  lanes_->Settle(partitions, patience);
  do {
    GatherFinished();
    if (absl::Status processed = ProcessGathered(); !processed.ok() && fatal_.ok()) fatal_ = processed;
  } while (fatal_.ok() && !throttled_ && lanes_->has_finished());
}

}  // namespace tradewind::runtime
