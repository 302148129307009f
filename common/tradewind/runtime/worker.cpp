#include "tradewind/runtime/worker.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tradewind/config/config.h"
#include "tradewind/errors/problem.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/worker_impl.h"

namespace tradewind::runtime {
namespace {

// How long a poll waits: with events on their way their deliveries are looked after in between.
constexpr absl::Duration kIdlePoll = absl::Milliseconds(100);
constexpr absl::Duration kBusyPoll = absl::Milliseconds(5);
// What was published when the worker stops is waited for this long, then the group is left.
constexpr absl::Duration kSettleOnStop = absl::Seconds(5);
constexpr absl::Duration kCloseDeadline = absl::Seconds(5);

}  // namespace

void Describe(config::Schema& schema, WorkerConfig& config) {
  auto section = schema.Section("runtime", "The processing loop.");
  section.Field("batch_messages", &config.batch_messages, "messages in one transaction, at most").Min(1).Max(100'000);
  section.Field("batch_bytes", &config.batch_bytes, "bytes of messages in one transaction, at most").Min(1024);
  section
      .Field("outbox_bytes", &config.outbox_bytes,
             "bytes committed and not yet acknowledged by Kafka at which no more input is taken")
      .Min(1024);
  section
      .Field("max_attempts", &config.max_attempts,
             "times a message is handled while its handler asks for a retry; then it is kept as dead")
      .Min(1);
  section.Field("request_retention", &config.request_retention, "how long answers to a request_id are kept")
      .Min(absl::Minutes(1));
  section.Field("adopt_offsets", &config.adopt_offsets,
                "go on although Kafka knows another store, or a newer state of this one, for this group");
}

Worker::Worker(WorkerPorts ports, WorkerConfig config) : impl_(std::make_unique<Impl>(std::move(ports), config)) {}
Worker::~Worker() = default;
absl::Status Worker::Run() { return impl_->Run(); }
void Worker::Stop() { impl_->Stop(); }
bool Worker::ready() const { return impl_->ready(); }

absl::Status Worker::Impl::Run() {
  auto source = ports_.make_source(*this);
  if (!source.ok()) return source.status();
  source_ = *std::move(source);
  absl::Status result = Loop();
  if (result.ok()) {
    const std::vector<int32_t> partitions = AllPartitions();
    publisher_.Settle(partitions, absl::Now() + kSettleOnStop);
  }
  const absl::Status closed = source_->Close(kCloseDeadline);
  if (!closed.ok()) kLog.Warn("leaving the consumer group failed", {{"error", closed}});
  replier_.Settle(absl::Now() + absl::Seconds(1));
  return result;
}

absl::Status Worker::Impl::Loop() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    const absl::Time now = ports_.now();
    publisher_.Pump(now);
    replier_.Pump();
    Revive(now);
    Throttle();
    const bool busy = publisher_.unacknowledged_bytes() > 0;
    if (absl::Status gathered = Gather(busy ? kBusyPoll : kIdlePoll); !gathered.ok()) return gathered;
    const bool idle = gathered_.empty();
    if (absl::Status processed = ProcessGathered(); !processed.ok()) return processed;
    Housekeep(now, idle);
    if (!fatal_.ok()) return fatal_;
  }
  return absl::OkStatus();
}

absl::Status Worker::Impl::Gather(absl::Duration timeout) {
  gathered_bytes_ = 0;
  while (gathered_.size() < static_cast<size_t>(config_.batch_messages) && gathered_bytes_ < config_.batch_bytes) {
    auto record = source_->Poll(gathered_.empty() ? timeout : absl::ZeroDuration());
    if (!record.ok()) return record.status();
    if (!record->has_value()) break;
    if (absl::Status accepted = Accept(*std::move(*record)); !accepted.ok()) return accepted;
  }
  return absl::OkStatus();
}

absl::Status Worker::Impl::Accept(bus::Record record) {
  const auto found = tasks_.find(record.partition());
  if (found == tasks_.end() || found->second->state != Task::State::kRunning) return absl::OkStatus();
  Task& task = *found->second;
  if (absl::Status checked = CheckFirstRecord(task, record); !checked.ok()) return checked;
  gathered_bytes_ += static_cast<int64_t>(record.value().size() + record.key().size());
  Input& input = gathered_.emplace_back(Input{&task, std::move(record), absl::StatusOr<bus::Envelope>()});
  input.envelope = bus::ParseEnvelope(input.record);
  return absl::OkStatus();
}

absl::Status Worker::Impl::ProcessGathered() {
  std::vector<Input> inputs;
  inputs.swap(gathered_);
  absl::Status processed = Process(absl::MakeSpan(inputs));
  inputs.clear();
  // Gives the buffer back for the next batch.
  gathered_.swap(inputs);
  return processed;
}

