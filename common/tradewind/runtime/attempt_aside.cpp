// The way of messages that cannot be handled now: into the queue of their key, among the dead, behind a gap; and back
// from there.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/random/random.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/status.pb.h"

#include "tradewind/errors/printable.h"
#include "tradewind/errors/problem.h"
#include "tradewind/runtime/attempt.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/store/short_key.h"

namespace tradewind::runtime {
namespace {

using errors::Printable;

// How often it is looked whether there is a handler now for what waits for one. Only another version has it, and looks
// as soon as it takes the task: in the store the message is due at once.
constexpr absl::Duration kLookForHandlerEvery = absl::Minutes(1);

// With a first delay of 100 ms, ten attempts take about a day.
constexpr double kDelayGrowth = 5.4;

// Messages that failed together are spread by a fifth.
absl::Duration DelayAfter(int32_t attempts, const AttemptSettings& settings) {
  static thread_local absl::BitGen random;
  const absl::Duration full = settings.first_retry * std::pow(kDelayGrowth, attempts - 1);
  return std::min(full, settings.longest_retry) * absl::Uniform(random, 0.8, 1.2);
}

store::KeptRecord ToKept(const TaskWork& work, const bus::Record& record, const bus::Envelope* envelope,
                         KeptNotes notes = {}) {
  return {.task = work.task->id,
          .key = KeptKeyOf(record),
          .type = envelope == nullptr ? "" : Printable(envelope->type, kMaxNotice),
          .record = SerializeRecord(record, notes)};
}

}  // namespace

bool IsClosed(const TaskProgress& progress, const Task::ChainName& chain, const HeldEvent& first) {
  const InputProgress* const input = progress.FindInput(chain.first);
  return input != nullptr && input->Judge(first.ToEnvelope(chain.second)) != Verdict::kGap;
}

void Attempt::TakeFromQueue(TaskWork& work, const Input& input) {
  if (!IsDue(*input.queued, QueueOf(work, input.record))) return;
  work.moved = true;
  const Item item{.record = input.record,
                  .envelope = input.envelope.ok() ? &*input.envelope : nullptr,
                  .queued = &*input.queued,
                  .refused = input.refused,
                  .unchecked = input.unchecked};
  if (item.envelope == nullptr) {
    Bury(work, item, input.envelope.status());
  } else if (group_.Find(item.envelope->type) == nullptr) {
    return WaitForHandler(work, item);
  } else if (!Handle(work, item)) {
    return;
  }
  kept_removed_.push_back(input.queued->id);
  auto& queue = work.queues[QueueKeyOf(input.record)];
  queue = input.queued->last ? std::nullopt : std::optional(input.queued->loaded_at);
}

void Attempt::TakeHeld(TaskWork& work, const Input& input) {
  InputProgress* const progress = work.progress.FindInput(input.record.topic());
  if (progress == nullptr) return;
  if (!input.envelope.ok()) {
    work.moved = true;
    work.held_taken.insert(*input.held);
    kept_removed_.push_back(*input.held);
    return Bury(work, {input.record, nullptr}, input.envelope.status());
  }
  const Verdict verdict = progress->Judge(*input.envelope);
  // What closed its gap has not been taken after all.
  if (verdict == Verdict::kGap) return;
  work.moved = true;
  if (verdict == Verdict::kTake) {
    progress->Take(*input.envelope, now_);
    HandleHeld(work, input);
  }
  work.held_taken.insert(*input.held);
  kept_removed_.push_back(*input.held);
}

void Attempt::HandleHeld(TaskWork& work, const Input& input) {
  Item item{
      .record = input.record, .envelope = &*input.envelope, .refused = input.refused, .unchecked = input.unchecked};
  const bool was_handled = !input.unchecked && !input.unhandled;
  if (was_handled && group_.Find(input.envelope->type) == nullptr) return WaitForHandler(work, item);
  std::unique_ptr<google::protobuf::Message> message;
  // An earlier version has looked at it before it held it back.
  if (input.unchecked || ReadFromTopic(work, item, message)) HandleInTurn(work, item);
}

void Attempt::Fire(TaskWork& work, const Input& input) {
  // A message before it has cancelled it, or set it anew.
  const std::pair<std::string, std::string> name(std::string(input.record.key()), input.timer);
  if (work.task->changed_timers.contains(name) || !work.timers.try_emplace(name).second) return;
  work.moved = true;
  ++counts_.timers;
  if (input.envelope.ok() && group_.Find(input.envelope->type) == nullptr) {
    WaitForHandler(work, {input.record, &*input.envelope});
  } else if (input.envelope.ok()) {
    HandleInTurn(work, {input.record, &*input.envelope, nullptr, input.refused});
  } else {
    Bury(work, {input.record, nullptr}, input.envelope.status());
  }
}

std::optional<absl::Time> Attempt::QueueOf(const TaskWork& work, const bus::Record& record) const {
  if (work.queues.empty() && work.task->queues.empty()) return std::nullopt;
  const std::string key = QueueKeyOf(record);
  const auto changed = work.queues.find(key);
  return changed != work.queues.end() ? changed->second : work.task->queues.DueOf(key);
}

void Attempt::Enqueue(TaskWork& work, const Item& item, absl::Time first_due) {
  ++counts_.parked;
  store::KeptRecord& kept = kept_.emplace_back(ToKept(work, item.record, item.envelope));
  kept.state = store::KeptState::kParked;
  kept.queued = true;
  if (first_due < absl::InfiniteFuture()) return;
  auto reply = std::make_unique<mesh::v1::Reply>();
  *reply->mutable_error() =
      errors::ToRpcStatus({.code = absl::StatusCode::kDeadlineExceeded,
                           .reason = "OUTCOME_PENDING",
                           .message = "the command waits behind one of the same key that could not be handled; once "
                                      "that is retried or skipped (tradewind parked), repeating this call with the "
                                      "same request_id gives the outcome"});
  Send(*item.envelope, std::move(reply));
}

void Attempt::WaitForHandler(TaskWork& work, const Item& item) {
  const std::string key = QueueKeyOf(item.record);
  const std::string reason =
      fmt::format("no handler: this version has none for {}; it waits for one that has, or to be skipped",
                  Printable(item.envelope->type, kMaxLogged));
  const absl::Time due = now_ + kLookForHandlerEvery;
  const bool first = item.queued != nullptr || !QueueOf(work, item.record).has_value();
  if (first) {
    kLog.Warn("a message that was set aside has no handler in this version; it waits",
              {{"key", Printable(key, kMaxLogged)}, {"type", Printable(item.envelope->type, kMaxLogged)}});
    work.queues[key] = due;
    work.without_handler.insert(key);
  }
  if (item.queued != nullptr) {
    kept_updated_.push_back({.id = item.queued->id,
                             .state = store::KeptState::kParked,
                             .reason = reason,
                             .attempts = item.queued->attempts,
                             .due = now_});
    return;
  }
  store::KeptRecord& kept = kept_.emplace_back(ToKept(work, item.record, item.envelope));
  kept.state = store::KeptState::kParked;
  kept.queued = true;
  kept.reason = reason;
  // One that waits behind another is not due by itself.
  if (first) kept.due = now_;
}

void Attempt::HoldBack(TaskWork& work, const bus::Record& record, const bus::Envelope& envelope) {
  const Task::ChainName chain{std::string(record.topic()), std::string(envelope.source)};
  if (IsHeld(work, chain, envelope)) {
    ++counts_.repeats;
    return;
  }
  ++counts_.gaps;
  if (settings_.notices->held_lines.Take(now_)) {
    kLog.Warn("events are missing before this one; it is held back until they come",
              {{"topic", record.topic()},
               {"partition", record.partition()},
               {"offset", record.offset()},
               {"source", envelope.source},
               {"sequence", envelope.sequence->ToString()},
               {"missing", envelope.previous.ToString()}});
  }
  work.newly_held[chain][*envelope.sequence] = {
      .sequence = *envelope.sequence, .previous = envelope.previous, .id = static_cast<int64_t>(kept_.size())};
  store::KeptRecord& kept =
      kept_.emplace_back(ToKept(work, record, &envelope, {.unhandled = group_.Find(envelope.type) == nullptr}));
  kept.state = store::KeptState::kHeld;
  kept.source = Printable(envelope.source, kMaxNotice);
  kept.reason = fmt::format("nothing was received for {}", envelope.previous.ToString());
}

// Sent again while it is held back, or twice within the batch.
bool Attempt::IsHeld(const TaskWork& work, const Task::ChainName& chain, const bus::Envelope& envelope) const {
  const auto added = work.newly_held.find(chain);
  if (added != work.newly_held.end() && added->second.contains(*envelope.sequence)) return true;
  const auto held = work.task->held.find(chain);
  if (held == work.task->held.end()) return false;
  const auto& events = held->second;
  const auto place =
      std::lower_bound(events.begin(), events.end(), *envelope.sequence,
                       [](const HeldEvent& event, bus::Sequence sequence) { return event.sequence < sequence; });
  return place != events.end() && place->sequence == *envelope.sequence;
}

bool Attempt::Fail(TaskWork& work, const Item& item, const Handler& handler, const Outcome& outcome) {
  const int32_t attempts = (item.queued == nullptr ? 0 : item.queued->attempts) + 1;
  const int32_t most = handler.max_attempts > 0 ? handler.max_attempts : settings_.max_attempts;
  if (outcome.kind() == Outcome::Kind::kRetry && attempts < most) {
    Park(work, item, attempts, outcome);
    return false;
  }
  const Hold hold = handler.pass_over_dead ? Hold::kNothing : Hold::kKey;
  Bury(work, item, attempts,
       outcome.kind() == Outcome::Kind::kDead
           ? outcome.reason()
           : fmt::format("gave up after {} attempts: {}", attempts, outcome.reason()),
       hold);
  return hold == Hold::kNothing;
}

void Attempt::Park(TaskWork& work, const Item& item, int32_t attempts, const Outcome& outcome) {
  const std::string reason = Printable(outcome.reason(), kMaxNotice);
  ++counts_.parked;
  const absl::Duration delay = std::max(outcome.after(), DelayAfter(attempts, settings_));
  if (settings_.notices->parked_lines.Take(now_)) {
    kLog.Warn("a message failed; it is handled again later, and its key's later ones wait",
              {{"topic", item.record.topic()},
               {"partition", item.record.partition()},
               {"offset", item.record.offset()},
               {"key", Printable(item.record.key(), kMaxLogged)},
               {"type", Printable(item.envelope->type, kMaxLogged)},
               {"attempt", attempts},
               {"retry_in", delay},
               {"reason", reason}});
  }
  const absl::Time due = now_ + delay;
  work.queues[QueueKeyOf(item.record)] = due;
  if (item.queued != nullptr) {
    kept_updated_.push_back({.id = item.queued->id,
                             .state = store::KeptState::kParked,
                             .reason = reason,
                             .attempts = attempts,
                             .due = due});
    return;
  }
  store::KeptRecord& kept = kept_.emplace_back(ToKept(work, item.record, item.envelope));
  kept.state = store::KeptState::kParked;
  kept.queued = true;
  kept.reason = reason;
  kept.attempts = attempts;
  kept.due = due;
}

void Attempt::Bury(TaskWork& work, const Item& item, int32_t attempts, std::string_view why, Hold hold) {
  const std::string reason = Printable(why, kMaxNotice);
  ++counts_.dead;
  if (settings_.notices->dead_lines.Take(now_)) {
    kLog.Error("an event was kept as dead",
               {{"topic", item.record.topic()},
                {"partition", item.record.partition()},
                {"offset", item.record.offset()},
                {"key", Printable(item.record.key(), kMaxLogged)},
                {"type", item.envelope == nullptr ? "" : Printable(item.envelope->type, kMaxNotice)},
                {"reason", reason}});
  }
  if (hold == Hold::kKey) work.queues[QueueKeyOf(item.record)] = absl::InfiniteFuture();
  if (hold == Hold::kKey && item.queued != nullptr) {
    kept_updated_.push_back(
        {.id = item.queued->id, .state = store::KeptState::kDead, .reason = reason, .attempts = attempts});
  } else {
    store::KeptRecord& kept = kept_.emplace_back(ToKept(work, item.record, item.envelope, {.untaken = item.untaken}));
    kept.state = store::KeptState::kDead;
    kept.queued = hold == Hold::kKey;
    kept.reason = reason;
    kept.attempts = attempts;
  }
  Announce(work, item, reason);
}

void Attempt::Bury(TaskWork& work, const Item& item, const absl::Status& why) {
  Bury(work, item, 0, std::string(why.message()), Hold::kNothing);
}

void Attempt::Announce(TaskWork& work, const Item& item, const std::string& reason) {
  if (settings_.notices->deaths.Take(now_)) {
    AddNotice(work, item, reason);
  } else {
    ++counts_.unannounced;
  }
  if (item.envelope == nullptr) return;
  auto reply = std::make_unique<mesh::v1::Reply>();
  *reply->mutable_error() = errors::ToRpcStatus(
      {.code = absl::StatusCode::kInternal,
       .reason = "COMMAND_DEAD",
       .message = "the command could not be handled and was set aside; `tradewind parked list` shows why"});
  Send(*item.envelope, std::move(reply));
}

void Attempt::AddNotice(TaskWork& work, const Item& item, const std::string& reason) {
  mesh::v1::EventDied died;
  died.set_group(group_.name());
  died.set_key(Printable(KeptKeyOf(item.record), kMaxNotice));
  died.set_topic(std::string(item.record.topic()));
  died.set_partition(item.record.partition());
  died.set_offset(item.record.offset());
  died.set_type(item.envelope == nullptr ? "" : Printable(item.envelope->type, kMaxNotice));
  died.set_event_id(item.envelope == nullptr ? "" : Printable(item.envelope->id, kMaxNotice));
  died.set_reason(reason);
  *died.mutable_death_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(wall_now_));
  try {
    AddEvent(work, died, "");
  } catch (const InvalidEvent& error) {
    // Kept all the same, and counted.
    kLog.Error("the notice of a dead event could not be published", {{"error", error.what()}});
  }
}

}  // namespace tradewind::runtime
