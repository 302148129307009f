// The calls whose command is on its way: who waits for which correlation id. Whoever takes a call out of the table ends
// it, and nobody else can: that is how a reply, a delivery report, a deadline and a cancellation that meet agree.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

#include "tradewind/commands/outcome_listener.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind::commands {

// A call that waits. Gets exactly one of these, once, with no lock held, by whoever took it out of the table; it may be
// gone when the function returns.
class PendingCall {
 public:
  // Kafka has the command, and the caller asked for no more.
  virtual void OnAccepted() = 0;
  // May take what it needs out of `reply`.
  virtual void OnReply(mesh::v1::Reply& reply) = 0;
  // Kafka does not have the command, for certain.
  virtual void OnNotAccepted(const absl::Status& why) = 0;
  // Nobody can tell (yet) whether the command takes effect.
  virtual void OnOutcomePending(const absl::Status& why) = 0;

 protected:
  ~PendingCall() = default;
};

enum class Await { kOutcome, kAcceptance };

// How many of the calls that wait go to one service.
struct PendingShare {
  std::atomic<int64_t> calls = 0;
};

// Told of a call that may not wait because as many wait as may. ResourceExhausted.
absl::Status TooManyWaiting();
bool IsTooManyWaiting(const absl::Status& status);

// Thread-safe. Locks are per shard and held for a few instructions.
class PendingTable {
 public:
  // `pending` shows how many calls wait: `max_calls` of them at most. One share has `max_of_share` at most, so that a
  // service that is away takes no place from calls of the others. `listener` may be null, and outlives the table.
  explicit PendingTable(telemetry::Gauge pending, int64_t max_calls = std::numeric_limits<int64_t>::max(),
                        int64_t max_of_share = std::numeric_limits<int64_t>::max(),
                        OutcomeListener* listener = nullptr);

  // Starts at random: an answer to a previous life of this process must not meet a call of this one.
  uint64_t NextId() { return next_id_.fetch_add(1, std::memory_order_relaxed); }

  // `call` stays valid until it is taken, and `share` as long as the table. False where no more may wait.
  bool Insert(uint64_t id, PendingCall& call, Await await, PendingShare& share);

  // Out of the table, to be ended by the caller. Null when somebody else has it.
  PendingCall* Take(uint64_t id);

  // As Take, for who brings this outcome: tells the listener of it first, also where no call waits.
  PendingCall* TakeReplied(const mesh::v1::Reply& reply);
  PendingCall* TakeAbsent(uint64_t id);

  // Kafka has the command: takes a call that awaits just that, notes it for every other and returns null.
  PendingCall* Deliver(uint64_t id);

  // All whose delivery was not reported.
  std::vector<PendingCall*> TakeUndelivered();

  size_t size() const;

 private:
  struct Entry {
    PendingCall* call = nullptr;
    Await await = Await::kOutcome;
    PendingShare* share = nullptr;
    bool delivered = false;
  };
  struct alignas(64) Shard {
    mutable absl::Mutex mutex;
    std::unordered_map<uint64_t, Entry> entries ABSL_GUARDED_BY(mutex);
  };

  Shard& ShardOf(uint64_t id) { return shards_[id % shards_.size()]; }
  void NoteTaken(PendingShare& share);

  telemetry::Gauge pending_;
  const int64_t max_calls_;
  const int64_t max_of_share_;
  OutcomeListener* const listener_;
  std::atomic<int64_t> calls_ = 0;
  std::atomic<uint64_t> next_id_;
  std::array<Shard, 64> shards_;
};

}  // namespace tradewind::commands