absl::Status Worker::Impl::Process(absl::Span<Input> inputs) {
  while (true) {
    // A conflict or a takeover can have paused a task since its records were gathered.
    std::vector<Task*> tasks;
    for (const Input& input : inputs) {
      if (input.task->state == Task::State::kRunning) tasks.push_back(input.task);
    }
    for (const auto& [partition, task] : tasks_) {
      if (task->state == Task::State::kRunning && !task->held.empty()) tasks.push_back(task.get());
    }
    std::sort(tasks.begin(), tasks.end());
    tasks.erase(std::unique(tasks.begin(), tasks.end()), tasks.end());
    if (tasks.empty()) return absl::OkStatus();
    const auto done = TryOnce(inputs, tasks);
    if (!done.ok()) return OnStoreError(done.status(), inputs, tasks);
    if (*done) return absl::OkStatus();
  }
}

absl::StatusOr<bool> Worker::Impl::TryOnce(absl::Span<const Input> inputs, absl::Span<Task* const> tasks) {
  const absl::Time started = absl::Now();
  Attempt attempt(*ports_.group, router_, *ports_.session, attempt_settings_, ports_.now());
  if (absl::Status run = attempt.Run(inputs, tasks); !run.ok()) return run;
  if (!attempt.moved()) {
    PutOff(attempt);
    return true;
  }
  const store::Batch batch =
      attempt.Finish([this](const Task& task) { return publisher_.Acknowledged(task.id.partition); });
  auto result = ports_.session->Commit(batch);
  if (!result.ok()) return result.status();
  switch (result->kind) {
    case store::CommitResult::Kind::kConflict:
      metrics_.conflicts.Add();
      return false;
    case store::CommitResult::Kind::kFenced:
      for (const size_t index : result->fenced_tasks) {
        metrics_.fenced.Add();
        Disown(*tasks_.at(batch.tasks[index].task.partition), "another owner has taken it");
      }
      return false;
    case store::CommitResult::Kind::kCommitted:
      metrics_.Committed(attempt.counts(), absl::Now() - started);
      AfterCommit(attempt, batch);
      return true;
  }
  return true;
}

absl::Status Worker::Impl::OnStoreError(const absl::Status& error, absl::Span<Input> inputs,
                                        absl::Span<Task* const> tasks) {
  switch (errors::Read(error)) {
    case errors::Reading::kFatal:
      return error;
    case errors::Reading::kRetryable:
      kLog.Warn("the store is away; its tasks are taken anew when it is back", {{"error", error}});
      for (Task* task : tasks) Disown(*task, "the store is away");
      return absl::OkStatus();
    case errors::Reading::kPermanent:
      break;
  }
  // The store refuses something in this batch: one message at a time shows which.
  if (inputs.size() > 1) {
    for (Input& input : inputs) {
      if (absl::Status processed = Process(absl::MakeSpan(&input, 1)); !processed.ok()) return processed;
    }
    return absl::OkStatus();
  }
  if (inputs.empty() || !inputs[0].envelope.ok()) return error;
  inputs[0].envelope = absl::InvalidArgumentError("the store refused it: " + std::string(error.message()));
  return Process(inputs);
}

void Worker::Impl::AfterCommit(Attempt& attempt, const store::Batch& batch) {
  for (const store::TaskCommit& commit : batch.tasks) {
    tasks_.at(commit.task.partition)->outbox_dropped = commit.outbox_acknowledged;
  }
  replier_.Send(attempt.replies());
  for (auto& [partition, work] : attempt.works()) {
    if (work.moved) Advance(work);
  }
  publisher_.Pump(ports_.now());
  PutOff(attempt);
}

void Worker::Impl::Advance(TaskWork& work) {
  Task& task = *work.task;
  task.progress = std::move(work.progress);
  task.emit_sequence = work.new_emit_sequence;
  task.offsets_moved = true;
  if (work.outbox->events_size() > 0) {
    publisher_.Append(task.id.partition, work.new_emit_sequence, std::move(work.outbox));
  }
  for (const auto& [chain, taken] : work.held_taken) {
    const auto held = task.held.find(chain);
    if (held == task.held.end()) continue;
    held->second.erase(held->second.begin(), held->second.begin() + static_cast<std::ptrdiff_t>(taken));
    if (held->second.empty()) task.held.erase(held);
  }
  if (work.held_added) {
    const absl::Status held = Takeover::LoadHeld(*ports_.session, task);
    if (!held.ok()) Disown(task, std::string(held.message()));
  }
}

void Worker::Impl::PutOff(Attempt& attempt) {
  for (auto& [partition, work] : attempt.works()) {
    Task& task = *work.task;
    if (!work.retry.has_value() || task.state != Task::State::kRunning) continue;
    const TaskWork::Retry& retry = *work.retry;
    const bool again = task.retried_offset == retry.offset && task.retried_topic == retry.topic;
    task.retries = again ? task.retries + 1 : 1;
    task.retried_topic = retry.topic;
    task.retried_offset = retry.offset;
    const absl::Duration delay = std::max(retry.after, Backoff(task.retries - 1));
    kLog.Warn("a message is handled again later", {{"topic", retry.topic},
                                                   {"partition", partition},
                                                   {"offset", retry.offset},
                                                   {"attempt", task.retries},
                                                   {"retry_in", delay},
                                                   {"reason", retry.reason}});
    PauseTask(task, Task::State::kPaused, delay);
  }
}

}  // namespace tradewind::runtime
