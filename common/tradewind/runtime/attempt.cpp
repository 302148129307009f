#include "tradewind/runtime/attempt.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "google/protobuf/message.h"
#include "google/rpc/status.pb.h"

#include "tradewind/clock/steady_now.h"
#include "tradewind/errors/printable.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/message_context.h"
#include "tradewind/telemetry/trace.h"

namespace tradewind::runtime {
namespace {

// A handler that takes longer is named in the log: everything that its process reads stands still meanwhile.
constexpr absl::Duration kSlowHandler = absl::Seconds(10);

// Shows from outside that a handler runs, and for how long: one that never returns stops everything that could tell.
class Running {
 public:
  explicit Running(telemetry::Age age) : age_(age) { age_.Begin(); }
  ~Running() { age_.End(); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  const telemetry::Age age_;
};

void WarnIfSlow(const bus::Record& record, const bus::Envelope& envelope, absl::Duration took) {
  if (took < kSlowHandler) return;
  kLog.Warn(
      "a handler took so long that other messages waited for it; let slow work be an effect. A process whose handler "
      "takes longer than kafka.max_poll_interval loses its tasks",
      {{"topic", record.topic()},
       {"partition", record.partition()},
       {"offset", record.offset()},
       {"key", errors::Printable(record.key(), kMaxLogged)},
       {"type", errors::Printable(envelope.type, kMaxLogged)},
       {"took", absl::Trunc(took, absl::Milliseconds(1))}});
}

}  // namespace

Attempt::Attempt(const Group& group, EventRouter& router, store::Session& session, const AttemptSettings& settings,
                 absl::Time now, absl::Time wall_now)
    : group_(group),
      router_(router),
      session_(session),
      settings_(settings),
      now_(now),
      wall_now_(wall_now),
      aggregates_(group, session),
      requests_(group.name()) {}

Attempt::~Attempt() = default;

TaskWork& Attempt::WorkOf(Task& task) {
  const auto [found, added] = works_.try_emplace(task.id.partition);
  TaskWork& work = found->second;
  if (added) {
    work.task = &task;
    work.progress = task.progress;
    work.outbox = std::make_unique<mesh::v1::OutboxBatch>();
  }
  return work;
}

absl::Status Attempt::Run(absl::Span<Input> inputs, absl::Span<Task* const> tasks,
                          absl::Span<const store::KeptRecord> requested) {
  if (absl::Status fetched = Prefetch(inputs, requested); !fetched.ok()) return fetched;
  for (const store::KeptRecord& kept : requested) {
    const auto owner =
        std::find_if(tasks.begin(), tasks.end(), [&](const Task* task) { return task->id == kept.task; });
    if (owner != tasks.end()) CarryOut(WorkOf(**owner), kept);
  }
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(settings_.max_batch_time);
  for (Input& input : inputs) {
    if (taken_ > 0 && std::chrono::steady_clock::now() >= deadline) break;
    Take(input);
    if (!status_.ok()) return status_;
    ++taken_;
  }
  return status_;
}

absl::Status Attempt::Prefetch(absl::Span<const Input> inputs, absl::Span<const store::KeptRecord> requested) {
  for (const store::KeptRecord& kept : requested) {
    if (const auto untaken = UntakenOf(kept)) requests_.WantEvent(*bus::ParseEnvelope(*untaken));
  }
  for (const Input& input : inputs) {
    if (!input.envelope.ok()) continue;
    const Handler* handler = group_.Find(input.envelope->type);
    requests_.Want(*input.envelope, input.record, handler != nullptr && handler->is_command);
    if (handler != nullptr && handler->inbox && !input.envelope->sequence.has_value()) {
      requests_.WantEvent(*input.envelope);
    }
    if (handler == nullptr) continue;
    for (const google::protobuf::Message* state : handler->own_states) {
      aggregates_.Want(state->GetDescriptor()->full_name(), input.record.key(), *state);
    }
  }
  if (absl::Status loaded = requests_.Load(session_); !loaded.ok()) return loaded;
  return aggregates_.Load();
}

void Attempt::Take(Input& input) {
  if (input.task->state != Task::State::kRunning) return;
  TaskWork& work = WorkOf(*input.task);
  // Once its own message has been handled the mark goes, and with nothing else; that of an effect when it has ended.
  if (std::optional<Suspect>& suspect = work.progress.suspect(); suspect.has_value() && !group_.runs_effects()) {
    if (IsSuspect(*suspect, input.record)) suspect.reset();
  }
  if (input.effect.has_value()) {
    EndEffect(work, input);
  } else if (input.queued.has_value()) {
    TakeFromQueue(work, input);
  } else if (input.held.has_value()) {
    TakeHeld(work, input);
  } else if (!input.timer.empty()) {
    Fire(work, input);
  } else {
    TakeFromTopic(work, input);
  }
}

void Attempt::TakeFromTopic(TaskWork& work, Input& input) {
  const bus::Record& record = input.record;
  InputProgress* progress = work.progress.FindInput(record.topic());
  if (progress == nullptr) return;
  if (record.offset() < progress->next_offset()) return TakeAgain(work, *progress, input);
  work.moved = true;
  progress->MoveTo(record.offset() + 1, bus::Fingerprint(record));
  if (!input.envelope.ok()) {
    Bury(work, {record, nullptr}, input.envelope.status());
    return;
  }
  const bus::Envelope& envelope = *input.envelope;
  const absl::Status sender = CheckSender(envelope, settings_.mesh, settings_.accept_unmarked);
  if (!sender.ok()) return Bury(work, {.record = record, .envelope = &envelope, .untaken = true}, sender);
  const Verdict verdict = progress->Judge(envelope);
  if (verdict == Verdict::kRepeat) {
    ++counts_.repeats;
    work.repeats.push_back(RepeatedEvent::From(record.topic(), envelope));
  } else if (!progress->MakeRoomFor(envelope, now_)) {
    ++counts_.beyond_sources;
    Bury(work, {.record = record, .envelope = &envelope, .untaken = true}, 0,
         fmt::format("its partition has {} sources already, and none of them has been silent for {}", kMaxSources,
                     absl::FormatDuration(kSourceAge)),
         Hold::kNothing);
  } else {
    TakeInChain(work, *progress, input, verdict);
  }
}

void Attempt::TakeInChain(TaskWork& work, InputProgress& progress, Input& input, Verdict verdict) {
  const bus::Envelope& envelope = *input.envelope;
  // It is read when its turn comes, and kept as dead then where that fails: what comes behind it waits for its place.
  if (verdict == Verdict::kGap) return HoldBack(work, input.record, envelope);
  Item item{input.record, &envelope, nullptr, input.refused, &input};
  std::unique_ptr<google::protobuf::Message> message;
  if (!ReadFromTopic(work, item, message)) {
    // Received all the same: what comes after it in its chain does not wait for it.
    progress.Take(envelope, now_);
    return;
  }
  if (!TakeFromInbox(work, envelope)) {
    ++counts_.repeats;
    return;
  }
  progress.Take(envelope, now_);
  HandleInTurn(work, item);
}

bool Attempt::ReadFromTopic(TaskWork& work, Item& item, std::unique_ptr<google::protobuf::Message>& message) {
  const Handler* const handler = group_.Find(item.envelope->type);
  if (handler == nullptr || KillsProcesses(work, item)) return true;
  const int32_t pinned = router_.PartitionCount(item.record.topic());
  const absl::Status placed = CheckPlace(item.record, *item.envelope, pinned, settings_.ask_partitions);
  auto read = placed.ok() ? ReadMessage(item.record, *item.envelope, *handler, KeyRuleOf(*handler, item)) : placed;
  if (!read.ok()) {
    Bury(work, item, read.status());
    return false;
  }
  message = *std::move(read);
  item.message = message.get();
  return true;
}

KeyRule Attempt::KeyRuleOf(const Handler& handler, const Item& item) const {
  if (item.unchecked || item.record.topic() == settings_.timers_topic) return KeyRule::kNone;
  return item.record.topic() == settings_.rekeyed_topic && handler.rekey != nullptr ? KeyRule::kOfSubscription
                                                                                    : KeyRule::kOfOptions;
}

void Attempt::HandleInTurn(TaskWork& work, const Item& item) {
  const Handler* handler = group_.Find(item.envelope->type);
  if (handler == nullptr) return HandleUnknown(work, item);
  const auto first_due = QueueOf(work, item.record);
  if (!first_due.has_value()) {
    Handle(work, item);
  } else if (!AnswerRepeat(*handler, item)) {
    Enqueue(work, item, *first_due);
  }
}

// At once, whatever waits before it: once it has waited, its answer may have been forgotten.
bool Attempt::AnswerRepeat(const Handler& handler, const Item& item) {
  auto reply = std::make_unique<mesh::v1::Reply>();
  if (!requests_.Answer(*item.envelope, item.record, handler.is_command, *reply)) return false;
  Send(*item.envelope, std::move(reply));
  return true;
}

bool Attempt::Handle(TaskWork& work, const Item& item) {
  const bus::Envelope& envelope = *item.envelope;
  const Handler* handler = group_.Find(envelope.type);
  if (KillsProcesses(work, item)) {
    return Fail(work, item, *handler,
                Dead(fmt::format("the process died {} times while it handled this by itself", settings_.max_deaths)));
  }
  const bool pass_on = settings_.IsToBePassedOn(*handler, item.record.topic());
  if (handler->effect != nullptr && !pass_on) {
    BeginEffect(work, item);
    return true;
  }
  if (AnswerRepeat(*handler, item)) return true;
  auto reply = std::make_unique<mesh::v1::Reply>();
  std::unique_ptr<google::protobuf::Message> read;
  const google::protobuf::Message* message = item.message;
  if (message == nullptr) {
    auto checked = ReadMessage(item.record, envelope, *handler, KeyRuleOf(*handler, item));
    if (!checked.ok()) {
      Bury(work, item, checked.status());
      return true;
    }
    read = *std::move(checked);
    message = read.get();
  }
  if (pass_on) {
    PassOnUnderItsKey(work, item, *handler, *message);
    return true;
  }
  const int first_event = work.outbox->events_size();
  const absl::Time begin = clock::SteadyNow();
  const Outcome outcome =
      item.refused.empty() ? RunHandler(*handler, *message, work, item, *reply) : Dead(std::string(item.refused));
  WarnIfSlow(item.record, envelope, clock::SteadyNow() - begin);
  return status_.ok() && Conclude(work, item, *handler, outcome, first_event, std::move(reply));
}

void Attempt::PassOnUnderItsKey(TaskWork& work, const Item& item, const Handler& handler,
                                const google::protobuf::Message& message) {
  auto key = SubscriptionKeyOf(handler, message);
  if (!key.ok()) return Bury(work, item, key.status());
  auto& events = *work.outbox->mutable_events();
  mesh::v1::OutgoingEvent& out = *events.Add();
  out.set_value(item.record.value().data(), item.record.value().size());
  out.set_type(std::string(item.envelope->type));
  out.set_id(std::string(item.envelope->id));
  out.set_traceparent(std::string(item.envelope->traceparent));
  try {
    router_.AddressTo(group_.RekeyedTopic(), *std::move(key), out);
  } catch (const InvalidEvent& error) {
    events.RemoveLast();
    Bury(work, item, 0, error.what(), Hold::kNothing);
  }
}

bool Attempt::KillsProcesses(const TaskWork& work, const Item& item) const {
  const std::optional<Suspect>& suspect = work.task->progress.suspect();
  return suspect.has_value() && suspect->attempts > settings_.max_deaths && IsSuspect(*suspect, item.record);
}

bool Attempt::TakeFromInbox(const TaskWork& work, const bus::Envelope& envelope) {
  if (envelope.sequence.has_value()) return true;
  const Handler* handler = group_.Find(envelope.type);
  return handler == nullptr || !handler->inbox || requests_.TakeEvent(envelope, work.task->id.partition);
}

void Attempt::HandleUnknown(TaskWork& work, const Item& item) {
  const std::string topic(item.record.topic().substr(router_.FullTopic("").size()));
  if (group_.is_command_topic(topic)) {
    Bury(work, item, 0, fmt::format("this version knows no command {}", item.envelope->type), Hold::kNothing);
  } else {
    ++counts_.skipped;
  }
}

Outcome Attempt::RunHandler(const Handler& handler, const google::protobuf::Message& message, TaskWork& work,
                            const Item& item, mesh::v1::Reply& reply) {
  std::optional<telemetry::TraceScope> scope;
  std::string traceparent;
  if (const auto parent = telemetry::TraceContext::Parse(item.envelope->traceparent)) {
    const telemetry::TraceContext own = parent->NewChild();
    traceparent = own.ToTraceparent();
    scope.emplace(own);
  }
  MessageContext context(*this, work, item.record, *item.envelope, std::move(traceparent), reply);
  const Running running(settings_.handler_running);
  try {
    return handler.run(message, context);
  } catch (const InvalidEvent& error) {
    return Dead(error.what());
  } catch (const DamagedState& error) {
    return Dead(error.what());
  } catch (const std::exception& error) {
    // A StoreAway has left its mark in status_; this outcome is then never looked at.
    return Retry(absl::ZeroDuration(), error.what());
  } catch (...) {
    return Retry(absl::ZeroDuration(), std::string(kUnknownException));
  }
}

bool Attempt::Conclude(TaskWork& work, const Item& item, const Handler& handler, const Outcome& outcome,
                       int first_event, std::unique_ptr<mesh::v1::Reply> reply) {
  ++counts_.handled;
  if (outcome.kind() == Outcome::Kind::kAck) {
    aggregates_.Keep();
    KeepTimers(work);
  } else {
    aggregates_.TakeBack();
    timer_changes_.clear();
    work.outbox->mutable_events()->DeleteSubrange(first_event, work.outbox->events_size() - first_event);
  }
  if (outcome.kind() == Outcome::Kind::kRetry || outcome.kind() == Outcome::Kind::kDead) {
    return Fail(work, item, handler, outcome);
  }
  if (outcome.kind() == Outcome::Kind::kReject) {
    ++counts_.rejected;
    *reply->mutable_error() = errors::ToRpcStatus(outcome.problem());
  }
  requests_.Remember(*item.envelope, item.record, handler.is_command, work.task->id.partition, *reply);
  Send(*item.envelope, std::move(reply));
  return true;
}

void Attempt::AddEvent(TaskWork& work, const google::protobuf::Message& event, const std::string& traceparent) {
  mesh::v1::OutgoingEvent& out = *work.outbox->add_events();
  try {
    router_.Address(event, out);
  } catch (const InvalidEvent&) {
    // A handler that swallows the error must not publish half an event.
    work.outbox->mutable_events()->RemoveLast();
    throw;
  }
  out.set_traceparent(traceparent);
}

void Attempt::KeepTimers(TaskWork& work) {
  for (TimerChange& change : timer_changes_) {
    work.timers[{std::move(change.key), std::move(change.name)}] = std::move(change.timer);
  }
  timer_changes_.clear();
}

void Attempt::Send(const bus::Envelope& envelope, std::unique_ptr<mesh::v1::Reply> reply) {
  if (!envelope.reply_to.has_value()) return;
  reply->set_correlation_id(envelope.reply_to->correlation_id);
  replies_.push_back({envelope.reply_to->partition, std::string(envelope.reply_to->instance_id), std::move(reply)});
}

void Attempt::NumberEvents(TaskWork& work) {
  const Task& task = *work.task;
  uint64_t number = task.emit_sequence;
  for (mesh::v1::OutgoingEvent& event : *work.outbox->mutable_events()) {
    event.set_number(++number);
    const auto previous = work.progress.Extend(event.topic(), event.partition(), {task.epoch, number});
    if (previous.has_value()) {
      event.mutable_previous()->set_epoch(previous->epoch);
      event.mutable_previous()->set_number(previous->number);
    }
  }
  // A commit without events has a number of its own too: what it fences by must change.
  work.new_emit_sequence = std::max(number, task.emit_sequence + 1);
}

bool Attempt::moved() const {
  return std::any_of(works_.begin(), works_.end(), [](const auto& work) { return work.second.moved; });
}

store::Batch Attempt::Finish(const std::function<uint64_t(const Task&)>& acknowledged) {
  store::Batch batch;
  batch.now = now_;
  // Comes first: for now the id of an event that this attempt holds back is its place among them.
  batch.kept = std::move(kept_);
  for (auto& [partition, work] : works_) {
    if (!work.moved) continue;
    const Task& task = *work.task;
    NumberEvents(work);
    work.progress_blob = work.progress.Serialize(settings_.cluster_id);
    if (work.outbox->events_size() > 0) {
      work.outbox->set_source(task.source);
      work.outbox->set_epoch(task.epoch);
      work.outbox->set_time_us(absl::ToUnixMicros(wall_now_));
      work.outbox_blob = work.outbox->SerializeAsString();
    }
    for (const auto& [key_and_name, timer] : work.timers) {
      if (timer.has_value()) {
        batch.timers_set.push_back(*timer);
      } else {
        batch.timers_removed.push_back({task.id, key_and_name.first, key_and_name.second});
      }
    }
    batch.tasks.push_back({.task = task.id,
                           .expected_epoch = task.epoch,
                           .expected_emit_sequence = task.emit_sequence,
                           .new_emit_sequence = work.new_emit_sequence,
                           .progress = work.progress_blob,
                           .outbox = work.outbox_blob,
                           .outbox_acknowledged = acknowledged(task)});
    task.KeepWithheld(batch.tasks.back().outbox_acknowledged, batch);
  }
  batch.aggregates = aggregates_.Writes();
  batch.requests = requests_.Writes();
  batch.kept_updated = std::move(kept_updated_);
  batch.kept_removed = std::move(kept_removed_);
  return batch;
}

}  // namespace tradewind::runtime
