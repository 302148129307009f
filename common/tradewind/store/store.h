// Where a service keeps what must survive it: aggregates with their secondary indexes, the progress of its tasks, the
// outbox, the answers to repeated requests, and records kept aside. Implemented by SqliteStore.
//
// The runtime is the only writer and commits one batch a transaction through a Session; queries read through a Reader.
// Nothing here knows about Kafka or protobuf: keys and values are bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace tradewind::store {

// A task is one partition number of all input topics of one consumer group.
struct TaskId {
  std::string group;
  int32_t partition = 0;

  friend bool operator==(const TaskId&, const TaskId&) = default;
};

// An outbox row as it was left behind by an earlier owner.
struct OutboxRow {
  // The emit_sequence of the commit that wrote it: rows of a task sort by it.
  uint64_t sequence = 0;
  // The epoch of the owner that wrote it.
  uint64_t epoch = 0;
  std::string batch;
};

struct TakenTask {
  uint64_t epoch = 0;
  uint64_t emit_sequence = 0;
  // Empty for a task that never ran.
  std::string progress;
  // Oldest first. Read in a statement after the one that took the epoch.
  std::vector<OutboxRow> outbox;
};

// A record set aside: dead, or held back behind a gap in its source's chain.
enum class KeptState { kDead = 1, kHeld = 2 };

struct KeptRecord {
  TaskId task;
  // Assigned by the store; rises in the order of insertion.
  int64_t id = 0;
  KeptState state = KeptState::kDead;
  // The message key: bytes, not text.
  std::string key;
  // ce_source for a held record, else empty.
  std::string source;
  std::string type;
  std::string reason;
  // Serialized mesh.v1.KeptRecord.
  std::string record;
};

struct AggregateKey {
  std::string_view kind;
  std::string_view key;
};

struct Aggregate {
  // Rises by one with each write that changes the aggregate; 0 when there is none. One that is made anew starts above
  // every version it had before it was removed (not always at 1), so a version never stands for two different values.
  uint64_t version = 0;
  std::string value;
};

// One place of an aggregate in a secondary index: found by equality of `value`, listed in the order of (`order`, key).
struct IndexEntry {
  std::string index;
  std::string value;
  int64_t order = 0;

  friend auto operator<=>(const IndexEntry&, const IndexEntry&) = default;
};

struct AggregateWrite {
  std::string_view kind;
  std::string_view key;
  // The version it was read at; 0 for one that must not exist yet.
  uint64_t expected_version = 0;
  // Nothing removes the aggregate.
  std::optional<std::string_view> value;
  std::vector<IndexEntry> index_removed;
  std::vector<IndexEntry> index_added;
};

// A request is known by who called what with which id.
struct RequestKey {
  std::string_view caller;
  std::string_view method;
  std::string_view request_id;
};

struct RequestRow {
  // Of the request's bytes: tells a repeat from another request under the same id.
  std::string hash;
  std::string reply;
};

struct RequestWrite {
  RequestKey key;
  std::string_view hash;
  std::string_view reply;
};

struct TaskCommit {
  TaskId task;
  // What the task row must still hold for anything to be written.
  uint64_t expected_epoch = 0;
  uint64_t expected_emit_sequence = 0;
  // What it holds afterwards. Greater than expected_emit_sequence.
  uint64_t new_emit_sequence = 0;
  std::string_view progress;
  // Written as the outbox row (new_emit_sequence, expected_epoch) where not empty.
  std::string_view outbox;
  // Outbox rows up to and including this sequence have been acknowledged and go.
  uint64_t outbox_acknowledged = 0;
};

// Each task, each aggregate and each request at most once.
struct Batch {
  std::vector<TaskCommit> tasks;
  std::vector<AggregateWrite> aggregates;
  std::vector<RequestWrite> requests;
  std::vector<KeptRecord> kept;
  // Ids of kept records that are done with.
  std::vector<int64_t> kept_removed;
  // Written into the rows of `requests`; they are pruned by it.
  absl::Time now;
};

struct CommitResult {
  enum class Kind {
    kCommitted,
    // Some aggregate has another version, or some request row exists: nothing was written. Load again, decide again.
    kConflict,
    // Some task has another owner: nothing was written and never may be for these.
    kFenced,
  };
  Kind kind = Kind::kCommitted;
  // kCommitted: for each of Batch::aggregates the version it has now; 0 where it was removed.
  std::vector<uint64_t> versions;
  // kConflict: indices into Batch::aggregates and Batch::requests, rising.
  std::vector<size_t> conflicting_aggregates;
  std::vector<size_t> conflicting_requests;
  // kFenced: indices into Batch::tasks.
  std::vector<size_t> fenced_tasks;
};

// One worker thread's way to the store. Not thread-safe; several sessions may be used at once. Every call blocks.
//
// Errors, here and in Reader: Unavailable when the store is away or the outcome of a commit is not known (take the
// tasks anew); InvalidArgument when it refuses the data; ResourceExhausted when the disk is full; DataLoss when it is
// corrupt.
class Session {
 public:
  virtual ~Session() = default;

  // Makes the caller the only owner of the task: raises its epoch to the greatest of (stored + 1, `epoch_floor`, now in
  // ms), creating the row where there is none. Whoever held an earlier epoch can commit no more.
  virtual absl::StatusOr<TakenTask> TakeTask(const TaskId& task, uint64_t epoch_floor) = 0;

  // One result a key, in their order.
  virtual absl::StatusOr<std::vector<Aggregate>> LoadAggregates(absl::Span<const AggregateKey> keys) = 0;
  virtual absl::StatusOr<std::vector<std::optional<RequestRow>>> LoadRequests(absl::Span<const RequestKey> keys) = 0;

  // All of it in one transaction or none of it, for every task in the batch.
  virtual absl::StatusOr<CommitResult> Commit(const Batch& batch) = 0;

  // Records of a task in one state, in the order of insertion.
  virtual absl::StatusOr<std::vector<KeptRecord>> LoadKept(const TaskId& task, KeptState state) = 0;

  // Removes up to `limit` request rows written before `before`; returns how many went.
  virtual absl::StatusOr<int64_t> PruneRequests(absl::Time before, int64_t limit) = 0;
};

struct ListQuery {
  std::string_view kind;
  std::string_view index;
  // Only entries with exactly this value.
  std::string_view value;
  bool descending = false;
  // > 0.
  int64_t limit = 50;
  // Continue behind this entry.
  struct After {
    int64_t order = 0;
    std::string key;
  };
  std::optional<After> after;
};

struct ListedAggregate {
  std::string key;
  std::string value;
  int64_t order = 0;
};

// Reads what is committed. Thread-safe; every call blocks.
class Reader {
 public:
  virtual ~Reader() = default;
  // Nothing where there is no such aggregate.
  virtual absl::StatusOr<std::optional<Aggregate>> Get(std::string_view kind, std::string_view key) = 0;
  virtual absl::StatusOr<std::vector<ListedAggregate>> List(const ListQuery& query) = 0;
  virtual absl::StatusOr<std::vector<KeptRecord>> ListKept(KeptState state, int64_t limit) = 0;
  virtual absl::StatusOr<int64_t> CountKept(KeptState state) = 0;
};

// Thread-safe. Outlives the sessions and readers it hands out.
class Store {
 public:
  virtual ~Store() = default;
  // A random id written when the store was created: tells it from every other store, a restored copy excepted.
  virtual const std::string& id() const = 0;
  virtual absl::StatusOr<std::unique_ptr<Session>> OpenSession() = 0;
  virtual Reader& reader() = 0;
};

}  // namespace tradewind::store
