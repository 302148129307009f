// What comes from the store and not from Kafka: messages that failed and are due again with those that wait behind
// them, timers, and what a person asks of records that were set aside.
#include <algorithm>
#include <utility>
#include <vector>

#include "tradewind/errors/printable.h"
#include "tradewind/errors/problem.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/worker_impl.h"
#include "tradewind/store/short_key.h"

namespace tradewind::runtime {
namespace {

// The queues of a task from which one batch takes records.
constexpr size_t kMaxQueues = 50;
// Queues of effects wait this long for effects that were begun by an earlier owner to be read again, since their task
// was last read on. Where the lanes are full again and again they wait longer, but no more than an hour since the task
// was taken: one whose record is gone from the log is never read again.
constexpr absl::Duration kAwaitBegun = absl::Minutes(1);
constexpr absl::Duration kMaxAwaitBegun = absl::Hours(1);
// A person waits this long, at most, until a request is looked at, and so many are carried out in one batch.
constexpr absl::Duration kRequestsEvery = absl::Milliseconds(500);
constexpr int64_t kRequests = 500;
// How often the brokers are asked for the ends of inputs for which timers wait.
constexpr absl::Duration kAskForEndsEvery = absl::Seconds(1);
// Where one did not answer: that was waited for, while all else stood still.
constexpr absl::Duration kAskForEndsAgain = absl::Seconds(5);

}  // namespace

absl::Time Worker::Impl::NextDue() const {
  absl::Time next = absl::InfiniteFuture();
  if (throttled_) return next;
  for (const auto& [partition, task] : tasks_) {
    if (HasClosedGap(*task)) return absl::InfinitePast();
    if (task->state == Task::State::kRunning) next = std::min({next, task->queues.next_due(), task->next_timer});
  }
  return std::max(next, looked_at_ + config_.timer_tick);
}

int64_t Worker::Impl::RoomForDue() const {
  if (gathered_bytes_ >= config_.batch_bytes / 2) return 0;
  const size_t due = gathered_.size() - std::min(left_over_, gathered_.size());
  return std::max<int64_t>(config_.batch_messages / 2, 1) - static_cast<int64_t>(due);
}

absl::Status Worker::Impl::OnLoadError(const absl::Status& error, Task& task) {
  std::erase_if(gathered_, [&](const Input& input) { return input.task == &task; });
  switch (errors::Read(error)) {
    case errors::Reading::kFatal:
      return error;
    case errors::Reading::kRetryable:
      kLog.Warn("the store is away; the task is taken anew when it is back",
                {{"partition", task.id.partition}, {"error", error}});
      Disown(task, "the store is away");
      break;
    case errors::Reading::kPermanent:
      StopTask(task, error);
      break;
  }
  return absl::OkStatus();
}

absl::Status Worker::Impl::GatherDue(absl::Time now) {
  if (throttled_ || now - looked_at_ < config_.timer_tick) return absl::OkStatus();
  looked_at_ = now;
  // First: of what a person has asked for by now, nothing is handled before that is carried out.
  if (absl::Status gathered = GatherRequested(now); !gathered.ok()) return gathered;
  std::vector<Task*> tasks;
  for (const auto& [partition, task] : tasks_) {
    if (task->state == Task::State::kRunning) tasks.push_back(task.get());
  }
  std::rotate(
      tasks.begin(),
      std::find_if(tasks.begin(), tasks.end(), [&](const Task* task) { return task->id.partition > due_from_; }),
      tasks.end());
  if (!tasks.empty()) due_from_ = tasks.front()->id.partition;
  timers_wait_ = false;
  for (Task* task : tasks) {
    absl::Status gathered = GatherQueues(*task, now);
    if (gathered.ok()) gathered = GatherTimers(*task, now);
    if (gathered.ok()) continue;
    if (absl::Status handled = OnLoadError(gathered, *task); !handled.ok()) return handled;
  }
  if (timers_wait_) {
    metrics_.timers_waiting.Begin();
  } else {
    metrics_.timers_waiting.End();
  }
  return absl::OkStatus();
}

absl::Status Worker::Impl::GatherQueues(Task& task, absl::Time now) {
  if (task.queues.next_due() > now) return absl::OkStatus();
  if (LanesAreFull(task) || AwaitsBegun(task, now)) return absl::OkStatus();
  const int64_t room = RoomForDue();
  if (room <= 0) {
    // The batch is full of what was due before; the rest goes on with the next one.
    looked_at_ = absl::InfinitePast();
    return absl::OkStatus();
  }
  const std::vector<std::string> queues = task.queues.Due(now, std::min(kMaxQueues, static_cast<size_t>(room)));
  const int64_t limit = room / static_cast<int64_t>(queues.size());
  const int64_t bytes = std::max<int64_t>(config_.batch_bytes / 2 / static_cast<int64_t>(queues.size()), 1);
  auto records = ports_.session->LoadQueues(task.id, queues, limit, bytes);
  if (!records.ok()) return records.status();
  auto record = records->begin();
  bool removed = false;
  for (const std::string& queue : queues) {
    int64_t taken = 0;
    const auto begin = record;
    for (; record != records->end() && store::ShortKey(record->key) == queue; ++record) {
      taken += static_cast<int64_t>(record->record.size());
    }
    if (begin == record) {
      task.queues.Remove(queue);
      removed = true;
      continue;
    }
    const bool more = record - begin >= limit || taken >= bytes;
    const size_t before = gathered_.size();
    absl::Status gathered =
        GatherQueue(task, queue, absl::MakeSpan(&*begin, static_cast<size_t>(record - begin)), more, now);
    if (!gathered.ok()) return gathered;
    // What is behind them goes on with the next batch.
    if (more && gathered_.size() > before) looked_at_ = absl::InfinitePast();
  }
  // No commit follows from it that would do so.
  if (removed) Crowd(task);
  return absl::OkStatus();
}

bool Worker::Impl::LanesAreFull(const Task& task) const {
  if (lanes_ == nullptr) return false;
  const auto most_effects = static_cast<size_t>(config_.effect_backlog);
  return lanes_->size(task.id.partition) >= most_effects || task.in_lanes.bytes >= config_.effect_bytes;
}

bool Worker::Impl::LanesAreHalfEmpty(const Task& task) const {
  if (lanes_ == nullptr) return true;
  const auto most_effects = static_cast<size_t>(config_.effect_backlog);
  return lanes_->size(task.id.partition) <= most_effects / 2 && task.in_lanes.bytes <= config_.effect_bytes / 2;
}

bool Worker::Impl::AwaitsBegun(const Task& task, absl::Time now) const {
  if (lanes_ == nullptr || now - task.taken_at >= kMaxAwaitBegun) return false;
  // While the lanes are full they are not read.
  const bool are_read_later = task.crowded && lanes_->size(task.id.partition) > 0;
  return (now - task.reads_since < kAwaitBegun || are_read_later) &&
         std::any_of(task.to_read_again.begin(), task.to_read_again.end(),
                     [](const auto& topic) { return !topic.second.empty(); });
}

absl::Status Worker::Impl::GatherQueue(Task& task, const std::string& queue, absl::Span<store::KeptRecord> records,
                                       bool more, absl::Time now) {
  LaneLoad started;
  for (size_t i = 0; i < records.size(); ++i) {
    if (records[i].state == store::KeptState::kDead) {
      if (i == 0) task.queues.Put(queue, absl::InfiniteFuture());
      break;
    }
    // What a person asks of it comes first; until then it and what is behind it go on waiting.
    if (records[i].requested != store::KeptAction::kNone) break;
    auto input = QueuedInput(task, records[i]);
    if (!input.ok()) {
      if (i == 0) HoldDamaged(task, queue, records[i].id, input.status());
      break;
    }
    if (IsEffect(*input)) {
      // Behind handlers' messages of this queue it waits for them; and a lane holds only so many.
      if (started.messages < i || !EffectLanes::HasRoom(started) || LanesAreFull(task)) break;
      started.Add(input->record);
      StartFromQueue(task, *std::move(input), records[i].record.size());
      continue;
    }
    if (started.messages > 0) break;
    input->queued->loaded_at = now;
    input->queued->last = !more && i + 1 == records.size();
    gathered_bytes_ += static_cast<int64_t>(records[i].record.size());
    gathered_.push_back(*std::move(input));
  }
  return absl::OkStatus();
}

bool Worker::Impl::InputsAreRead(const Task& task, absl::Time now) {
  // What the last batch had no time for counts as unread, although it has been received.
  if (std::any_of(gathered_.begin(), gathered_.end(), [&](const Input& input) {
        return input.task == &task && !input.effect.has_value() && !IsInStore(input);
      })) {
    return false;
  }
  for (const InputProgress& input : task.progress.inputs()) {
    const auto end = task.ends.find(input.topic());
    const int64_t at_least = end == task.ends.end() ? 0 : end->second;
    if (!IsRead(input) || source_->CaughtUp(input.topic(), task.id.partition, at_least)) continue;
    AskForEnds(now);
    return false;
  }
  return true;
}

// Where a broker was away, asking it is what shows that it is back.
void Worker::Impl::AskForEnds(absl::Time now) {
  if (now < ask_for_ends_at_) return;
  std::vector<bus::Position> places;
  for (const auto& [partition, task] : tasks_) {
    if (task->state != Task::State::kRunning) continue;
    for (const InputProgress& input : task->progress.inputs()) {
      if (IsRead(input)) places.push_back({.topic = input.topic(), .partition = partition});
    }
  }
  const auto ends = source_->Ranges(places);
  const bool all_told = std::all_of(ends.begin(), ends.end(), [](const auto& end) { return end.ok(); });
  ask_for_ends_at_ = now + (all_told ? kAskForEndsEvery : kAskForEndsAgain);
}

void Worker::Impl::HoldDamaged(Task& task, const std::string& queue, int64_t id, const absl::Status& why) {
  task.queues.Put(queue, absl::InfiniteFuture());
  kLog.Error("a record that was set aside cannot be read, and holds its key; restore it from a backup, or skip it",
             {{"group", task.id.group}, {"partition", task.id.partition}, {"id", id}, {"reason", why}});
}

void Worker::Impl::NoteDamaged(Task& task, const store::Timer& timer) {
  const auto bytes = static_cast<int64_t>(timer.record.size());
  if (!task.damaged_timers.emplace(std::pair(timer.key, timer.name), bytes).second) return;
  kLog.Error("a timer cannot be read, and does not fire; restore it from a backup",
             {{"group", task.id.group},
              {"partition", task.id.partition},
              {"key", errors::Printable(timer.key, kMaxLogged)},
              {"name", timer.name}});
}

absl::Status Worker::Impl::GatherTimers(Task& task, absl::Time now) {
  if (task.next_timer > now) return absl::OkStatus();
  if (task.next_timer == absl::InfinitePast()) {
    // It is not known what the store has, as after a takeover. Where nothing is due, inputs need not be read to their
    // ends, and a broker that has much to send answers late where they end.
    const auto first = ports_.session->LoadTimers(task.id, 1);
    if (!first.ok()) return first.status();
    const absl::Time due = first->empty() ? absl::InfiniteFuture() : first->front().due;
    if (due > now) {
      task.next_timer = due;
      return absl::OkStatus();
    }
  }
  // What has come in time goes first: after an outage both are there, the answer and the deadline for it.
  if (!InputsAreRead(task, now)) {
    timers_wait_ = timers_wait_ || task.next_timer > absl::InfinitePast();
    return absl::OkStatus();
  }
  const int64_t room = RoomForDue();
  if (room <= 0) {
    looked_at_ = absl::InfinitePast();
    return absl::OkStatus();
  }
  // Those that cannot be read stay where they are, before the others.
  const int64_t limit = room + static_cast<int64_t>(task.damaged_timers.size());
  int64_t max_bytes = config_.batch_bytes;
  for (const auto& [timer, bytes] : task.damaged_timers) max_bytes += bytes;
  auto timers = ports_.session->LoadTimers(task.id, limit, max_bytes);
  if (!timers.ok()) return timers.status();
  task.next_timer = absl::InfiniteFuture();
  const size_t gathered_before = gathered_.size();
  const size_t damaged_before = task.damaged_timers.size();
  int64_t bytes = 0;
  for (const store::Timer& timer : *timers) {
    bytes += static_cast<int64_t>(timer.record.size());
    if (timer.due > now) {
      task.next_timer = timer.due;
      return absl::OkStatus();
    }
    auto input = TimerInput(task, timer);
    if (!input.ok()) {
      NoteDamaged(task, timer);
      continue;
    }
    task.damaged_timers.erase({timer.key, timer.name});
    gathered_bytes_ += static_cast<int64_t>(timer.record.size());
    gathered_.push_back(*std::move(input));
  }
  // All that were loaded are due: there may be more, unless it is always the same ones that cannot be read.
  const bool is_new = gathered_.size() > gathered_before || task.damaged_timers.size() > damaged_before;
  if ((timers->size() == static_cast<size_t>(limit) || bytes >= max_bytes) && is_new) {
    task.next_timer = now;
    looked_at_ = absl::InfinitePast();
  }
  return absl::OkStatus();
}

absl::Status Worker::Impl::GatherRequested(absl::Time now) {
  if (now - requests_looked_at_ < kRequestsEvery) return absl::OkStatus();
  // What cannot be carried out now would come first again and again, and leave no room for others: requests of a task
  // that does not run are not asked for, and those of records whose effects run take none of the room.
  std::vector<int32_t> running;
  int64_t limit = kRequests;
  int64_t max_bytes = config_.batch_bytes;
  for (const auto& [partition, task] : tasks_) {
    if (task->state != Task::State::kRunning) continue;
    running.push_back(partition);
    for (const auto& [queue, started] : task->started_from_queue) {
      limit += static_cast<int64_t>(started.size());
      for (const auto& [id, bytes] : started) max_bytes += bytes;
    }
  }
  if (running.empty()) return absl::OkStatus();
  requests_looked_at_ = now;
  auto requested = ports_.session->LoadRequested(ports_.group->name(), running, limit, max_bytes);
  if (!requested.ok()) {
    kLog.Debug("the store could not be asked for requests", {{"error", requested.status()}});
    return absl::OkStatus();
  }
  int64_t bytes = 0;
  for (const store::KeptRecord& kept : *requested) bytes += static_cast<int64_t>(kept.record.size());
  const bool is_full = requested->size() == static_cast<size_t>(limit) || bytes >= max_bytes;
  requested_ = *std::move(requested);
  // What is asked of a record whose effect runs is carried out when that has ended and the record is still there.
  std::erase_if(requested_, [this](const store::KeptRecord& kept) { return IsStarted(kept); });
  // A full round means that there is more.
  if (is_full && !requested_.empty()) requests_looked_at_ = absl::InfinitePast();
  return absl::OkStatus();
}

void Worker::Impl::GiveUp(const store::KeptRecord& requested, const absl::Status& error) {
  kLog.Error("the store refuses what was requested of a record, which stays as it is",
             {{"id", requested.id}, {"error", error}});
  store::Batch batch;
  batch.kept_updated.push_back(AsItIs(requested));
  CommitAlone(*tasks_.at(requested.task.partition), std::move(batch), "a request could not be given up");
}

void Worker::Impl::AdvanceQueues(TaskWork& work) {
  Task& task = *work.task;
  for (const auto& [id, queue] : work.ended_from_queue) LeaveInQueue(task, id, queue);
  // The next ones of these queues go into their lanes at once.
  if (!work.ended_from_queue.empty()) looked_at_ = absl::InfinitePast();
  if (work.queues.empty() && work.queues_to_look_up.empty()) return;
  for (const auto& [key, due] : work.queues) {
    task.without_handler.erase(key);
    if (due.has_value()) {
      task.queues.Put(key, *due);
    } else {
      task.queues.Remove(key);
    }
  }
  // What stood first there may have been skipped; what stands there now shows itself when it is due.
  for (const std::string& key : work.queues_to_look_up) task.without_handler.erase(key);
  if (absl::Status looked_up = LookUpQueues(task, work.queues_to_look_up); !looked_up.ok()) {
    return Disown(task, std::string(looked_up.message()));
  }
  task.without_handler.merge(work.without_handler);
}

absl::Status Worker::Impl::LookUpQueues(Task& task, const std::set<std::string>& queues) {
  if (queues.empty()) return absl::OkStatus();
  const std::vector<std::string> names(queues.begin(), queues.end());
  const auto heads = ports_.session->LoadQueues(task.id, names, 1, 1);
  if (!heads.ok()) return heads.status();
  for (const std::string& name : names) task.queues.Remove(name);
  for (const store::KeptRecord& head : *heads) {
    const bool waits = head.state == store::KeptState::kDead || IsStarted(head);
    task.queues.Put(store::ShortKey(head.key), waits ? absl::InfiniteFuture() : head.due);
  }
  return absl::OkStatus();
}

bool Worker::Impl::IsStarted(const store::KeptRecord& kept) const {
  const auto task = tasks_.find(kept.task.partition);
  if (task == tasks_.end()) return false;
  const auto started = task->second->started_from_queue.find(store::ShortKey(kept.key));
  return started != task->second->started_from_queue.end() && started->second.contains(kept.id);
}

void Worker::Impl::Crowd(Task& task) {
  const auto most_keys = static_cast<size_t>(config_.parked_keys);
  const bool lanes_are_full = LanesAreFull(task);
  if (!task.crowded && (task.queues.size() >= most_keys || lanes_are_full)) {
    task.crowded = true;
    if (!lanes_are_full) {
      kLog.Warn("messages of too many keys wait; the task reads nothing more until some are done with",
                {{"partition", task.id.partition}, {"keys", task.queues.size()}});
    }
    StopReading(task);
  } else if (task.crowded && task.queues.size() < most_keys - most_keys / 10 && LanesAreHalfEmpty(task)) {
    task.crowded = false;
    if (task.state != Task::State::kRunning) return;
    ResumeReading(PositionsOf(task));
  }
}

}  // namespace tradewind::runtime
