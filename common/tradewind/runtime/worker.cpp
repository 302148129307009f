#include "tradewind/runtime/worker.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tradewind/config/config.h"
#include "tradewind/errors/problem.h"
#include "tradewind/faults/crash_point.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/worker_impl.h"

namespace tradewind::runtime {
namespace {

// How long a poll waits: with events on their way their deliveries are looked after in between.
constexpr absl::Duration kIdlePoll = absl::Milliseconds(100);
constexpr absl::Duration kBusyPoll = absl::Milliseconds(5);
// When the worker stops: the effects that run and what was published are waited for this long together, the latter for
// a second in any case; then the group is left.
constexpr absl::Duration kSettleOnStop = absl::Seconds(5);
constexpr absl::Duration kShortestSettle = absl::Seconds(1);
constexpr absl::Duration kSettleReplies = absl::Seconds(1);
constexpr absl::Duration kCloseDeadline = absl::Seconds(5);

}  // namespace

void Describe(config::Schema& schema, WorkerConfig& config) {
  auto section = schema.Section("runtime", "The processing loop.");
  section.Field("batch_messages", &config.batch_messages, "messages in one transaction, at most").Min(1).Max(100'000);
  section.Field("batch_bytes", &config.batch_bytes, "bytes of messages in one transaction, at most").Min(1024);
  section.Field("batch_time", &config.batch_time, "time in which the messages of one transaction are handled, at most")
      .Min(absl::Milliseconds(1));
  section
      .Field("outbox_bytes", &config.outbox_bytes,
             "bytes committed and not yet acknowledged by Kafka at which no more input is taken")
      .Min(1024);
  section.Field("max_attempts", &config.max_attempts, "times a message is handled that fails; then it is kept as dead")
      .Min(1);
  section
      .Field("max_deaths", &config.max_deaths,
             "times the process may end while it handles a message by itself; then the message is kept as dead")
      .Min(1);
  section
      .Field("first_retry", &config.first_retry,
             "delay before a message that failed is handled again; each further delay is 5.4 times as long")
      .Min(absl::Milliseconds(1));
  section.Field("longest_retry", &config.longest_retry, "the longest such delay").Min(absl::Milliseconds(1));
  section
      .Field("parked_keys", &config.parked_keys,
             "keys of a task behind which messages may wait; at this many the task reads nothing more")
      .Min(1);
  section
      .Field("max_held_events", &config.max_held_events,
             "events of a topic and partition that may wait behind gaps; at this many nothing more is read of it")
      .Min(1);
  section.Field("effect_threads", &config.effect_threads, "effects that run at once in this process")
      .Min(1)
      .Max(10'000);
  section
      .Field("effect_backlog", &config.effect_backlog,
             "effects of a task that may wait or run; at this many it reads nothing more")
      .Min(1)
      .Max(100'000);
  section
      .Field("effect_bytes", &config.effect_bytes,
             "bytes of a task's effects that may wait or run; at this many it reads nothing more")
      .Min(1024);
  section.Field("timer_tick", &config.timer_tick, "how late a timer or a retry may be").Min(absl::Milliseconds(1));
  section.Field("request_retention", &config.request_retention, "how long answers to a request_id are kept")
      .Min(absl::Minutes(1));
  section.Field("adopt_offsets", &config.adopt_offsets,
                "go on although Kafka knows another store, or a newer state of this one, for this group");
  section
      .Field(
          "accept_unmarked_events", &config.accept_unmarked_events,
          "take events of an earlier version, which do not name their mesh, for this mesh's; auto: where the store is "
          "of one too")
      .OneOf({"auto", "true", "false"});
}

Worker::Worker(WorkerPorts ports, const WorkerConfig& config)
    : impl_(std::make_unique<Impl>(std::move(ports), config)) {}
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
    if (lanes_ != nullptr) lanes_->Stop();
    const absl::Time end = clock::SteadyNow() + kSettleOnStop;
    FinishEffects(partitions, kSettleOnStop);
    publisher_.Settle(partitions, std::max(end - clock::SteadyNow(), kShortestSettle));
  }
  const absl::Status closed = source_->Close(kCloseDeadline);
  if (!closed.ok()) kLog.Warn("leaving the consumer group failed", {{"error", closed}});
  replier_.Settle(kSettleReplies);
  return result;
}

absl::Status Worker::Impl::Loop() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    const absl::Time now = clock_.Now();
    if (const absl::Duration step = clock_.TakeStep(); step > absl::ZeroDuration()) CatchUpAfterStep(step);
    publisher_.Pump();
    replier_.Pump();
    Revive(now);
    Throttle();
    gathered_bytes_ = 0;
    left_over_ = gathered_.size();
    GatherFinished();
    StartCarefully();
    if (absl::Status gathered = GatherHeld(); !gathered.ok()) return gathered;
    if (absl::Status gathered = GatherDue(now); !gathered.ok()) return gathered;
    const bool busy = publisher_.unacknowledged_bytes() > 0 || (lanes_ != nullptr && lanes_->busy());
    const absl::Duration timeout =
        std::min(busy ? kBusyPoll : kIdlePoll, std::max(NextDue() - now, absl::ZeroDuration()));
    if (absl::Status gathered = Gather(timeout); !gathered.ok()) return gathered;
    const bool idle = gathered_.empty();
    if (absl::Status processed = ProcessGathered(); !processed.ok()) return processed;
    Housekeep(now, idle);
    if (!fatal_.ok()) return fatal_;
  }
  return absl::OkStatus();
}

