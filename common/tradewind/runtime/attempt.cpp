#include "tradewind/runtime/attempt.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "google/protobuf/message.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/status.pb.h"

#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/message_context.h"
#include "tradewind/telemetry/trace.h"

namespace tradewind::runtime {
namespace {

std::string ToKept(const bus::Record& record) {
  mesh::v1::KeptRecord kept;
  kept.set_topic(std::string(record.topic()));
  kept.set_partition(record.partition());
  kept.set_offset(record.offset());
  kept.set_timestamp_ms(record.timestamp_ms());
  kept.set_key(record.key().data(), record.key().size());
  kept.set_value(record.value().data(), record.value().size());
  for (const bus::HeaderView& header : record.headers()) {
    auto& out = *kept.add_headers();
    out.set_name(std::string(header.name));
    out.set_value(header.value.data(), header.value.size());
  }
  return kept.SerializeAsString();
}

std::string Printable(std::string_view bytes) { return absl::Utf8SafeCHexEscape({bytes.data(), bytes.size()}); }

}  // namespace

Attempt::Attempt(const Group& group, EventRouter& router, store::Session& session, const AttemptSettings& settings,
                 absl::Time now)
    : group_(group), router_(router), session_(session), settings_(settings), now_(now), aggregates_(group, session) {}

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

absl::Status Attempt::Run(absl::Span<const Input> inputs, absl::Span<Task* const> tasks) {
  if (absl::Status fetched = Prefetch(inputs); !fetched.ok()) return fetched;
  for (Task* task : tasks) {
    TaskWork& work = WorkOf(*task);
    for (const auto& [chain, events] : task->held) {
      if (InputProgress* progress = work.progress.FindInput(chain.first)) TakeHeld(work, *progress, chain.second);
    }
  }
  for (const Input& input : inputs) {
    Take(input);
    if (!status_.ok()) return status_;
  }
  return status_;
}

absl::Status Attempt::Prefetch(absl::Span<const Input> inputs) {
  for (const Input& input : inputs) {
    if (!input.envelope.ok()) continue;
    requests_.Want(*input.envelope);
    const Handler* handler = group_.Find(input.envelope->type);
    if (handler != nullptr && handler->own_state != nullptr) {
      aggregates_.Want(handler->own_state->GetDescriptor()->full_name(), input.record.key(), *handler->own_state);
    }
  }
  if (absl::Status loaded = requests_.Load(session_); !loaded.ok()) return loaded;
  return aggregates_.Load();
}

void Attempt::Take(const Input& input) {
  if (input.task->state != Task::State::kRunning) return;
  TaskWork& work = WorkOf(*input.task);
  if (work.retry.has_value()) return;
  const bus::Record& record = input.record;
  InputProgress* progress = work.progress.FindInput(record.topic());
  if (progress == nullptr || record.offset() < progress->next_offset()) return;
  const auto move_on = [&] {
    work.moved = true;
    progress->MoveTo(record.offset() + 1, bus::Fingerprint(record));
  };

  if (!input.envelope.ok()) {
    Bury(work, record, nullptr, std::string(input.envelope.status().message()));
    return move_on();
  }
  const bus::Envelope& envelope = *input.envelope;
  switch (progress->Judge(envelope)) {
    case Verdict::kRepeat:
      ++counts_.repeats;
      return move_on();
    case Verdict::kGap:
      HoldBack(work, record, envelope);
      return move_on();
    case Verdict::kTake:
      if (!Handle(work, record, envelope)) return;
      progress->Take(envelope);
      move_on();
      TakeHeld(work, *progress, envelope.source);
  }
}

void Attempt::TakeHeld(TaskWork& work, InputProgress& progress, std::string_view source) {
  if (work.task->held.empty() || work.retry.has_value()) return;
  const auto chain = work.task->held.find({progress.topic(), std::string(source)});
  if (chain == work.task->held.end()) return;
  for (size_t& taken = work.held_taken[chain->first]; taken < chain->second.size(); ++taken) {
    const HeldEvent& event = chain->second[taken];
    const Verdict verdict = progress.Judge(event.envelope);
    if (verdict == Verdict::kGap) return;
    if (verdict == Verdict::kTake) {
      if (!Handle(work, event.record, event.envelope)) return;
      progress.Take(event.envelope);
    }
    work.moved = true;
    kept_removed_.push_back(event.id);
  }
}

void Attempt::HoldBack(TaskWork& work, const bus::Record& record, const bus::Envelope& envelope) {
  ++counts_.gaps;
  kLog.Warn("events are missing before this one; it is held back until they come",
            {{"topic", record.topic()},
             {"partition", record.partition()},
             {"offset", record.offset()},
             {"source", envelope.source},
             {"sequence", envelope.sequence->ToString()},
             {"missing", envelope.previous.ToString()}});
  work.held_added = true;
  kept_.push_back({.task = work.task->id,
                   .state = store::KeptState::kHeld,
                   .key = std::string(record.key()),
                   .source = std::string(envelope.source),
                   .type = std::string(envelope.type),
                   .reason = fmt::format("nothing was received for {}", envelope.previous.ToString()),
                   .record = ToKept(record)});
}

bool Attempt::Handle(TaskWork& work, const bus::Record& record, const bus::Envelope& envelope) {
  const Handler* handler = group_.Find(envelope.type);
  if (handler == nullptr) {
    const std::string topic = std::string(record.topic().substr(router_.FullTopic("").size()));
    if (!group_.is_command_topic(topic)) {
      ++counts_.skipped;
    } else {
      Bury(work, record, &envelope, fmt::format("this version knows no command {}", envelope.type));
    }
    return true;
  }
  auto reply = std::make_unique<mesh::v1::Reply>();
  if (requests_.Answer(envelope, record, *reply)) {
    Send(envelope, std::move(reply));
    return true;
  }
  const std::unique_ptr<google::protobuf::Message> message(handler->prototype->New());
  if (!message->ParseFromArray(record.value().data(), static_cast<int>(record.value().size()))) {
    Bury(work, record, &envelope, fmt::format("its value is not a {}", envelope.type));
    return true;
  }
  const int first_event = work.outbox->events_size();
  const Outcome outcome = RunHandler(*handler, *message, work, record, envelope, *reply);
  if (!status_.ok()) return false;
  return Conclude(work, record, envelope, outcome, first_event, std::move(reply));
}

Outcome Attempt::RunHandler(const Handler& handler, const google::protobuf::Message& message, TaskWork& work,
                            const bus::Record& record, const bus::Envelope& envelope, mesh::v1::Reply& reply) {
  std::optional<telemetry::TraceScope> scope;
  std::string traceparent;
  if (const auto parent = telemetry::TraceContext::Parse(envelope.traceparent)) {
    const telemetry::TraceContext own = parent->NewChild();
    traceparent = own.ToTraceparent();
    scope.emplace(own);
  }
  MessageContext context(*this, work, record, envelope, std::move(traceparent), reply);
  try {
    return handler.run(message, context);
  } catch (const InvalidEvent& error) {
    return Dead(error.what());
  } catch (const std::exception& error) {
    // A StoreAway has left its mark in status_; this outcome is then never looked at.
    return Retry(absl::ZeroDuration(), error.what());
  }
}

bool Attempt::Conclude(TaskWork& work, const bus::Record& record, const bus::Envelope& envelope, const Outcome& outcome,
                       int first_event, std::unique_ptr<mesh::v1::Reply> reply) {
  ++counts_.handled;
  if (outcome.kind() == Outcome::Kind::kAck) {
    aggregates_.Keep();
  } else {
    aggregates_.TakeBack();
    work.outbox->mutable_events()->DeleteSubrange(first_event, work.outbox->events_size() - first_event);
  }
  switch (outcome.kind()) {
    case Outcome::Kind::kRetry:
      return RetryLater(work, record, envelope, outcome);
    case Outcome::Kind::kDead:
      Bury(work, record, &envelope, outcome.reason());
      return true;
    case Outcome::Kind::kReject:
      ++counts_.rejected;
      *reply->mutable_error() = errors::ToRpcStatus(outcome.problem());
      break;
    case Outcome::Kind::kAck:
      break;
  }
  requests_.Remember(envelope, record, *reply);
  Send(envelope, std::move(reply));
  return true;
}

bool Attempt::RetryLater(TaskWork& work, const bus::Record& record, const bus::Envelope& envelope,
                         const Outcome& outcome) {
  const Task& task = *work.task;
  const bool again = task.retried_offset == record.offset() && task.retried_topic == record.topic();
  const int attempt = again ? task.retries + 1 : 1;
  if (attempt >= settings_.max_attempts) {
    Bury(work, record, &envelope, fmt::format("gave up after {} attempts: {}", attempt, outcome.reason()));
    return true;
  }
  ++counts_.retries;
  work.retry = {.topic = std::string(record.topic()),
                .offset = record.offset(),
                .after = outcome.after(),
                .reason = outcome.reason()};
  return false;
}

void Attempt::Bury(TaskWork& work, const bus::Record& record, const bus::Envelope* envelope,
                   const std::string& reason) {
  ++counts_.dead;
  const std::string type = envelope == nullptr ? "" : std::string(envelope->type);
  kLog.Error("an event was kept as dead", {{"topic", record.topic()},
                                           {"partition", record.partition()},
                                           {"offset", record.offset()},
                                           {"key", Printable(record.key())},
                                           {"type", type},
                                           {"reason", reason}});
  kept_.push_back({.task = work.task->id,
                   .state = store::KeptState::kDead,
                   .key = std::string(record.key()),
                   .type = type,
                   .reason = reason,
                   .record = ToKept(record)});
  mesh::v1::EventDied died;
  died.set_group(group_.name());
  // A record without a key still needs one on mesh.dead.v1.
  died.set_key(record.key().empty() ? fmt::format("{}/{}/{}", record.topic(), record.partition(), record.offset())
                                    : Printable(record.key()));
  died.set_topic(std::string(record.topic()));
  died.set_partition(record.partition());
  died.set_offset(record.offset());
  died.set_type(Printable(type));
  died.set_event_id(envelope == nullptr ? "" : Printable(envelope->id));
  died.set_reason(Printable(reason));
  *died.mutable_death_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(now_));
  router_.Address(died, *work.outbox->add_events());

