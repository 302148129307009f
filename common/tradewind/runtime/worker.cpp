#include "tradewind/runtime/worker.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/random/random.h"

#include "tradewind/config/config.h"
#include "tradewind/errors/problem.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/runtime/attempt.h"
#include "tradewind/runtime/event_router.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/publisher.h"
#include "tradewind/runtime/replier.h"
#include "tradewind/runtime/takeover.h"
#include "tradewind/runtime/worker_metrics.h"

namespace tradewind::runtime {
namespace {

// How long a poll waits: with events on their way their deliveries are looked after in between.
constexpr absl::Duration kIdlePoll = absl::Milliseconds(100);
constexpr absl::Duration kBusyPoll = absl::Milliseconds(5);
// A quiet task drops its acknowledged outbox rows after this long, and Kafka's copy of its offsets is this far behind.
constexpr absl::Duration kTidyAfter = absl::Milliseconds(500);
constexpr absl::Duration kMirrorEvery = absl::Seconds(1);
constexpr absl::Duration kPruneEvery = absl::Minutes(1);
constexpr int64_t kPruneRows = 1000;
// What is published when a task goes away, or the worker stops, is waited for this long.
constexpr absl::Duration kSettleOnRevoke = absl::Seconds(1);
constexpr absl::Duration kSettleOnStop = absl::Seconds(5);
constexpr absl::Duration kCloseDeadline = absl::Seconds(5);
constexpr absl::Duration kFirstRetry = absl::Milliseconds(100);
constexpr absl::Duration kLongestRetry = absl::Minutes(1);

// 100 ms doubled for each failure, at most a minute, of which a random half.
absl::Duration Backoff(int failures) {
  static thread_local absl::BitGen random;
  const absl::Duration full = std::min(kFirstRetry * (1 << std::min(failures, 10)), kLongestRetry);
  return full * absl::Uniform(random, 0.5, 1.0);
}

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

class Worker::Impl final : public bus::AssignmentListener {
 public:
  Impl(WorkerPorts ports, WorkerConfig config)
      : ports_(std::move(ports)),
        config_(config),
        router_(ports_.topic_prefix, ports_.partition_counts),
        attempt_settings_{.max_attempts = config.max_attempts, .cluster_id = ports_.cluster_id},
        takeover_(*ports_.group, router_, *ports_.session, ports_.store_id, ports_.cluster_id, config.adopt_offsets),
        publisher_(*ports_.events),
        replier_(*ports_.replies, router_.FullTopic(std::string(bus::kRepliesTopic))),
        metrics_(ports_.group->name()) {}

  absl::Status Run();
  void Stop() { stopping_.store(true, std::memory_order_relaxed); }
  bool ready() const { return ready_.load(std::memory_order_acquire); }

 private:
  std::vector<bus::Position> OnAssigned(absl::Span<const int32_t> partitions) override;
  void OnRevoked(absl::Span<const int32_t> partitions) override;
  void OnLost(absl::Span<const int32_t> partitions) override;

  absl::Status Loop();
  absl::Status Gather(absl::Duration timeout);
  absl::Status Accept(bus::Record record);
  absl::Status ProcessGathered();
  absl::Status Process(absl::Span<Input> inputs);
  // False: another attempt is due, with what is left of the inputs.
  absl::StatusOr<bool> TryOnce(absl::Span<const Input> inputs, absl::Span<Task* const> tasks);
  absl::Status OnStoreError(const absl::Status& error, absl::Span<Input> inputs, absl::Span<Task* const> tasks);
  void AfterCommit(Attempt& attempt, const store::Batch& batch);
  // Makes the task what was committed.
  void Advance(TaskWork& work);
  // Pauses the tasks whose next message asked for a retry.
  void PutOff(Attempt& attempt);

  std::vector<bus::Position> TakeOver(absl::Span<const int32_t> partitions);
  void Disown(Task& task, std::string_view why);
  void PauseTask(Task& task, Task::State state, absl::Duration delay);
  void Revive(absl::Time now);
  void Throttle();
  void Forget(absl::Span<const int32_t> partitions);
  void Housekeep(absl::Time now, bool idle);
  void TidyOutboxes();
  void MirrorOffsets(absl::Span<const int32_t> partitions, bool wait);
  std::vector<int32_t> AllPartitions() const;
  std::vector<bus::Position> PositionsOf(const Task& task) const;

