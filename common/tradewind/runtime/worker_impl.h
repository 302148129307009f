// The inside of a Worker: worker.cpp is the loop and the batch, worker_due.cpp what comes from the store and not from
// Kafka, worker_held.cpp what stood behind gaps, worker_effects.cpp the running of effects, worker_tasks.cpp the coming
// and going of tasks, worker_upkeep.cpp what is done in quiet moments. For these files only.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tradewind/bus/envelope.h"
#include "tradewind/clock/stepping_clock.h"
#include "tradewind/runtime/attempt.h"
#include "tradewind/runtime/effect_lanes.h"
#include "tradewind/runtime/event_router.h"
#include "tradewind/runtime/publisher.h"
#include "tradewind/runtime/repeat_watch.h"
#include "tradewind/runtime/replier.h"
#include "tradewind/runtime/takeover.h"
#include "tradewind/runtime/worker.h"
#include "tradewind/runtime/worker_metrics.h"

namespace tradewind::runtime {

// How long to wait after so many failures to take a task: 100 ms doubled for each, at most a minute, of which a random
// half.
absl::Duration Backoff(int failures);

class Worker::Impl final : public bus::AssignmentListener {
 public:
  Impl(WorkerPorts ports, const WorkerConfig& config)
      : ports_(std::move(ports)),
        config_(config),
        clock_(ports_.wall_now, ports_.steady_now),
        router_(ports_.topic_prefix, ports_.partition_counts),
        attempt_settings_{
            .max_batch_time = config.batch_time,
            .max_attempts = config.max_attempts,
            .max_deaths = config.max_deaths,
            .first_retry = config.first_retry,
            .longest_retry = config.longest_retry,
            .cluster_id = ports_.cluster_id,
            .mesh = bus::MeshName(ports_.cluster_id, ports_.topic_prefix),
            .accept_unmarked = ports_.accept_unmarked_events,
            .rekeyed_topic = router_.FullTopic(ports_.group->RekeyedTopic()),
            .timers_topic = router_.FullTopic(std::string(kTimersTopic)),
            .notices = &notices_,
            .handler_running = telemetry::NewAge(
                "tradewind_handler_running_seconds",
                "Since the handler that runs now was called: nothing else of its group is done meanwhile.",
                {{"group", ports_.group->name()}}),
            .ask_partitions = ports_.ask_partitions},
        takeover_(*ports_.group, router_, *ports_.session, ports_.store_id, ports_.cluster_id, config.adopt_offsets),
        publisher_(*ports_.events, ports_.make_events, attempt_settings_.mesh),
        replier_(*ports_.replies, router_.FullTopic(std::string(bus::kRepliesTopic))),
        metrics_(ports_.group->name()),
        repeats_(ports_.group->name()),
        lanes_(ports_.group->runs_effects()
                   ? std::make_unique<EffectLanes>(config.effect_threads, ports_.group->input_types().size())
                   : nullptr) {}

  absl::Status Run();
  void Stop() { stopping_.store(true, std::memory_order_relaxed); }
  bool ready() const { return ready_.load(std::memory_order_acquire); }

 private:
  std::vector<bus::Position> OnAssigned(absl::Span<const int32_t> partitions) override;
  void OnRevoked(absl::Span<const int32_t> partitions) override;
  void OnLost(absl::Span<const int32_t> partitions) override;
  void OnUnreadable(int32_t partition, const absl::Status& why) override;

  absl::Status Loop();
  absl::Status Gather(absl::Duration timeout);
  void Accept(bus::Record record);
  absl::Status ProcessGathered();
  // Keeps of `inputs`, for which the batch had no time, those that the store does not have; the others are due again.
  void LeaveOver(std::vector<Input>& inputs);
  // `taken` is set to how many of them the time of a batch was enough for: whoever asks Kafka too seldom loses its
  // tasks.
  absl::Status ProcessOneByOne(absl::Span<Input> inputs, size_t& taken);
  // Whether the input will be handled, and not passed over.
  static bool IsNext(const Input& input);
  // Notes in the store that the message is about to be handled.
  void Mark(Task& task, const bus::Record& record);
  // Commits the task's row as it is with what else is in the batch; gives the task up where that fails.
  void CommitAlone(Task& task, store::Batch batch, std::string_view why_not);
  // Whether the partition's task is owned and runs.
  bool Runs(int32_t partition) const;
  // Handles `inputs` and carries out `requested_`, which is empty afterwards unless the process has to end.
  absl::Status Process(absl::Span<Input> inputs);
  // False: another attempt is due, with what is left of the inputs.
  absl::StatusOr<bool> TryOnce(absl::Span<Input> inputs, absl::Span<Task* const> tasks);
  absl::Status OnStoreError(const absl::Status& error, absl::Span<Input> inputs, absl::Span<Task* const> tasks);
  // Notes that a request is done with, of which nothing came.
  void GiveUp(const store::KeptRecord& requested, const absl::Status& error);
  void AfterCommit(Attempt& attempt, const store::Batch& batch, const store::CommitResult& result);
  // Makes the task what was committed.
  void Advance(TaskWork& work);