absl::Status Worker::Impl::Gather(absl::Duration timeout) {
  const auto is_full = [this] {
    return gathered_.size() >= static_cast<size_t>(config_.batch_messages) ||
           left_over_bytes_ + gathered_bytes_ >= config_.batch_bytes;
  };
  // Kafka is asked once in any case: a member of the group that does not ask is thrown out of it.
  for (bool first = true; first || !is_full(); first = false) {
    auto record = source_->Poll(gathered_.empty() ? timeout : absl::ZeroDuration());
    if (!record.ok()) return record.status();
    if (!record->has_value()) break;
    Accept(*std::move(*record));
  }
  return absl::OkStatus();
}

void Worker::Impl::Accept(bus::Record record) {
  const auto found = tasks_.find(record.partition());
  if (found == tasks_.end() || found->second->state != Task::State::kRunning) return;
  Task& task = *found->second;
  if (task.crowded || task.stopped_topics.contains(record.topic())) return;
  if (absl::Status checked = CheckFirstRecord(task, record); !checked.ok()) {
    std::erase_if(gathered_, [&](const Input& input) { return input.task == &task; });
    return StopTask(task, checked);
  }
  gathered_bytes_ += bus::SizeOf(record);
  Input& input = gathered_.emplace_back(Input{&task, std::move(record), absl::StatusOr<bus::Envelope>()});
  input.envelope = bus::ParseEnvelope(input.record);
}

absl::Status Worker::Impl::ProcessGathered() {
  std::vector<Input> inputs;
  inputs.swap(gathered_);
  // Effects are not dangerous until they run: StartCarefully marks them.
  const auto careful = std::stable_partition(
      inputs.begin(), inputs.end(), [this](const Input& input) { return lanes_ != nullptr || !input.task->careful; });
  const auto others = static_cast<size_t>(careful - inputs.begin());
  absl::Status processed = Process(absl::MakeSpan(inputs.data(), others));
  const size_t taken = std::min(taken_, others);
  size_t one_by_one = 0;
  if (processed.ok()) {
    processed = ProcessOneByOne(absl::MakeSpan(inputs.data() + others, inputs.size() - others), one_by_one);
  }
  const auto first_careful = inputs.begin() + static_cast<std::ptrdiff_t>(others);
  inputs.erase(first_careful, first_careful + static_cast<std::ptrdiff_t>(one_by_one));
  inputs.erase(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(taken));
  LeaveOver(inputs);
  for (auto& [partition, task] : tasks_) task->changed_timers.clear();
  // Gives the buffer back for the next batch.
  gathered_.swap(inputs);
  return processed;
}

void Worker::Impl::LeaveOver(std::vector<Input>& inputs) {
  left_over_bytes_ = 0;
  for (const Input& input : inputs) {
    if (!IsInStore(input)) {
      left_over_bytes_ += bus::SizeOf(input.record);
      continue;
    }
    looked_at_ = absl::InfinitePast();
    if (!input.timer.empty()) input.task->next_timer = absl::InfinitePast();
  }
  std::erase_if(inputs, IsInStore);
}