  const WorkerPorts ports_;
  const WorkerConfig config_;
  EventRouter router_;
  const AttemptSettings attempt_settings_;
  Takeover takeover_;
  Publisher publisher_;
  Replier replier_;
  WorkerMetrics metrics_;

  std::unique_ptr<bus::EventSource> source_;
  std::map<int32_t, std::unique_ptr<Task>> tasks_;
  std::vector<Input> gathered_;
  int64_t gathered_bytes_ = 0;
  // The outbox is full: all partitions are paused.
  bool throttled_ = false;
  absl::Time quiet_since_ = absl::InfinitePast();
  absl::Time mirrored_at_ = absl::InfinitePast();
  absl::Time pruned_at_ = absl::InfinitePast();
  // Makes Loop return.
  absl::Status fatal_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> ready_{false};
};

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

std::vector<bus::Position> Worker::Impl::OnAssigned(absl::Span<const int32_t> partitions) {
  std::vector<bus::Position> positions = TakeOver(partitions);
  ready_.store(true, std::memory_order_release);
  if (!throttled_) return positions;
  for (const bus::Position& position : positions) tasks_.at(position.partition)->state = Task::State::kPaused;
  return {};
}

std::vector<bus::Position> Worker::Impl::TakeOver(absl::Span<const int32_t> partitions) {
  std::vector<bus::Position> positions;
  for (const int32_t partition : partitions) {
    publisher_.Forget(partition);
    auto taken = takeover_.Take(*source_, partition);
    if (!taken.ok() && errors::Read(taken.status()) != errors::Reading::kRetryable) {
      if (fatal_.ok()) fatal_ = taken.status();
      continue;
    }
    if (!taken.ok()) {
      auto& task = tasks_[partition];
      if (task == nullptr) task = std::make_unique<Task>();
      task->id = {.group = ports_.group->name(), .partition = partition};
      task->state = Task::State::kDisowned;
      task->due = ports_.now() + Backoff(task->takeovers_failed++);
      kLog.Warn("a task could not be taken; trying again", {{"partition", partition}, {"error", taken.status()}});
      continue;
    }
    for (store::OutboxRow& row : taken->outbox) {
      auto batch = std::make_unique<mesh::v1::OutboxBatch>();
      batch->ParseFromString(row.batch);
      publisher_.Append(partition, row.sequence, std::move(batch));
    }
    tasks_[partition] = std::move(taken->task);
    positions.insert(positions.end(), taken->positions.begin(), taken->positions.end());
  }
  return positions;
}

void Worker::Impl::Disown(Task& task, std::string_view why) {
  kLog.Warn("a task is taken anew", {{"partition", task.id.partition}, {"why", why}});
  publisher_.Forget(task.id.partition);
  task.offsets_moved = false;
  PauseTask(task, Task::State::kDisowned, Backoff(task.takeovers_failed++));
}

void Worker::Impl::PauseTask(Task& task, Task::State state, absl::Duration delay) {
  task.state = state;
  task.due = ports_.now() + delay;
  const int32_t partition = task.id.partition;
  // Not essential: what comes in meanwhile is dropped, and read again from the position it resumes at.
  if (const absl::Status paused = source_->Pause({&partition, 1}); !paused.ok()) {
    kLog.Debug("pausing failed", {{"partition", partition}, {"error", paused}});
  }
}

void Worker::Impl::Revive(absl::Time now) {
  if (throttled_) return;
  std::vector<int32_t> anew;
  std::vector<bus::Position> positions;
  for (auto& [partition, task] : tasks_) {
    if (task->due > now) continue;
    if (task->state == Task::State::kDisowned) anew.push_back(partition);
    if (task->state == Task::State::kPaused) {
      task->state = Task::State::kRunning;
      const auto own = PositionsOf(*task);
      positions.insert(positions.end(), own.begin(), own.end());
    }
  }
  if (!anew.empty()) {
    const auto own = TakeOver(anew);
    positions.insert(positions.end(), own.begin(), own.end());
  }
  if (positions.empty()) return;
  if (const absl::Status resumed = source_->Resume(positions); !resumed.ok() && fatal_.ok()) fatal_ = resumed;
}

void Worker::Impl::Throttle() {
  const int64_t bytes = publisher_.unacknowledged_bytes();
  metrics_.outbox_bytes.Set(static_cast<double>(bytes));
  if (!throttled_ && bytes >= config_.outbox_bytes) {
    throttled_ = true;
    kLog.Warn("the outbox is full; taking no more input until Kafka has taken some of it", {{"bytes", bytes}});
    for (auto& [partition, task] : tasks_) {
      if (task->state == Task::State::kRunning) PauseTask(*task, Task::State::kPaused, absl::ZeroDuration());
    }
  } else if (throttled_ && bytes <= config_.outbox_bytes / 2) {
    throttled_ = false;
    kLog.Info("the outbox has room again", {{"bytes", bytes}});
  }
}

void Worker::Impl::OnLost(absl::Span<const int32_t> partitions) { Forget(partitions); }

void Worker::Impl::OnRevoked(absl::Span<const int32_t> partitions) {
  publisher_.Settle(partitions, absl::Now() + kSettleOnRevoke);
  TidyOutboxes();
  MirrorOffsets(partitions, /*wait=*/true);
  Forget(partitions);
}

void Worker::Impl::Forget(absl::Span<const int32_t> partitions) {
  const std::set<int32_t> gone(partitions.begin(), partitions.end());
  std::erase_if(gathered_, [&](const Input& input) { return gone.contains(input.task->id.partition); });
  for (const int32_t partition : partitions) {
    publisher_.Forget(partition);
    tasks_.erase(partition);
  }
}

void Worker::Impl::Housekeep(absl::Time now, bool idle) {
  if (!idle) quiet_since_ = now;
  if (idle && now - quiet_since_ >= kTidyAfter) {
    TidyOutboxes();
    quiet_since_ = now;
  }
  if (now - mirrored_at_ >= kMirrorEvery) {
    mirrored_at_ = now;
    MirrorOffsets(AllPartitions(), /*wait=*/false);
  }
  if (now - pruned_at_ >= kPruneEvery) {
    pruned_at_ = now;
    const auto pruned = ports_.session->PruneRequests(now - config_.request_retention, kPruneRows);
    if (!pruned.ok()) kLog.Warn("old answers to requests were not removed", {{"error", pruned.status()}});
    // A full round means that there is more.
    if (pruned.ok() && *pruned == kPruneRows) pruned_at_ = absl::InfinitePast();
  }
}

void Worker::Impl::TidyOutboxes() {
  store::Batch batch;
  batch.now = ports_.now();
  std::vector<std::string> blobs;
  blobs.reserve(tasks_.size());
  std::vector<Task*> tidied;
  for (auto& [partition, task] : tasks_) {
    const uint64_t acknowledged = publisher_.Acknowledged(partition);
    if (task->state == Task::State::kDisowned || acknowledged <= task->outbox_dropped) continue;
    blobs.push_back(task->progress.Serialize(ports_.cluster_id));
    tidied.push_back(task.get());
    batch.tasks.push_back({.task = task->id,
                           .expected_epoch = task->epoch,
                           .expected_emit_sequence = task->emit_sequence,
                           .new_emit_sequence = task->emit_sequence + 1,
                           .progress = blobs.back(),
                           .outbox_acknowledged = acknowledged});
  }
  if (batch.tasks.empty()) return;
  const auto result = ports_.session->Commit(batch);
  if (result.ok() && result->kind == store::CommitResult::Kind::kCommitted) {
    for (size_t i = 0; i < tidied.size(); ++i) {
      ++tidied[i]->emit_sequence;
      tidied[i]->outbox_dropped = batch.tasks[i].outbox_acknowledged;
    }
    return;
  }
  // In doubt or fenced: nothing is lost, the rows are sent once more by whoever takes the task next.
  for (Task* task : tidied) Disown(*task, "its outbox could not be tidied");
}

void Worker::Impl::MirrorOffsets(absl::Span<const int32_t> partitions, bool wait) {
  std::vector<bus::CommittedOffset> offsets;
  for (const int32_t partition : partitions) {
    const auto found = tasks_.find(partition);
    if (found == tasks_.end() || !found->second->offsets_moved) continue;
    Task& task = *found->second;
    task.offsets_moved = false;
    const std::string metadata = OffsetMetadata{ports_.store_id, task.epoch}.ToString();
    for (const InputProgress& input : task.progress.inputs()) {
      offsets.push_back({input.topic(), partition, input.next_offset(), metadata});
    }
  }
  if (offsets.empty()) return;
  if (const absl::Status committed = source_->CommitOffsets(offsets, wait); !committed.ok()) {
    kLog.Debug("offsets were not mirrored to Kafka; the store has them", {{"error", committed}});
  }
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
    positions.push_back({.topic = input.topic(), .partition = task.id.partition, .offset = input.next_offset()});
  }
  return positions;
}

}  // namespace tradewind::runtime