  // Takes into the batch what stood behind gaps that have closed.
  absl::Status GatherHeld();
  // Whether held events can be taken now.
  static bool HasClosedGap(const Task& task);
  absl::Status GatherChain(Task& task, const Task::ChainName& chain);
  // Makes what the task holds back what was committed.
  void AdvanceHeld(TaskWork& work, const store::CommitResult& result);
  // Notes of which topics so much is held back that nothing more is read; returns whether that has changed.
  bool NoteStoppedTopics(Task& task) const;
  // Stops and resumes the reading of topics by it.
  void LimitHeld(Task& task);

  // Takes the task anew, or stops it, since something of it could not be loaded for this batch; what has been gathered
  // of it is dropped. Returns the error where it is fatal.
  absl::Status OnLoadError(const absl::Status& error, Task& task);
  // Gathers the records and timers that are due, and a person's requests.
  absl::Status GatherDue(absl::Time now);
  absl::Status GatherQueues(Task& task, absl::Time now);
  // What the store has of it does not parse: the queue waits for a person.
  void HoldDamaged(Task& task, const std::string& queue, int64_t id, const absl::Status& why);
  void NoteDamaged(Task& task, const store::Timer& timer);
  absl::Status GatherTimers(Task& task, absl::Time now);
  // Whether each input of the task has been read to its end, as far as Kafka has told.
  bool InputsAreRead(const Task& task, absl::Time now);
  void AskForEnds(absl::Time now);
  absl::Status GatherRequested(absl::Time now);
  // How many more messages the batch may take from the store: half of a batch is left to Kafka.
  int64_t RoomForDue() const;
  // Takes the records of one due queue into the batch, or their effects into their lane.
  absl::Status GatherQueue(Task& task, const std::string& queue, absl::Span<store::KeptRecord> records, bool more,
                           absl::Time now);
  // Puts an effect from a queue, of which the store has so many bytes, into its lane.
  void StartFromQueue(Task& task, Input input, size_t bytes);
  // Forgets that the effect of a record was put into its lane.
  static void LeaveInQueue(Task& task, int64_t id, const std::string& queue);

  // Puts the messages of an attempt that has taken effect into their lanes.
  void StartEffects(Attempt& attempt);
  void GatherFinished();
  // Starts effects of tasks that may hold one that kills the process: one at a time, each marked before.
  void StartCarefully();
  // Waits for the effects of these partitions that run, and records what came of them.
  void FinishEffects(absl::Span<const int32_t> partitions, absl::Duration patience);
  bool IsEffect(const Input& input) const;

  // When GatherDue next has something to do.
  absl::Time NextDue() const;
  void AdvanceQueues(TaskWork& work);
  // Asks the store what stands first in these queues.
  absl::Status LookUpQueues(Task& task, const std::set<std::string>& queues);
  // Whether the effect of a record in a queue waits in its lane or runs.
  bool IsStarted(const store::KeptRecord& kept) const;
  // Stops and resumes reading by the number of keys that wait, and by what is in the lanes.
  void Crowd(Task& task);
  // By WorkerConfig::effect_backlog and effect_bytes.
  bool LanesAreFull(const Task& task) const;
  bool LanesAreHalfEmpty(const Task& task) const;
  // Whether effects that were under way before the task was taken have yet to be read again: they come before what is
  // in their keys' queues.
  bool AwaitsBegun(const Task& task, absl::Time now) const;

