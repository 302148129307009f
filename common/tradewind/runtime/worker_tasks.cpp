// Tasks come, pause, are taken anew and go.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/random/random.h"

#include "tradewind/errors/printable.h"
#include "tradewind/errors/problem.h"
#include "tradewind/faults/crash_point.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/worker_impl.h"

namespace tradewind::runtime {
namespace {

constexpr absl::Duration kFirstRetry = absl::Milliseconds(100);
constexpr absl::Duration kLongestRetry = absl::Minutes(1);
// What is published when a task goes away is waited for this long.
constexpr absl::Duration kSettleOnRevoke = absl::Seconds(1);
// And so are its effects that run.
constexpr absl::Duration kFinishOnRevoke = absl::Seconds(1);
// A commit of offsets that meets the second join of a cooperative rebalance makes librdkafka 2.0.2 give up all
// partitions (its issue 4059, mended in 2.10). That join comes a second after the first.
constexpr absl::Duration kNoMirrorAfterRebalance = absl::Milliseconds(2500);
// A task that has stopped is looked at again: a topic may be there again, a log may be brought back.
constexpr absl::Duration kLookAtStoppedEvery = absl::Minutes(1);
// A task of whose events Kafka refuses one takes no more input once this part of runtime.outbox_bytes waits.
constexpr int64_t kRestingShare = 8;
// How much of the key of an event that is too large for Kafka stands at the note in its place.
constexpr size_t kWithheldKey = 512;

// Whether an error of a takeover tells that store, group and cluster do not belong together: then no task of the
// process may go on. What is wrong with one partition stops its task alone.
bool ConcernsTheMesh(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) || absl::IsInternal(status) || absl::IsPermissionDenied(status);
}

// Whether a row is as every version writes it. What is damaged may parse all the same.
bool IsComplete(const mesh::v1::OutboxBatch& batch) {
  const auto& events = batch.events();
  return batch.source().starts_with('/') && !events.empty() &&
         std::all_of(events.begin(), events.end(), [](const mesh::v1::OutgoingEvent& event) {
           return !event.topic().empty() && !event.type().empty() && event.partition() >= 0;
         });
}

store::KeptRecord UnreadableRow(const Task& task, const store::OutboxRow& row) {
  kLog.Error("a row of the outbox cannot be read; it is kept as dead, and what it was to publish is missing",
             {{"group", task.id.group}, {"partition", task.id.partition}, {"row", row.sequence}});
  return {.task = task.id,
          .state = store::KeptState::kDead,
          .key = fmt::format("outbox/{}/{}", task.id.partition, row.sequence),
          .reason =
              "a row of the outbox cannot be read: its events were not published, and whoever reads them holds "
              "back what came after them until that is given up (tradewind parked retry --state held)",
          .record = SerializeRecord(bus::Record::FromContent({.partition = task.id.partition, .value = row.batch}))};
}

// Puts an EventWithheld in the event's place, and returns the event as it is to be kept.
store::KeptRecord Withhold(const Task& task, mesh::v1::OutgoingEvent& event) {
  mesh::v1::EventWithheld stand_in;
  stand_in.set_type(errors::Printable(event.type()));
  stand_in.set_bytes(static_cast<int64_t>(event.value().size()));
  kLog.Error("an event is too large for Kafka; it is kept as dead, and a note stands in its place",
             {{"topic", event.topic()}, {"partition", event.partition()}, {"type", stand_in.type()}});
  const bus::EnvelopeHeaders headers({.id = event.id(), .type = event.type(), .source = task.source}, event.key());
  bus::RecordContent content{.topic = event.topic(),
                             .partition = event.partition(),
                             .key = std::move(*event.mutable_key()),
                             .value = std::move(*event.mutable_value())};
  for (const bus::HeaderView& header : headers.view()) content.headers.emplace_back(header.name, header.value);
  store::KeptRecord kept{.task = task.id,
                         .state = store::KeptState::kDead,
                         .key = content.key,
                         .type = stand_in.type(),
                         .reason = "it is too large for Kafka: an earlier version emitted it without looking"};
  event.set_key(content.key.substr(0, kWithheldKey));
  kept.record = SerializeRecord(bus::Record::FromContent(std::move(content)));
  event.set_type(mesh::v1::EventWithheld::descriptor()->full_name());
  event.set_value(stand_in.SerializeAsString());
  return kept;
}

}  // namespace

absl::Duration Backoff(int failures) {
  static thread_local absl::BitGen random;
  const absl::Duration full = std::min(kFirstRetry * (1 << std::min(failures, 10)), kLongestRetry);
  return full * absl::Uniform(random, 0.5, 1.0);
}