  if (envelope == nullptr) return;
  auto reply = std::make_unique<mesh::v1::Reply>();
  *reply->mutable_error() = errors::ToRpcStatus(
      {.code = absl::StatusCode::kInternal,
       .reason = "COMMAND_DEAD",
       .message = "the command could not be handled and was set aside; `tradewind tail mesh.dead.v1` shows why"});
  Send(*envelope, std::move(reply));
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
  for (auto& [partition, work] : works_) {
    if (!work.moved) continue;
    const Task& task = *work.task;
    NumberEvents(work);
    work.progress_blob = work.progress.Serialize(settings_.cluster_id);
    if (work.outbox->events_size() > 0) {
      work.outbox->set_source(task.source);
      work.outbox->set_epoch(task.epoch);
      work.outbox->set_time_us(absl::ToUnixMicros(now_));
      work.outbox_blob = work.outbox->SerializeAsString();
    }
    batch.tasks.push_back({.task = task.id,
                           .expected_epoch = task.epoch,
                           .expected_emit_sequence = task.emit_sequence,
                           .new_emit_sequence = work.new_emit_sequence,
                           .progress = work.progress_blob,
                           .outbox = work.outbox_blob,
                           .outbox_acknowledged = acknowledged(task)});
  }
  batch.aggregates = aggregates_.Writes();
  batch.requests = requests_.Writes();
  batch.kept = std::move(kept_);
  batch.kept_removed = std::move(kept_removed_);
  return batch;
}

}  // namespace tradewind::runtime
