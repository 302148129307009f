// What comes from the store and not from Kafka: messages that failed and are due again with those that wait behind
// them, timers, and what a person asks of records that were set aside.
#include <algorithm>
#include <utility>
#include <vector>

#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/worker_impl.h"
#include "tradewind/store/short_key.h"

namespace tradewind::runtime {
namespace {

// In one batch, for each task: so many queues, so many records of each, so many timers.
constexpr size_t kQueues = 50;
constexpr int64_t kQueueRecords = 10;
constexpr int64_t kTimers = 200;
// A person waits this long, at most, until a request is looked at, and so many are carried out in one batch.
constexpr absl::Duration kRequestsEvery = absl::Milliseconds(500);
constexpr int64_t kRequests = 500;

}  // namespace

absl::Time Worker::Impl::NextDue() const {
  absl::Time next = absl::InfiniteFuture();
  if (throttled_) return next;
  for (const auto& [partition, task] : tasks_) {
    if (task->state == Task::State::kRunning) next = std::min({next, task->queues.next_due(), task->next_timer});
  }
  return std::max(next, looked_at_ + config_.timer_tick);
}

absl::Status Worker::Impl::GatherDue(absl::Time now) {
  if (throttled_ || now - looked_at_ < config_.timer_tick) return absl::OkStatus();
  looked_at_ = now;
  for (const auto& owned : tasks_) {
    Task* const task = owned.second.get();
    if (task->state != Task::State::kRunning) continue;
    absl::Status gathered = GatherQueues(*task, now);
    if (gathered.ok()) gathered = GatherTimers(*task, now);
    if (gathered.ok()) continue;
    std::erase_if(gathered_, [&](const Input& input) { return input.task == task; });
    if (absl::Status handled = OnStoreError(gathered, {}, {&task, 1}); !handled.ok()) return handled;
  }
  return GatherRequested(now);
}

absl::Status Worker::Impl::GatherQueues(Task& task, absl::Time now) {
  if (task.queues.next_due() > now) return absl::OkStatus();
  const std::vector<std::string> keys = task.queues.Due(now, kQueues);
  // One more than is handled tells whether something waits behind.
  auto records = ports_.session->LoadQueues(task.id, keys, kQueueRecords + 1);
  if (!records.ok()) return records.status();
  auto record = records->begin();
  for (const std::string& key : keys) {
    const auto end =
        std::find_if(record, records->end(), [&](const auto& kept) { return store::ShortKey(kept.key) != key; });
    if (record == end) task.queues.Remove(key);
    const bool more = end - record > kQueueRecords;
    const auto last = more ? end - 1 : end;
    bool first = true;
    for (; record != last; ++record) {
      // What a person asks of it comes first; until then it and what is behind it go on waiting.
      if (record->requested != store::KeptAction::kNone) break;
      auto input = QueuedInput(task, *record);
      if (!input.ok()) return input.status();
      if (IsEffect(*input)) {
        if (first) StartFromQueue(task, *std::move(input));
        break;
      }
      input->queued->last = !more && record + 1 == end;
      gathered_.push_back(*std::move(input));
      first = false;
    }
    record = end;
  }
  return absl::OkStatus();
}

absl::Status Worker::Impl::GatherTimers(Task& task, absl::Time now) {
  if (task.next_timer > now) return absl::OkStatus();
  auto timers = ports_.session->LoadTimers(task.id, kTimers);
  if (!timers.ok()) return timers.status();
  task.next_timer = absl::InfiniteFuture();
  for (const store::Timer& timer : *timers) {
    if (timer.due > now) {
      task.next_timer = timer.due;
      return absl::OkStatus();
    }
    auto input = TimerInput(task, timer);
    if (!input.ok()) return input.status();
    gathered_.push_back(*std::move(input));
  }
  // All that were loaded are due: there may be more.
  if (timers->size() == kTimers) task.next_timer = now;
  return absl::OkStatus();
}

absl::Status Worker::Impl::GatherRequested(absl::Time now) {
  if (now - requests_looked_at_ < kRequestsEvery || tasks_.empty()) return absl::OkStatus();
  requests_looked_at_ = now;
  auto requested = ports_.session->LoadRequested(ports_.group->name(), AllPartitions(), kRequests);
  if (requested.ok()) {
    requested_ = *std::move(requested);
    // A full round means that there is more.
    if (requested_.size() == kRequests) requests_looked_at_ = absl::InfinitePast();
  } else {
    kLog.Debug("the store could not be asked for requests", {{"error", requested.status()}});
  }
  return absl::OkStatus();
}

void Worker::Impl::AdvanceQueues(TaskWork& work) {
  Task& task = *work.task;
  if (work.queues.empty() && !work.queues_unknown) return;
  for (const auto& [key, due] : work.queues) {
    task.without_handler.erase(key);
    if (due.has_value()) {
      task.queues.Put(key, *due);
    } else {
      task.queues.Remove(key);
    }
  }
  if (work.queues_unknown) {
    const absl::Status loaded = Takeover::LoadQueues(*ports_.session, task);
    if (!loaded.ok()) return Disown(task, std::string(loaded.message()));
  }
  task.without_handler.merge(work.without_handler);
  size_t keys = 0;
  size_t without_handler = 0;
  for (const auto& [partition, other] : tasks_) {
    keys += other->queues.size();
    without_handler += other->without_handler.size();
  }
  metrics_.parked_keys.Set(static_cast<double>(keys));
  metrics_.no_handler_records.Set(static_cast<double>(without_handler));
}

void Worker::Impl::Crowd(Task& task) {
  const auto most_keys = static_cast<size_t>(config_.parked_keys);
  const auto most_effects = static_cast<size_t>(config_.effect_backlog);
  const size_t effects = lanes_ == nullptr ? 0 : lanes_->size(task.id.partition);
  if (!task.crowded && (task.queues.size() >= most_keys || effects >= most_effects)) {
    task.crowded = true;
    if (effects < most_effects) {
      kLog.Warn("messages of too many keys wait; the task reads nothing more until some are done with",
                {{"partition", task.id.partition}, {"keys", task.queues.size()}});
    }
    StopReading(task);
  } else if (task.crowded && task.queues.size() < most_keys - most_keys / 10 && effects <= most_effects / 2) {
    task.crowded = false;
    if (task.state != Task::State::kRunning) return;
    ResumeReading(PositionsOf(task));
  }
}

}  // namespace tradewind::runtime