  // Those of the partitions that are tasks of the group.
  std::vector<int32_t> TasksAmong(absl::Span<const int32_t> partitions) const;
  std::vector<bus::Position> TakeOver(absl::Span<const int32_t> partitions);
  // Hands what an earlier owner has left to the publisher.
  void SendLeftBehind(Task& task, absl::Span<const store::OutboxRow> outbox);
  void Disown(Task& task, std::string_view why);
  // For what only a person can mend: a log that has lost records, a row that does not parse.
  void StopTask(Task& task, const absl::Status& why);
  void CountStopped() const;
  void PauseTask(Task& task, Task::State state, absl::Duration delay);
  void StopReading(const Task& task);
  void ResumeReading(absl::Span<const bus::Position> positions);
  void Revive(absl::Time now);
  // Has every task taken anew: what came meanwhile is read before anything that has fallen due.
  void CatchUpAfterStep(absl::Duration step);
  void Throttle();
  // Whether so much of the task waits behind an event that Kafka refuses that it takes no more input.
  bool RestsFull(const Task& task) const;
  void Forget(absl::Span<const int32_t> partitions);
  // Keeps in mind, beyond the task, how far the store has acknowledged its commits.
  void NoteCommitted(int32_t partition);
  void Housekeep(absl::Time now, bool idle);
  void CountKept();
  // Shows what is read no more because too much of it waits.
  void CountWaiting() const;
  // Of effects that were under way on topics that this version does not read.
  size_t CountUnreadEffects(const Task& task) const;
  void PruneRequests(absl::Time now);
  // When the task's inputs were last read to their ends, InfinitePast if never. A task that has read on for long and
  // never came there is taken to have been there kMaxRetentions times `request_retention` ago.
  absl::Time LastReadToEnd(const Task& task, absl::Time now) const;
  void EndPruning(const absl::StatusOr<int64_t>& pruned);
  // `ending`: partitions whose tasks are about to be given back in order.
  void TidyOutboxes(absl::Span<const int32_t> ending);
  // Whether the task has been owned for long enough, with all effects ended that were under way before, for its earlier
  // owners' unclean ends not to count any more.
  bool IsWell(const Task& task, absl::Time now) const;
  // Lets tasks that are well run as any other.
  void EndCaution(absl::Time now);
  // With `wait` an error means that Kafka may not have them; without it only that they were not sent.
  absl::Status MirrorOffsets(absl::Span<const int32_t> partitions, bool wait);
  std::vector<int32_t> AllPartitions() const;
  // False for a topic that only another version reads: its progress is kept, and nothing is asked of Kafka about it.
  bool IsRead(const InputProgress& input) const;
  std::vector<bus::Position> PositionsOf(const Task& task) const;

  const WorkerPorts ports_;
  const WorkerConfig config_;
  // Time in which nothing goes back. What is due, in the store too, is due by it.
  clock::SteppingClock clock_;
  EventRouter router_;
  NoticeLimits notices_;
  const AttemptSettings attempt_settings_;
  Takeover takeover_;
  Publisher publisher_;
  Replier replier_;
  WorkerMetrics metrics_;
  RepeatWatch repeats_;
  // Null in a group without effects.
  std::unique_ptr<EffectLanes> lanes_;

  std::unique_ptr<bus::EventSource> source_;
  std::map<int32_t, std::unique_ptr<Task>> tasks_;
  std::vector<Input> gathered_;
  int64_t gathered_bytes_ = 0;
  // How many of the first of `gathered_`, and bytes in them, the last batch had no time for.
  size_t left_over_ = 0;
  int64_t left_over_bytes_ = 0;
  // How many inputs the last call of Process has taken.
  size_t taken_ = 0;
  // Due records and timers are taken task by task, beginning behind the partition that began the last time.
  int32_t due_from_ = -1;
  // The outbox is full: all partitions are paused.
  bool throttled_ = false;
  // What a person asked of records that were set aside, to be carried out by the next batch.
  std::vector<store::KeptRecord> requested_;
  absl::Time looked_at_ = absl::InfinitePast();
  absl::Time requests_looked_at_ = absl::InfinitePast();
  absl::Time ask_for_ends_at_ = absl::InfinitePast();
  // Timers are due whose inputs have not been read to their ends.
  bool timers_wait_ = false;
  absl::Time quiet_since_ = absl::InfinitePast();
  absl::Time mirror_due_ = absl::InfinitePast();
  absl::Time mirrored_all_at_ = absl::InfinitePast();
  absl::Time counted_at_ = absl::InfinitePast();
  absl::Duration count_every_ = absl::ZeroDuration();
  absl::Time pruned_at_ = absl::InfinitePast();
  // Makes Loop return.
  absl::Status fatal_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> ready_{false};
};

}  // namespace tradewind::runtime