absl::Status Worker::Impl::ProcessOneByOne(absl::Span<Input> inputs, size_t& taken) {
  const absl::Time end = clock::SteadyNow() + config_.batch_time;
  for (taken = 0; taken < inputs.size() && (taken == 0 || clock::SteadyNow() < end); ++taken) {
    Input& input = inputs[taken];
    // The mark of a message that a process has died with stays until that message comes again: it may be behind others.
    const std::optional<Suspect>& suspect = input.task->progress.suspect();
    const bool marks = !suspect.has_value() || IsSuspect(*suspect, input.record);
    if (input.task->state == Task::State::kRunning && marks && IsNext(input)) Mark(*input.task, input.record);
    if (absl::Status processed = Process(absl::MakeSpan(&input, 1)); !processed.ok()) return processed;
  }
  return absl::OkStatus();
}

bool Worker::Impl::IsNext(const Input& input) {
  const Task& task = *input.task;
  if (!input.timer.empty()) return !task.changed_timers.contains({std::string(input.record.key()), input.timer});
  if (input.queued.has_value()) return IsDue(*input.queued, task.queues.DueOf(QueueKeyOf(input.record)));
  const InputProgress* const progress = task.progress.FindInput(input.record.topic());
  if (progress == nullptr) return false;
  if (input.held.has_value()) return input.envelope.ok() && progress->Judge(*input.envelope) == Verdict::kTake;
  // What comes before is read once more only to see that the log is the one that was left.
  return input.record.offset() >= progress->next_offset();
}

void Worker::Impl::Mark(Task& task, const bus::Record& record) {
  std::optional<Suspect>& suspect = task.progress.suspect();
  const int32_t before = suspect.has_value() && IsSuspect(*suspect, record) ? suspect->attempts : 0;
  suspect = Suspect{std::string(record.topic()), record.offset(), bus::Fingerprint(record), before + 1};
  CommitAlone(task, {}, "a message could not be marked before it is handled");
}

void Worker::Impl::CommitAlone(Task& task, store::Batch batch, std::string_view why_not) {
  const std::string progress = task.progress.Serialize(ports_.cluster_id);
  batch.now = clock_.Now();
  batch.tasks.push_back({.task = task.id,
                         .expected_epoch = task.epoch,
                         .expected_emit_sequence = task.emit_sequence,
                         .new_emit_sequence = task.emit_sequence + 1,
                         .progress = progress});
  const auto result = ports_.session->Commit(batch);
  if (result.ok() && result->kind == store::CommitResult::Kind::kCommitted) {
    ++task.emit_sequence;
  } else {
    Disown(task, why_not);
  }
}

bool Worker::Impl::Runs(int32_t partition) const {
  const auto task = tasks_.find(partition);
  return task != tasks_.end() && task->second->state == Task::State::kRunning;
}

absl::Status Worker::Impl::Process(absl::Span<Input> inputs) {
  while (true) {
    // A conflict or a takeover can have paused a task since its records were gathered.
    std::vector<Task*> tasks;
    for (const Input& input : inputs) {
      if (input.task->state == Task::State::kRunning) tasks.push_back(input.task);
    }
    // Requests of a task that does not run are asked for again once it does.
    std::erase_if(requested_, [this](const store::KeptRecord& kept) { return !Runs(kept.task.partition); });
    for (const store::KeptRecord& kept : requested_) tasks.push_back(tasks_.at(kept.task.partition).get());
    std::sort(tasks.begin(), tasks.end());
    tasks.erase(std::unique(tasks.begin(), tasks.end()), tasks.end());
    taken_ = inputs.size();
    if (tasks.empty()) return absl::OkStatus();
    const auto done = TryOnce(inputs, tasks);
    if (!done.ok()) return OnStoreError(done.status(), inputs, tasks);
    if (*done) return absl::OkStatus();
  }
}

