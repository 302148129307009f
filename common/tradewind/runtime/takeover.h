// How a worker makes a task its own: a new epoch in the store, and every reason not to trust what is found there or in
// Kafka checked before the first record is read.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

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

  // How many tasks the group has: a partition with this number or a greater one is none, since keys are not spread over
  // it in each of the input topics.
  int32_t TaskCount() const;

  // Blocks for requests to Kafka and the store. Unavailable: try again. FailedPrecondition: this store, this group and
  // this cluster do not belong together. OutOfRange, NotFound and DataLoss: one log, or the task's row, is not what it
  // has to be. The message names the way out.
  absl::StatusOr<TakenOver> Take(bus::EventSource& source, int32_t partition);

  // The places of the held events of a task, in the order of their chains.
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

  absl::StatusOr<std::vector<bus::CommittedOffset>> Committed(bus::EventSource& source, int32_t partition) const;
  absl::Status CheckMirror(const bus::CommittedOffset& committed, const Task& task) const;
  // FailedPrecondition where the store does not have what it has acknowledged: a replica without the last commits.
  absl::Status CheckCommits(const LastTake& last, const store::TakenTask& row, int32_t partition) const;
  // The first offset to read.
  absl::StatusOr<int64_t> Start(const std::string& topic, const bus::OffsetRange& range, Task& task) const;

  std::map<int32_t, LastTake> last_takes_;

  const Group& group_;
  const EventRouter& router_;
  store::Session& session_;
  const std::string store_id_;
  const std::string cluster_id_;
  const bool adopt_offsets_;
};

// The record that a resumed partition starts with: whether it is the one the task remembers. OutOfRange when it is not.
absl::Status CheckFirstRecord(Task& task, const bus::Record& record);

}  // namespace tradewind::runtime
