// Effects: an attempt takes their messages and notes that they are pending; they run between attempts, in EffectLanes,
// and what came of them is taken by a later attempt.
#include <algorithm>

#include "tradewind/runtime/attempt.h"
#include "tradewind/runtime/effect_lanes.h"
#include "tradewind/runtime/kept_record.h"

namespace tradewind::runtime {

// A message whose effect is pending, read again after a takeover or taken out of its lane. Any other is a repeat.
void Attempt::TakeAgain(TaskWork& work, InputProgress& progress, Input& input) {
  const auto& pending = progress.pending();
  const int64_t offset = input.record.offset();
  if (!std::binary_search(pending.begin(), pending.end(), offset)) return;
  const auto wanted = work.task->to_read_again.find(progress.topic());
  const bool is_wanted = wanted != work.task->to_read_again.end() && wanted->second.contains(offset);
  if (!input.from_lane && !is_wanted) return;
  const bool is_readable = input.envelope.ok();
  const Handler* const handler = is_readable ? group_.Find(input.envelope->type) : nullptr;
  const auto first_due = QueueOf(work, input.record);
  if (handler != nullptr && !first_due.has_value() && !settings_.IsToBePassedOn(*handler, input.record.topic())) {
    work.effects.push_back(&input);
    return;
  }
  work.moved = true;
  progress.RemovePending(offset);
  // The version that took it accepted headers that this one refuses.
  if (!is_readable) return Bury(work, {input.record, nullptr}, input.envelope.status());
  const Item item{input.record, &*input.envelope, nullptr, {}, &input};
  // The version that took it ran it under the key that it came with.
  if (handler != nullptr && !first_due.has_value()) return HandleInTurn(work, item);
  if (handler == nullptr) {
    WaitForHandler(work, item);
  } else {
    Enqueue(work, item, *first_due);
  }
  // It came before all that is in the queue.
  kept_.back().ahead = true;
}

void Attempt::BeginEffect(TaskWork& work, const Item& item) {
  if (item.input == nullptr) {
    // Its record is not ours to give away; it goes by its key's queue.
    work.queues[QueueKeyOf(item.record)] = now_;
    return Enqueue(work, item, now_);
  }
  // A lane holds so many; what comes then waits in the key's queue until the lane is empty, and takes nobody's place.
  const std::string queue = QueueKeyOf(item.record);
  LaneLoad lane = work.task->LaneOf(queue);
  if (const auto begun = work.begun.find(queue); begun != work.begun.end()) {
    lane.messages += begun->second.messages;
    lane.bytes += begun->second.bytes;
  }
  if (!EffectLanes::HasRoom(lane)) {
    work.queues[queue] = absl::InfiniteFuture();
    return Enqueue(work, item, now_);
  }
  work.begun[queue].Add(item.record);
  work.progress.FindInput(item.record.topic())->AddPending(item.record.offset());
  work.effects.push_back(item.input);
}

void Attempt::EndEffect(TaskWork& work, const Input& input) {
  const std::string queue = QueueKeyOf(input.record);
  if (input.queued.has_value()) {
    // Its record has left the queue meanwhile: whoever took it out has concluded it.
    const auto started = work.task->started_from_queue.find(queue);
    if (started == work.task->started_from_queue.end() || !started->second.contains(input.queued->id)) return;
    if (!work.ended_from_queue.emplace(input.queued->id, queue).second) return;
  }
  work.moved = true;
  ++counts_.handled;
  if (std::optional<Suspect>& suspect = work.progress.suspect(); suspect.has_value()) {
    if (IsSuspect(*suspect, input.record)) suspect.reset();
  }
  const EffectResult& result = *input.effect;
  const Input::FromQueue* queued = input.queued.has_value() ? &*input.queued : nullptr;
  const Item item{input.record, &*input.envelope, queued, input.refused};
  Outcome outcome = input.refused.empty() ? result.outcome : Dead(input.refused);
  bool done = outcome.kind() == Outcome::Kind::kAck && Publish(work, result, outcome);
  if (result.undecodable) {
    Bury(work, item, 1, outcome.reason(), Hold::kNothing);
    done = true;
  } else if (!done) {
    done = Fail(work, item, *group_.Find(input.envelope->type), outcome);
  }
  if (queued == nullptr) {
    // All that is in the queue already has come later.
    if (!done) kept_.back().ahead = true;
    const bool waits = QueueOf(work, input.record) == absl::InfiniteFuture() && !HasStarted(work, queue);
    if (done && waits && work.task->LaneOf(queue).messages == 0 && !work.begun.contains(queue))
      work.queues[queue] = now_;
    work.progress.FindInput(input.record.topic())->RemovePending(input.record.offset());
  } else if (done) {
    kept_removed_.push_back(queued->id);
    // What waits behind it, if anything, is due, unless it is in the lane already.
    work.queues[queue] = HasStarted(work, queue) ? absl::InfiniteFuture() : now_;
  }
}

bool Attempt::HasStarted(const TaskWork& work, const std::string& queue) const {
  const auto started = work.task->started_from_queue.find(queue);
  return started != work.task->started_from_queue.end() &&
         std::any_of(started->second.begin(), started->second.end(),
                     [&](const auto& id_and_bytes) { return !work.ended_from_queue.contains(id_and_bytes.first); });
}

// False, with the reason in `outcome`, when one of the events can never be published; none is then.
bool Attempt::Publish(TaskWork& work, const EffectResult& result, Outcome& outcome) {
  auto& events = *work.outbox->mutable_events();
  const int first = events.size();
  try {
    for (const auto& event : result.events) AddEvent(work, *event, result.traceparent);
    return true;
  } catch (const InvalidEvent& error) {
    events.DeleteSubrange(first, events.size() - first);
    outcome = Dead(error.what());
    return false;
  }
}

}  // namespace tradewind::runtime
