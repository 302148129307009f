// Where a service keeps what must survive it: aggregates with their secondary indexes, the progress of its tasks, the
// outbox, the answers to repeated requests, timers, and records set aside.
//
// The runtime is the only writer and commits one batch a transaction through a Session; queries read through a Reader.
// Nothing here knows about Kafka or protobuf: keys and values are bytes. Keys, values of index entries, callers and
// request ids may be of any length; long ones are found by a digest (short_key.h).
#pragma once

#include <cstdint>
#include <limits>
#include <map>
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
  // How often it was taken since a commit last ended the count (TaskCommit::ends_takes), this time included unless it
  // was its last owner who took it again. High where one owner after the other ends without having been able to say so.
  int64_t takes = 1;
  uint64_t emit_sequence = 0;
  // Empty for a task that never ran.
  std::string progress;
  // Oldest first. Read in a statement after the one that took the epoch.
  std::vector<OutboxRow> outbox;
};

// A record set aside.
enum class KeptState {
  // Given up; waits for a person.
  kDead = 1,
  // Behind a gap in its source's chain.
  kHeld = 2,
  // Failed and is handled again when due, or waits behind such a one of its key.
  kParked = 3,
};

// What a person asks of a record that was set aside. Whoever owns its task carries it out.
enum class KeptAction { kNone = 0, kRetry = 1, kSkip = 2 };

struct KeptRecord {
  TaskId task;
  // Assigned by the store; rises in the order of insertion.
  int64_t id = 0;
  KeptState state = KeptState::kDead;
  // Stands in the queue of its key: later records of the key wait until it is gone. The first of a queue has failed,
  // the others have not been handled.
  bool queued = false;
  // Stands in its queue before all that do not: it came earlier, and was put there later.
  bool ahead = false;
  // The message key: bytes, not text.
  std::string key;
  // ce_source for a held record, else empty.
  std::string source;
  std::string type;
  std::string reason;
  // Serialized mesh.v1.KeptRecord.
  std::string record;
  // How often it was handled.
  int32_t attempts = 0;
  // kParked: not handled before; whole milliseconds. The epoch for one that waits behind another.
  absl::Time due = absl::UnixEpoch();
  // Reads only: written by Store::Request.
  KeptAction requested = KeptAction::kNone;
};

// What becomes of a kept record.
struct KeptUpdate {
  int64_t id = 0;
  KeptState state = KeptState::kDead;
  std::string reason;
  int32_t attempts = 0;
  absl::Time due = absl::UnixEpoch();
  // What was requested of the record and is hereby carried out. Anything else that is requested of it stays.
  KeptAction carried_out = KeptAction::kNone;
};

// How many records of a group are set aside.
struct KeptCounts {
  int64_t dead = 0;
  int64_t held = 0;
  int64_t parked = 0;
};

// Adds what a store has counted of one state.
inline void AddCount(KeptCounts& counts, KeptState state, int64_t count) {
  switch (state) {
    case KeptState::kDead:
      counts.dead += count;
      break;
    case KeptState::kHeld:
      counts.held += count;
      break;
    case KeptState::kParked:
      counts.parked += count;
      break;
  }
}

// The first record of a key's queue.
struct QueueHead {
  // The short form of the key (short_key.h): it names the queue.
  std::string key;
  int64_t id = 0;
  // kDead or kParked.
  KeptState state = KeptState::kDead;
  absl::Time due;
};

// Chooses kept records; fields left out choose all.
struct KeptFilter {
  std::optional<int64_t> id;
  std::optional<KeptState> state;
  std::optional<std::string> key;
  std::optional<std::string> type;
  // Leaves out those that only wait behind another one of their key.
  bool failed_only = false;
};

// A message that a task sends to itself.
struct Timer {
  TaskId task;
  // One timer of a name for each key.
  std::string key;
  std::string name;
  // Whole milliseconds.
  absl::Time due;
  // Serialized mesh.v1.KeptRecord.
  std::string record;
};

struct TimerKey {
  TaskId task;
  std::string key;
  std::string name;
};

struct AggregateKey {
  std::string_view kind;
  std::string_view key;
};

struct Aggregate {
  // Rises with each write of the aggregate, not always by one; 0 when there is none. One that is made anew gets none of
  // the versions it had before it was removed, so a version never stands for two different values.
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
  // Nothing is written: the batch depends on the aggregate as it was read, and conflicts with whoever changes it.
  bool only_read = false;
  // Nothing removes the aggregate.
  std::optional<std::string_view> value;
  std::vector<IndexEntry> index_removed;
  std::vector<IndexEntry> index_added;
};

