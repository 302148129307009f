// One attempt at a batch: runs the handlers over what has arrived and gathers everything that follows from it. Nothing
// of it takes effect outside the attempt until the store has committed; an attempt that met a conflict is thrown away
// and another is made from the same inputs. attempt.cpp is the way of a message that goes well, attempt_aside.cpp that
// of one that does not, attempt_effects.cpp that of effects.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/runtime/aggregate_cache.h"
#include "tradewind/runtime/event_router.h"
#include "tradewind/runtime/group.h"
#include "tradewind/runtime/notice_limit.h"
#include "tradewind/runtime/record_check.h"
#include "tradewind/runtime/repeat_watch.h"
#include "tradewind/runtime/request_ledger.h"
#include "tradewind/runtime/task.h"
#include "tradewind/store/store.h"

namespace tradewind::runtime {

// Stands for a topic in the records of timers.
inline constexpr std::string_view kTimersTopic = "mesh.timers";

struct PendingReply {
  int32_t partition;
  std::string instance_id;
  std::unique_ptr<mesh::v1::Reply> reply;
};

struct Counts {
  int64_t handled = 0;
  int64_t skipped = 0;
  int64_t repeats = 0;
  int64_t gaps = 0;
  int64_t parked = 0;
  int64_t dead = 0;
  int64_t rejected = 0;
  int64_t timers = 0;
  // Of the dead: from a source for which there was no room.
  int64_t beyond_sources = 0;
  // Of the dead: not announced, since there were so many.
  int64_t unannounced = 0;
};

// What the attempt makes of one task.
struct TaskWork {
  Task* task = nullptr;
  TaskProgress progress;
  std::unique_ptr<mesh::v1::OutboxBatch> outbox;
  // Held events that are done with: ids.
  std::set<int64_t> held_taken;
  // Held back by this attempt. For now HeldEvent::id is the place in Batch::kept.
  std::map<Task::ChainName, std::map<bus::Sequence, HeldEvent>> newly_held;
  // When the first record of a key's queue is due, for the queues that changed; nothing for one that is empty now.
  std::map<std::string, std::optional<absl::Time>, std::less<>> queues;
  // Queues whose first record was found to have no handler in this version.
  std::set<std::string, std::less<>> without_handler;
  // Queues changed in ways that only the store tells.
  std::set<std::string> queues_to_look_up;
  // Records of queues whose effects have ended: id and queue.
  std::map<int64_t, std::string> ended_from_queue;
  // By key and name; nothing for one that was cancelled or has fired.
  std::map<std::pair<std::string, std::string>, std::optional<store::Timer>> timers;
  // Events that were dropped as repeats.
  std::vector<RepeatedEvent> repeats;
  // Those of each key that begin in this attempt.
  std::map<std::string, LaneLoad> begun;
  // Inputs whose effects can begin once this is committed.
  std::vector<Input*> effects;
  // Something was taken: there is something to commit.
  bool moved = false;
  // Filled by Finish.
  std::string progress_blob;
  std::string outbox_blob;
  uint64_t new_emit_sequence = 0;
};

// Whether the first held event of the chain waits for nothing that is missing.
bool IsClosed(const TaskProgress& progress, const Task::ChainName& chain, const HeldEvent& first);

struct AttemptSettings {
  // A batch takes no further message once its handlers have run for so long.
  absl::Duration max_batch_time;
  int32_t max_attempts;
  // As WorkerConfig::max_deaths.
  int32_t max_deaths;
  absl::Duration first_retry;
  absl::Duration longest_retry;
  std::string cluster_id;
  // As bus::MeshName puts it.
  std::string mesh;
  // Whether an event with a sequence of our form that names no mesh counts as this mesh's.
  bool accept_unmarked = false;
  // Full names of Group::RekeyedTopic and of kTimersTopic.
  std::string rekeyed_topic;
  std::string timers_topic;
  // Of the worker; outlives the attempt.
  NoticeLimits* notices;
  // Since the handler that runs now was called.
  telemetry::Age handler_running;
  // As WorkerPorts::ask_partitions.
  AskPartitions ask_partitions;

