// One attempt at a batch: runs the handlers over what has arrived and gathers everything that follows from it. Nothing
// of it takes effect outside the attempt until the store has committed; an attempt that met a conflict is thrown away
// and another is made from the same inputs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/runtime/aggregate_cache.h"
#include "tradewind/runtime/event_router.h"
#include "tradewind/runtime/group.h"
#include "tradewind/runtime/request_ledger.h"
#include "tradewind/runtime/task.h"
#include "tradewind/store/store.h"

namespace tradewind::runtime {

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
  int64_t dead = 0;
  int64_t rejected = 0;
  int64_t retries = 0;
};

// What the attempt makes of one task.
struct TaskWork {
  Task* task = nullptr;
  TaskProgress progress;
  std::unique_ptr<mesh::v1::OutboxBatch> outbox;
  // How many events of each held chain were taken.
  std::map<Task::ChainName, size_t> held_taken;
  bool held_added = false;
  // Something was taken: there is something to commit.
  bool moved = false;
  // Set when a handler asked for a retry: nothing behind that message was handled.
  struct Retry {
    std::string topic;
    int64_t offset;
    absl::Duration after;
    std::string reason;
  };
  std::optional<Retry> retry;
  // Filled by Finish.
  std::string progress_blob;
  std::string outbox_blob;
  uint64_t new_emit_sequence = 0;
};

struct AttemptSettings {
  int max_attempts;
  std::string cluster_id;
};

class Attempt {
 public:
  // All outlive the attempt.
  Attempt(const Group& group, EventRouter& router, store::Session& session, const AttemptSettings& settings,
          absl::Time now);
  ~Attempt();

  // Handles `inputs`, in their order, and what `tasks` hold back and can now be taken. Unavailable when the store could
  // not be read; then the attempt is worth nothing. A DataLoss is fatal.
  absl::Status Run(absl::Span<const Input> inputs, absl::Span<Task* const> tasks);

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

  TaskWork& WorkOf(Task& task);
  absl::Status Prefetch(absl::Span<const Input> inputs);
  void Take(const Input& input);
  void TakeHeld(TaskWork& work, InputProgress& progress, std::string_view source);
  void HoldBack(TaskWork& work, const bus::Record& record, const bus::Envelope& envelope);
  // False when the message has to come again.
  bool Handle(TaskWork& work, const bus::Record& record, const bus::Envelope& envelope);
  Outcome RunHandler(const Handler& handler, const google::protobuf::Message& message, TaskWork& work,
                     const bus::Record& record, const bus::Envelope& envelope, mesh::v1::Reply& reply);
  bool Conclude(TaskWork& work, const bus::Record& record, const bus::Envelope& envelope, const Outcome& outcome,
                int first_event, std::unique_ptr<mesh::v1::Reply> reply);
  bool RetryLater(TaskWork& work, const bus::Record& record, const bus::Envelope& envelope, const Outcome& outcome);
  void Bury(TaskWork& work, const bus::Record& record, const bus::Envelope* envelope, const std::string& reason);
  void Send(const bus::Envelope& envelope, std::unique_ptr<mesh::v1::Reply> reply);
  void NumberEvents(TaskWork& work);

  const Group& group_;
  EventRouter& router_;
  store::Session& session_;
  const AttemptSettings& settings_;
  const absl::Time now_;

  AggregateCache aggregates_;
  RequestLedger requests_;
  std::map<int32_t, TaskWork> works_;
  std::vector<PendingReply> replies_;
  std::vector<store::KeptRecord> kept_;
  std::vector<int64_t> kept_removed_;
  Counts counts_;
  // Not OK once the store could not be read.
  absl::Status status_;
};

}  // namespace tradewind::runtime