// Methods that have a number in the store. Whoever sends a command names its method as they like; those that come when
// there are so many share one, and their names are kept with each request.
inline constexpr size_t kMaxMethods = 1'000;
// What that number is of. No method of gRPC is called so.
inline constexpr std::string_view kOtherMethods = "*";

// A request is known by who called what with which id.
struct RequestKey {
  std::string_view caller;
  std::string_view method;
  std::string_view request_id;
  friend bool operator==(const RequestKey&, const RequestKey&) = default;
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
  // The task that answered it, by whose progress it is removed.
  std::string_view group;
  int32_t partition = 0;
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
  // Begins TakenTask::takes anew: the owner has been well for long enough, or gives the task back in order.
  bool ends_takes = false;
};

// Each task, each aggregate and each request at most once.
struct Batch {
  std::vector<TaskCommit> tasks;
  std::vector<AggregateWrite> aggregates;
  std::vector<RequestWrite> requests;
  std::vector<KeptRecord> kept;
  std::vector<KeptUpdate> kept_updated;
  // Ids of kept records that are done with.
  std::vector<int64_t> kept_removed;
  // Removed before others are set. One that is set replaces the timer of its task, key and name.
  std::vector<TimerKey> timers_removed;
  std::vector<Timer> timers_set;
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
  // kCommitted: for each of Batch::kept its id.
  std::vector<int64_t> kept_ids;
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
  // ms), creating the row where there is none. Whoever held an earlier epoch can commit no more. `own_epoch` is the one
  // that the caller got when it last took the task, 0 for none.
  virtual absl::StatusOr<TakenTask> TakeTask(const TaskId& task, uint64_t epoch_floor, uint64_t own_epoch) = 0;
  absl::StatusOr<TakenTask> TakeTask(const TaskId& task, uint64_t epoch_floor) {
    return TakeTask(task, epoch_floor, 0);
  }

  // One result a key, in their order.
  virtual absl::StatusOr<std::vector<Aggregate>> LoadAggregates(absl::Span<const AggregateKey> keys) = 0;
  virtual absl::StatusOr<std::vector<std::optional<RequestRow>>> LoadRequests(absl::Span<const RequestKey> keys) = 0;

  // All of it in one transaction or none of it, for every task in the batch. Unavailable, too, when the session has
  // lost its connection since it took one of the tasks: what is there now may be an older copy of the store, and only
  // who takes a task finds out.
  virtual absl::StatusOr<CommitResult> Commit(const Batch& batch) = 0;

  // The first `limit` records of a task in one state with an id above `after`, in the order of insertion; none after
  // those that together have `max_bytes` in KeptRecord::record.
  virtual absl::StatusOr<std::vector<KeptRecord>> LoadKept(const TaskId& task, KeptState state, int64_t after,
                                                           int64_t limit, int64_t max_bytes) = 0;
  absl::StatusOr<std::vector<KeptRecord>> LoadKept(const TaskId& task, KeptState state, int64_t after, int64_t limit) {
    return LoadKept(task, state, after, limit, std::numeric_limits<int64_t>::max());
  }
  absl::StatusOr<std::vector<KeptRecord>> LoadKept(const TaskId& task, KeptState state) {
    return LoadKept(task, state, 0, std::numeric_limits<int64_t>::max());
  }
  // Those of these records that are there, in the order of insertion.
  virtual absl::StatusOr<std::vector<KeptRecord>> LoadKeptById(absl::Span<const int64_t> ids) = 0;
  virtual absl::StatusOr<KeptCounts> CountKept(std::string_view group) = 0;