  // Whether what `handler` is for has to travel under its other key first, when it comes from `topic` (full name).
  bool IsToBePassedOn(const Handler& handler, std::string_view topic) const {
    return handler.rekey != nullptr && topic != rekeyed_topic;
  }
};

class Attempt {
 public:
  // All outlive the attempt. What is due is due by `now`; `wall_now` is what its events have as their time.
  Attempt(const Group& group, EventRouter& router, store::Session& session, const AttemptSettings& settings,
          absl::Time now, absl::Time wall_now);
  ~Attempt();

  // Handles `inputs`, in their order, and before them what a person `requested` of records of `tasks` that were set
  // aside. Unavailable when the store could not be read; then the attempt is worth nothing. A DataLoss is fatal.
  absl::Status Run(absl::Span<Input> inputs, absl::Span<Task* const> tasks,
                   absl::Span<const store::KeptRecord> requested);

  // How many of the inputs Run has taken: it ends a batch that takes too long.
  size_t taken() const { return taken_; }
  // False when nothing was taken: every message was seen before, or has to come again.
  bool moved() const;
  // What has to be committed. Views into the attempt and its inputs. `acknowledged` tells up to where a task's outbox
  // is on the log.
  store::Batch Finish(const std::function<uint64_t(const Task&)>& acknowledged);

  // By partition.
  std::map<int32_t, TaskWork>& works() { return works_; }
  std::vector<PendingReply>& replies() { return replies_; }
  const Counts& counts() const { return counts_; }

 private:
  friend class MessageContext;

  // A message on its way to a handler.
  struct Item {
    const bus::Record& record;
    // Null where the record has none that can be read.
    const bus::Envelope* envelope;
    // Null for one that comes from its topic or from a timer.
    const Input::FromQueue* queued = nullptr;
    std::string_view refused;
    // Null for one that stood behind a gap.
    Input* input = nullptr;
    // What its value holds; null where that has yet to be read and checked.
    const google::protobuf::Message* message = nullptr;
    // As Input::unchecked.
    bool unchecked = false;
    // Refused before it was taken from its topic.
    bool untaken = false;
  };
  struct TimerChange {
    std::string key;
    std::string name;
    std::optional<store::Timer> timer;
  };

  TaskWork& WorkOf(Task& task);
  absl::Status Prefetch(absl::Span<const Input> inputs, absl::Span<const store::KeptRecord> requested);
  void Take(Input& input);
  void TakeFromTopic(TaskWork& work, Input& input);
  // Handles an event that is next in its source's chain, or holds it back where its `verdict` is kGap.
  void TakeInChain(TaskWork& work, InputProgress& progress, Input& input, Verdict verdict);
  // Sets `message` and that of the item, where this version has a handler for it. False for one that lies in a wrong
  // place or cannot be read: it is dead then.
  bool ReadFromTopic(TaskWork& work, Item& item, std::unique_ptr<google::protobuf::Message>& message);
  KeyRule KeyRuleOf(const Handler& handler, const Item& item) const;
  void TakeHeld(TaskWork& work, const Input& input);
  // Handles an event whose gap has closed.
  void HandleHeld(TaskWork& work, const Input& input);
  // Handles the message, or puts it into its key's queue.
  void HandleInTurn(TaskWork& work, const Item& item);
  // False for one that was not answered before.
  bool AnswerRepeat(const Handler& handler, const Item& item);
  // False when it failed and stands in its key's queue.
  bool Handle(TaskWork& work, const Item& item);
  // For what comes from a topic and has no handler.
  void HandleUnknown(TaskWork& work, const Item& item);
  // For what an earlier or a later version has set aside, or set a timer for, and this one has no handler for: it waits
  // in its key's queue for a version that has.
  void WaitForHandler(TaskWork& work, const Item& item);
  void PassOnUnderItsKey(TaskWork& work, const Item& item, const Handler& handler,
                         const google::protobuf::Message& message);
  // False for an event from outside the mesh that was taken before, where its handler wants to know.
  bool TakeFromInbox(const TaskWork& work, const bus::Envelope& envelope);
  // Whether so many processes have died handling the message that it is not handled again.
  bool KillsProcesses(const TaskWork& work, const Item& item) const;
  Outcome RunHandler(const Handler& handler, const google::protobuf::Message& message, TaskWork& work, const Item& item,
                     mesh::v1::Reply& reply);
  bool Conclude(TaskWork& work, const Item& item, const Handler& handler, const Outcome& outcome, int first_event,
                std::unique_ptr<mesh::v1::Reply> reply);
  void KeepTimers(TaskWork& work);
  // Throws InvalidEvent, and adds nothing, when the event can never be published.
  void AddEvent(TaskWork& work, const google::protobuf::Message& event, const std::string& traceparent);
  void Send(const bus::Envelope& envelope, std::unique_ptr<mesh::v1::Reply> reply);
  void NumberEvents(TaskWork& work);