absl::StatusOr<bool> Worker::Impl::TryOnce(absl::Span<Input> inputs, absl::Span<Task* const> tasks) {
  const absl::Time started = clock::SteadyNow();
  Attempt attempt(*ports_.group, router_, *ports_.session, attempt_settings_, clock_.Now(), ports_.wall_now());
  if (absl::Status run = attempt.Run(inputs, tasks, requested_); !run.ok()) return run;
  taken_ = attempt.taken();
  if (!attempt.moved()) {
    StartEffects(attempt);
    for (auto& [partition, work] : attempt.works()) Crowd(*work.task);
    return true;
  }
  const store::Batch batch =
      attempt.Finish([this](const Task& task) { return publisher_.Acknowledged(task.id.partition); });
  TRADEWIND_CRASH_POINT("batch.decided");
  auto result = ports_.session->Commit(batch);
  if (!result.ok()) return result.status();
  switch (result->kind) {
    case store::CommitResult::Kind::kConflict:
      metrics_.conflicts.Add();
      return false;
    case store::CommitResult::Kind::kFenced:
      requested_.clear();
      for (const size_t index : result->fenced_tasks) {
        metrics_.fenced.Add();
        Disown(*tasks_.at(batch.tasks[index].task.partition), "another owner has taken it");
      }
      return false;
    case store::CommitResult::Kind::kCommitted:
      metrics_.Committed(attempt.counts(), clock::SteadyNow() - started);
      AfterCommit(attempt, batch, *result);
      return true;
  }
  return true;
}

absl::Status Worker::Impl::OnStoreError(const absl::Status& error, absl::Span<Input> inputs,
                                        absl::Span<Task* const> tasks) {
  // Perhaps carried out: asked for again, they are known to be open.
  const std::vector<store::KeptRecord> requested = std::exchange(requested_, {});
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
  // The store refuses something in this batch: one request and one message at a time shows which.
  if (requested.size() == 1 && inputs.empty()) {
    GiveUp(requested[0], error);
    return absl::OkStatus();
  }
  if (!requested.empty()) {
    for (const store::KeptRecord& kept : requested) {
      requested_ = {kept};
      if (absl::Status processed = Process({}); !processed.ok()) return processed;
    }
    return Process(inputs);
  }
  if (inputs.size() > 1) {
    for (Input& input : inputs) {
      if (absl::Status processed = Process(absl::MakeSpan(&input, 1)); !processed.ok()) return processed;
    }
    taken_ = inputs.size();
    return absl::OkStatus();
  }
  if (inputs.empty() || !inputs[0].refused.empty()) {
    // Not even setting it aside is taken. The tasks are looked at again in a minute; nobody else has to wait for that.
    for (Task* task : tasks) StopTask(*task, error);
    return absl::OkStatus();
  }
  inputs[0].refused = "the store refused what followed from it: " + std::string(error.message());
  return Process(inputs);
}

void Worker::Impl::AfterCommit(Attempt& attempt, const store::Batch& batch, const store::CommitResult& result) {
  for (const store::TaskCommit& commit : batch.tasks) {
    tasks_.at(commit.task.partition)->DropOutbox(commit.outbox_acknowledged);
  }
  TRADEWIND_CRASH_POINT("batch.committed");
  replier_.Send(attempt.replies());
  for (auto& [partition, work] : attempt.works()) {
    if (!work.moved) continue;
    AdvanceHeld(work, result);
    Advance(work);
  }
  requested_.clear();
  StartEffects(attempt);
  for (auto& [partition, work] : attempt.works()) {
    Crowd(*work.task);
    LimitHeld(*work.task);
  }
  publisher_.Pump();
}

void Worker::Impl::Advance(TaskWork& work) {
  Task& task = *work.task;
  task.progress = std::move(work.progress);
  for (const RepeatedEvent& event : work.repeats) {
    repeats_.Note(task.id.partition, task.progress, event, ports_.wall_now());
  }
  task.emit_sequence = work.new_emit_sequence;
  task.suspect_runs = task.suspect_runs && task.progress.suspect().has_value();
  task.offsets_moved = true;
  if (work.outbox->events_size() > 0) {
    publisher_.Append(task.id.partition, work.new_emit_sequence, std::move(work.outbox));
  }
  for (const auto& [key_and_name, timer] : work.timers) {
    if (timer.has_value()) task.next_timer = std::min(task.next_timer, timer->due);
    task.changed_timers.insert(key_and_name);
  }
  AdvanceQueues(work);
  for (auto& [topic, offsets] : task.to_read_again) {
    const InputProgress* input = task.progress.FindInput(topic);
    std::erase_if(offsets, [&](int64_t offset) {
      return !std::binary_search(input->pending().begin(), input->pending().end(), offset);
    });
  }
}

}  // namespace tradewind::runtime