std::vector<bus::Position> Worker::Impl::OnAssigned(absl::Span<const int32_t> partitions) {
  mirror_due_ = clock_.Now() + kNoMirrorAfterRebalance;
  std::vector<bus::Position> positions = TakeOver(TasksAmong(partitions));
  if (fatal_.ok()) ready_.store(true, std::memory_order_release);
  if (!throttled_) return positions;
  for (const bus::Position& position : positions) tasks_.at(position.partition)->state = Task::State::kPaused;
  return {};
}

std::vector<int32_t> Worker::Impl::TasksAmong(absl::Span<const int32_t> partitions) const {
  const int32_t count = TaskCount(*ports_.group, router_);
  std::vector<int32_t> tasks;
  std::copy_if(partitions.begin(), partitions.end(), std::back_inserter(tasks),
               [&](int32_t partition) { return partition < count; });
  if (tasks.size() < partitions.size()) {
    kLog.Error("partitions were added to the topic and are not read: keys are spread over those that were there before",
               {{"group", ports_.group->name()},
                {"topic", router_.FullTopic(ports_.group->lead_topic())},
                {"read", count},
                {"not_read", partitions.size() - tasks.size()}});
  }
  return tasks;
}

std::vector<bus::Position> Worker::Impl::TakeOver(absl::Span<const int32_t> partitions) {
  std::vector<bus::Position> positions;
  std::map<int32_t, std::vector<store::OutboxRow>> outboxes;
  // Taking them asks Kafka and the store, and may wait for the answers: not for tasks that are given back at once.
  const auto goes_on = [this] { return !stopping_.load(std::memory_order_relaxed); };
  if (!goes_on()) return {};
  for (const int32_t partition : partitions) {
    publisher_.Forget(partition);
    std::erase_if(gathered_, [&](const Input& input) { return input.task->id.partition == partition; });
    NoteCommitted(partition);
  }
  for (auto& [partition, taken] : takeover_.Take(*source_, partitions, goes_on)) {
    if (!taken.ok() && ConcernsTheMesh(taken.status())) {
      if (fatal_.ok()) fatal_ = taken.status();
      continue;
    }
    if (!taken.ok()) {
      auto& task = tasks_[partition];
      if (task == nullptr) task = std::make_unique<Task>();
      task->id = {.group = ports_.group->name(), .partition = partition};
      task->state = Task::State::kDisowned;
      if (errors::Read(taken.status()) != errors::Reading::kRetryable) {
        StopTask(*task, taken.status());
        continue;
      }
      task->due = clock_.Now() + Backoff(task->takeovers_failed++);
      kLog.Warn("a task could not be taken; trying again", {{"partition", partition}, {"error", taken.status()}});
      continue;
    }
    outboxes[partition] = std::move(taken->outbox);
    tasks_[partition] = std::move(taken->task);
    Task& task = *tasks_[partition];
    task.offsets_moved = true;
    task.taken_at = clock_.Now();
    task.reads_since = task.taken_at;
    for (const InputProgress& input : task.progress.inputs()) {
      if (IsRead(input) || input.pending().empty()) continue;
      kLog.Warn(
          "effects had begun on a topic that this version does not read; they wait for one that reads it, unless a "
          "person gives them up: tradewind partition accept-loss TOPIC/PARTITION",
          {{"group", task.id.group},
           {"topic", input.topic()},
           {"partition", partition},
           {"effects", input.pending().size()}});
    }
    if (lanes_ != nullptr) lanes_->HoldBack(partition, task.careful);
    TRADEWIND_CRASH_POINT("takeover.done");
    // Topics of which it holds back too much are not read yet.
    NoteStoppedTopics(task);
    std::copy_if(taken->positions.begin(), taken->positions.end(), std::back_inserter(positions),
                 [&](const bus::Position& position) { return !task.stopped_topics.contains(position.topic); });
  }
  // Kafka must know the epoch before anything is published under it: a store that is put back afterwards to what it was
  // before would give the same epoch again, and what it then publishes would be taken for a repeat.
  if (absl::Status mirrored = MirrorOffsets(partitions, /*wait=*/true); !mirrored.ok()) {
    for (const auto& [partition, outbox] : outboxes) Disown(*tasks_.at(partition), std::string(mirrored.message()));
    return {};
  }
  for (const auto& [partition, outbox] : outboxes) {
    Task& task = *tasks_.at(partition);
    SendLeftBehind(task, outbox);
  }
  CountStopped();
  return positions;
}

void Worker::Impl::SendLeftBehind(Task& task, absl::Span<const store::OutboxRow> outbox) {
  for (const store::OutboxRow& row : outbox) {
    auto batch = std::make_unique<mesh::v1::OutboxBatch>();
    if (!batch->ParseFromString(row.batch) || !IsComplete(*batch)) {
      batch->Clear();
      task.withheld.push_back({row.sequence, UnreadableRow(task, row)});
    }
    for (mesh::v1::OutgoingEvent& event : *batch->mutable_events()) {
      if (!CanBePublished(event)) task.withheld.push_back({row.sequence, Withhold(task, event)});
    }
    publisher_.AppendLeftBehind(task.id.partition, row.sequence, std::move(batch));
  }
}