  // attempt_aside.cpp
  void TakeFromQueue(TaskWork& work, const Input& input);
  void Fire(TaskWork& work, const Input& input);
  // When the first of the key's queue is due; nothing where the key has none.
  std::optional<absl::Time> QueueOf(const TaskWork& work, const bus::Record& record) const;
  void Enqueue(TaskWork& work, const Item& item, absl::Time first_due);
  void HoldBack(TaskWork& work, const bus::Record& record, const bus::Envelope& envelope);
  bool IsHeld(const TaskWork& work, const Task::ChainName& chain, const bus::Envelope& envelope) const;
  bool Fail(TaskWork& work, const Item& item, const Handler& handler, const Outcome& outcome);
  void Park(TaskWork& work, const Item& item, int32_t attempts, const Outcome& outcome);
  enum class Hold { kKey, kNothing };
  void Bury(TaskWork& work, const Item& item, int32_t attempts, std::string_view why, Hold hold);
  // For what no handler can be given, whatever happens: holds nothing.
  void Bury(TaskWork& work, const Item& item, const absl::Status& why);
  void Announce(TaskWork& work, const Item& item, const std::string& reason);
  void AddNotice(TaskWork& work, const Item& item, const std::string& reason);
  void CarryOut(TaskWork& work, const store::KeptRecord& requested);
  // For a record that was refused before it was taken from its topic: whether it is to be handled. False where it is
  // refused as before, or is a repeat.
  bool TakeUntaken(const TaskWork& work, const store::KeptRecord& requested);
  void CarryOutForHeld(TaskWork& work, const store::KeptRecord& requested);

  // attempt_effects.cpp
  void TakeAgain(TaskWork& work, InputProgress& progress, Input& input);
  void BeginEffect(TaskWork& work, const Item& item);
  void EndEffect(TaskWork& work, const Input& input);
  bool Publish(TaskWork& work, const EffectResult& result, Outcome& outcome);
  // Whether effects of the queue wait or run beside those that have ended in this attempt.
  bool HasStarted(const TaskWork& work, const std::string& queue) const;

  const Group& group_;
  EventRouter& router_;
  store::Session& session_;
  const AttemptSettings& settings_;
  const absl::Time now_;
  const absl::Time wall_now_;

  AggregateCache aggregates_;
  RequestLedger requests_;
  std::map<int32_t, TaskWork> works_;
  size_t taken_ = 0;
  std::vector<PendingReply> replies_;
  std::vector<store::KeptRecord> kept_;
  std::vector<store::KeptUpdate> kept_updated_;
  std::vector<int64_t> kept_removed_;
  // Of the message under way.
  std::vector<TimerChange> timer_changes_;
  Counts counts_;
  // Not OK once the store could not be read.
  absl::Status status_;
};

}  // namespace tradewind::runtime