  // The first record of every key's queue of the task, in no order.
  virtual absl::StatusOr<std::vector<QueueHead>> LoadQueueHeads(const TaskId& task) = 0;
  // The first `limit` records of each of these keys' queues, queue by queue and in their order; of each queue none
  // after those that together have `max_bytes` in KeptRecord::record. `keys` are in their short form.
  virtual absl::StatusOr<std::vector<KeptRecord>> LoadQueues(const TaskId& task, absl::Span<const std::string> keys,
                                                             int64_t limit, int64_t max_bytes) = 0;
  absl::StatusOr<std::vector<KeptRecord>> LoadQueues(const TaskId& task, absl::Span<const std::string> keys,
                                                     int64_t limit) {
    return LoadQueues(task, keys, limit, std::numeric_limits<int64_t>::max());
  }
  // The first `limit` records of these partitions of the group of which something was requested, in the order of
  // insertion; none after those that together have `max_bytes` in KeptRecord::record.
  virtual absl::StatusOr<std::vector<KeptRecord>> LoadRequested(std::string_view group,
                                                                absl::Span<const int32_t> partitions, int64_t limit,
                                                                int64_t max_bytes) = 0;
  absl::StatusOr<std::vector<KeptRecord>> LoadRequested(std::string_view group, absl::Span<const int32_t> partitions,
                                                        int64_t limit) {
    return LoadRequested(group, partitions, limit, std::numeric_limits<int64_t>::max());
  }

  // The first `limit` timers of the task by (due, key, name); none after those that together have `max_bytes` in
  // Timer::record.
  virtual absl::StatusOr<std::vector<Timer>> LoadTimers(const TaskId& task, int64_t limit, int64_t max_bytes) = 0;
  absl::StatusOr<std::vector<Timer>> LoadTimers(const TaskId& task, int64_t limit) {
    return LoadTimers(task, limit, std::numeric_limits<int64_t>::max());
  }

  // Removes up to `limit` request rows of these tasks of the group that were written before `before`; returns how many
  // were removed.
  virtual absl::StatusOr<int64_t> PruneRequests(std::string_view group, absl::Span<const int32_t> partitions,
                                                absl::Time before, int64_t limit) = 0;
  // The same for the rows that name no task: those that were written before rows did, or by an instance of an older
  // version.
  virtual absl::StatusOr<int64_t> PruneRequestsWithoutTask(absl::Time before, int64_t limit) = 0;
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

// Reads what is committed. Thread-safe; every call blocks, and none waits longer than kMaxReaderWait for a connection
// that the others leave it: then it is Unavailable.
inline constexpr absl::Duration kMaxReaderWait = absl::Seconds(5);

class Reader {
 public:
  virtual ~Reader() = default;
  // Nothing where there is no such aggregate.
  virtual absl::StatusOr<std::optional<Aggregate>> Get(std::string_view kind, std::string_view key) = 0;
  virtual absl::StatusOr<std::vector<ListedAggregate>> List(const ListQuery& query) = 0;
  // The first `limit` in the order of insertion of those with an id above `after`; none after those that together have
  // `max_bytes` in KeptRecord::record.
  virtual absl::StatusOr<std::vector<KeptRecord>> ListKept(const KeptFilter& filter, int64_t after, int64_t limit,
                                                           int64_t max_bytes) = 0;
  absl::StatusOr<std::vector<KeptRecord>> ListKept(const KeptFilter& filter, int64_t after, int64_t limit) {
    return ListKept(filter, after, limit, std::numeric_limits<int64_t>::max());
  }
  virtual absl::StatusOr<int64_t> CountKept(std::string_view group, KeptState state) = 0;
  // What the task's last commit has left as its progress; empty for a task that never ran. Its owner goes on meanwhile.
  virtual absl::StatusOr<std::string> ProgressOf(const TaskId& task) = 0;
};

// Thread-safe. Outlives the sessions and readers it hands out.
class Store {
 public:
  virtual ~Store() = default;
  // A random id written when the store was created: tells it from every other store, a restored copy excepted.
  virtual const std::string& id() const = 0;
  // Whether it was in use before events named their mesh: its topics may hold some that do not.
  virtual bool predates_mesh_names() const = 0;
  virtual absl::StatusOr<std::unique_ptr<Session>> OpenSession() = 0;
  virtual Reader& reader() = 0;
  // Notes what a person asks of the records that `filter` chooses, in place of what was asked before; returns how many
  // they are. Nothing else about them changes until their task's owner looks.
  virtual absl::StatusOr<int64_t> Request(const KeptFilter& filter, KeptAction action) = 0;
  // Notes over how many partitions the keys of each of these topics (full names) are spread, and returns that. What was
  // noted first stands for good, whatever is given later, unless `replace` says otherwise.
  virtual absl::StatusOr<std::map<std::string, int32_t>> PinPartitions(const std::map<std::string, int32_t>& counts,
                                                                       bool replace) = 0;
};

}  // namespace tradewind::store
