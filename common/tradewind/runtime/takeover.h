// How a worker makes a task its own: a new epoch in the store, and every reason not to trust what is found there or in
// Kafka checked before the first record is read.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "tradewind/bus/event_source.h"
#include "tradewind/runtime/event_router.h"
#include "tradewind/runtime/group.h"
#include "tradewind/runtime/task.h"
#include "tradewind/store/store.h"

namespace tradewind::runtime {

// What the mirror of a task's offsets in Kafka carries as metadata: "<store id>,<epoch>".
struct OffsetMetadata {
  std::string store_id;
  uint64_t epoch = 0;

  std::string ToString() const;
  // Nothing where the text is not of that form.
  static std::optional<OffsetMetadata> Parse(std::string_view text);
};

struct TakenOver {
  std::unique_ptr<Task> task;
  // Committed by earlier owners and possibly not published.
  std::vector<store::OutboxRow> outbox;
  // Where to start reading.
  std::vector<bus::Position> positions;
};

class Takeover {
 public:
  // All outlive it.
  Takeover(const Group& group, const EventRouter& router, store::Session& session, std::string store_id,
           std::string cluster_id, bool adopt_offsets)
      : group_(group),
        router_(router),
        session_(session),
        store_id_(std::move(store_id)),
        cluster_id_(std::move(cluster_id)),
        adopt_offsets_(adopt_offsets) {}

  // The store no longer counts the take of this partition that is under way (TaskCommit::ends_takes).
  void NoteTakesEnded(int32_t partition) { last_takes_[partition].takes = 0; }
  // The store has acknowledged a commit with this emit_sequence. It never goes down in one and the same store.
  void NoteCommitted(int32_t partition, uint64_t emit_sequence) {
    last_takes_[partition].emit_sequence = emit_sequence;
  }

  // Blocks for requests to Kafka and the store. Unavailable: try again. FailedPrecondition: this store, this group and
  // this cluster do not belong together. OutOfRange, NotFound and DataLoss: one log, or the task's row, is not what it
  // has to be. The message names the way out.
  // All of them, by partition, but for those that come when `goes_on` has said no. Kafka is asked for all together,
  // twice.
  using All = std::map<int32_t, absl::StatusOr<TakenOver>>;
  All Take(bus::EventSource& source, absl::Span<const int32_t> partitions, absl::FunctionRef<bool()> goes_on);

  // The places of the held events of a task, in the order of their chains, and which of them have none.
  static absl::Status LoadHeld(store::Session& session, Task& task);
  // The queues of its keys. Used again after a person's requests were carried out.
  static absl::Status LoadQueues(store::Session& session, Task& task);

 private:
  // How this worker took a partition the last time, and what it has committed since. It may take it again and again
  // while Kafka or the store fails, and that is no unclean end.
  struct LastTake {
    uint64_t epoch = 0;
    int64_t takes = 0;
    uint64_t emit_sequence = 0;
  };

  // Adds what is wrong, and returns by partition what Kafka has on record for the others.
  using Committed = std::map<int32_t, std::vector<bus::CommittedOffset>>;
  Committed AskForCommitted(bus::EventSource& source, absl::Span<const int32_t> partitions, All& all) const;
  // Takes the task in the store.
  absl::StatusOr<TakenOver> TakeRow(absl::Span<const bus::CommittedOffset> committed, int32_t partition);
  // Finds out where a task whose row was taken goes on: `ranges` are those of the logs in `taken.positions`.
  absl::Status GoOn(absl::Span<const absl::StatusOr<bus::OffsetRange>> ranges, TakenOver& taken);
  absl::Status CheckMirror(const bus::CommittedOffset& committed, const Task& task) const;
  // FailedPrecondition where the store does not have what it has acknowledged: a replica without the last commits.
  absl::Status CheckCommits(const LastTake& last, const store::TakenTask& row, int32_t partition) const;
  // The first offset to read.
  absl::StatusOr<int64_t> Start(const std::string& topic, const bus::OffsetRange& range, Task& task) const;

  // The place in the group's own topic of a task that an earlier version has read it for and this one does not; nothing
  // where there is none.
  std::optional<bus::Position> RekeyedLeft(const Task& task) const;
  void NoteUnread(const bus::Position& next, const absl::StatusOr<bus::OffsetRange>& range, TakenOver& taken);

  std::map<int32_t, LastTake> last_takes_;
  // The group's own topic was looked for and is not there.
  bool rekeyed_is_gone_ = false;

  const Group& group_;
  const EventRouter& router_;
  store::Session& session_;
  const std::string store_id_;
  const std::string cluster_id_;
  const bool adopt_offsets_;
};

// Notes that a held event cannot be read: its chain goes on waiting for it, until a person skips it and what is missing
// is given up.
void LeaveWithoutPlace(Task& task, int64_t id);

// The record that a resumed partition starts with: whether it is the one the task remembers. OutOfRange when it is not.
absl::Status CheckFirstRecord(Task& task, const bus::Record& record);

}  // namespace tradewind::runtime