void Worker::Impl::Disown(Task& task, std::string_view why) {
  kLog.Warn("a task is taken anew", {{"partition", task.id.partition}, {"why", why}});
  if (lanes_ != nullptr) lanes_->Forget(task.id.partition);
  publisher_.Forget(task.id.partition);
  task.offsets_moved = false;
  PauseTask(task, Task::State::kDisowned, Backoff(task.takeovers_failed++));
}

void Worker::Impl::StopTask(Task& task, const absl::Status& why) {
  kLog.Error("a task has stopped, the others go on; it is looked at again in a minute",
             {{"group", task.id.group}, {"partition", task.id.partition}, {"reason", why}});
  if (lanes_ != nullptr) lanes_->Forget(task.id.partition);
  publisher_.Forget(task.id.partition);
  task.offsets_moved = false;
  task.stopped = true;
  task.stopped_for = why.code();
  PauseTask(task, Task::State::kDisowned, kLookAtStoppedEvery);
  CountStopped();
}

void Worker::Impl::CountStopped() const {
  double lost = 0;
  double damaged = 0;
  double other = 0;
  for (const auto& [partition, task] : tasks_) {
    if (!task->stopped) continue;
    switch (task->stopped_for) {
      case absl::StatusCode::kOutOfRange:
        ++lost;
        break;
      case absl::StatusCode::kDataLoss:
        ++damaged;
        break;
      default:
        ++other;
    }
  }
  metrics_.tasks_stopped_lost.Set(lost);
  metrics_.tasks_stopped_damaged.Set(damaged);
  metrics_.tasks_stopped_other.Set(other);
  int64_t unread = 0;
  for (const auto& [partition, task] : tasks_) unread += task->rekeyed_unread;
  metrics_.rekeyed_unread.Set(static_cast<double>(unread));
}

void Worker::Impl::PauseTask(Task& task, Task::State state, absl::Duration delay) {
  task.state = state;
  task.due = clock_.Now() + delay;
  // Timers that the batch has gathered are dropped with the task's other messages.
  task.next_timer = absl::InfinitePast();
  StopReading(task);
}

void Worker::Impl::StopReading(const Task& task) {
  const int32_t partition = task.id.partition;
  // Not essential: what comes in meanwhile is dropped, and read again from the position it resumes at.
  if (const absl::Status paused = source_->Pause({&partition, 1}); !paused.ok()) {
    kLog.Debug("pausing failed", {{"partition", partition}, {"error", paused}});
  }
}

void Worker::Impl::ResumeReading(absl::Span<const bus::Position> positions) {
  for (const bus::Position& position : positions) tasks_.at(position.partition)->reads_since = clock_.Now();
  const absl::Status resumed = source_->Resume(positions);
  if (resumed.ok()) return;
  if (errors::Read(resumed) != errors::Reading::kRetryable) {
    if (fatal_.ok()) fatal_ = resumed;
    return;
  }
  kLog.Warn("tasks cannot read on yet; trying again", {{"error", resumed}});
  for (const bus::Position& position : positions) {
    PauseTask(*tasks_.at(position.partition), Task::State::kPaused, Backoff(0));
  }
}

void Worker::Impl::Revive(absl::Time now) {
  if (throttled_) return;
  std::vector<int32_t> anew;
  std::vector<bus::Position> positions;
  for (auto& [partition, task] : tasks_) {
    if (task->due > now || (task->state == Task::State::kPaused && RestsFull(*task))) continue;
    if (task->state == Task::State::kDisowned) anew.push_back(partition);
    if (task->state == Task::State::kPaused) {
      task->state = Task::State::kRunning;
      if (task->crowded) continue;
      const auto own = PositionsOf(*task);
      positions.insert(positions.end(), own.begin(), own.end());
    }
  }
  if (!anew.empty()) {
    const auto own = TakeOver(anew);
    positions.insert(positions.end(), own.begin(), own.end());
  }
  if (!positions.empty()) ResumeReading(positions);
}

void Worker::Impl::CatchUpAfterStep(absl::Duration step) {
  kLog.Warn("the clock has stepped ahead; messages that came meanwhile are read before what has fallen due",
            {{"group", ports_.group->name()}, {"step", absl::Trunc(step, absl::Milliseconds(1))}});
  metrics_.clock_steps.Add(absl::ToDoubleSeconds(step));
  for (auto& [partition, task] : tasks_) {
    if (task->state != Task::State::kDisowned) Disown(*task, "the clock has stepped ahead");
  }
}

bool Worker::Impl::RestsFull(const Task& task) const {
  const int64_t bytes = publisher_.RestingBytes(task.id.partition);
  return bytes > 0 && bytes >= config_.outbox_bytes / kRestingShare;
}

void Worker::Impl::Throttle() {
  metrics_.outbox_bytes.Set(static_cast<double>(publisher_.unacknowledged_bytes()));
  // A task whose events Kafka refuses for what they are waits by itself.
  const int64_t bytes = publisher_.unacknowledged_bytes() - publisher_.resting_bytes();
  for (const auto& [partition, task] : tasks_) {
    if (task->state == Task::State::kRunning && RestsFull(*task)) {
      PauseTask(*task, Task::State::kPaused, absl::ZeroDuration());
    }
  }
  if (const auto oldest = publisher_.OldestUnacknowledged(); oldest.has_value()) {
    metrics_.outbox_oldest.Set(ports_.wall_now() - *oldest);
  } else {
    metrics_.outbox_oldest.End();
  }
  if (!throttled_ && bytes >= config_.outbox_bytes) {
    throttled_ = true;
    metrics_.outbox_full.Set(1);
    kLog.Warn("the outbox is full; taking no more input until Kafka has taken some of it", {{"bytes", bytes}});
    for (auto& [partition, task] : tasks_) {
      if (task->state == Task::State::kRunning) PauseTask(*task, Task::State::kPaused, absl::ZeroDuration());
    }
  } else if (throttled_ && bytes <= config_.outbox_bytes / 2) {
    throttled_ = false;
    metrics_.outbox_full.Set(0);
    kLog.Info("the outbox has room again", {{"bytes", bytes}});
  }
}

void Worker::Impl::OnUnreadable(int32_t partition, const absl::Status& why) {
  const auto found = tasks_.find(partition);
  if (found == tasks_.end() || found->second->stopped) return;
  std::erase_if(gathered_, [&](const Input& input) { return input.task == found->second.get(); });
  StopTask(*found->second, why);
}

void Worker::Impl::OnLost(absl::Span<const int32_t> partitions) { Forget(partitions); }

void Worker::Impl::OnRevoked(absl::Span<const int32_t> partitions) {
  mirror_due_ = clock_.Now() + kNoMirrorAfterRebalance;
  FinishEffects(partitions, kFinishOnRevoke);
  TRADEWIND_CRASH_POINT("revoke.begun");
  publisher_.Settle(partitions, kSettleOnRevoke);
  TRADEWIND_CRASH_POINT("revoke.settled");
  TidyOutboxes(partitions);
  MirrorOffsets(partitions, /*wait=*/true).IgnoreError();
  TRADEWIND_CRASH_POINT("revoke.mirrored");
  Forget(partitions);
}

void Worker::Impl::Forget(absl::Span<const int32_t> partitions) {
  const std::set<int32_t> gone(partitions.begin(), partitions.end());
  std::erase_if(gathered_, [&](const Input& input) { return gone.contains(input.task->id.partition); });
  for (const int32_t partition : partitions) {
    publisher_.Forget(partition);
    repeats_.Forget(partition);
    if (lanes_ != nullptr) lanes_->Forget(partition);
    NoteCommitted(partition);
    tasks_.erase(partition);
  }
  CountStopped();
}

void Worker::Impl::NoteCommitted(int32_t partition) {
  const auto task = tasks_.find(partition);
  if (task != tasks_.end() && task->second->epoch != 0) {
    takeover_.NoteCommitted(partition, task->second->emit_sequence);
  }
}

bool Worker::Impl::IsRead(const InputProgress& input) const {
  const auto& topics = ports_.group->input_topics();
  return std::any_of(topics.begin(), topics.end(),
                     [&](const std::string& topic) { return router_.FullTopic(topic) == input.topic(); });
}

std::vector<int32_t> Worker::Impl::AllPartitions() const {
  std::vector<int32_t> partitions;
  partitions.reserve(tasks_.size());
  for (const auto& [partition, task] : tasks_) partitions.push_back(partition);
  return partitions;
}

std::vector<bus::Position> Worker::Impl::PositionsOf(const Task& task) const {
  std::vector<bus::Position> positions;
  for (const InputProgress& input : task.progress.inputs()) {
    if (!IsRead(input) || task.stopped_topics.contains(input.topic())) continue;
    int64_t offset = input.next_offset();
    const auto again = task.to_read_again.find(input.topic());
    if (again != task.to_read_again.end() && !again->second.empty()) offset = std::min(offset, *again->second.begin());
    positions.push_back({.topic = input.topic(), .partition = task.id.partition, .offset = offset});
  }
  return positions;
}

}  // namespace tradewind::runtime
