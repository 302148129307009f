#include "tradewind/commands/pending_table.h"

#include <sodium.h>

#include "absl/strings/cord.h"

#include "tradewind/mesh/v1/envelope.pb.h"

namespace tradewind::commands {
namespace {

uint64_t RandomStart() {
  uint64_t start = 0;
  randombytes_buf(&start, sizeof(start));
  // Room to count upwards, and never 0, which stands for no call.
  return (start >> 1) + 1;
}

// Marks the status of TooManyWaiting: a producer whose queue is full says ResourceExhausted too.
constexpr char kTooManyWaiting[] = "tradewind.commands/too-many-waiting";

}  // namespace

absl::Status TooManyWaiting() {
  absl::Status status = absl::ResourceExhaustedError("too many calls wait for the outcome of their commands");
  status.SetPayload(kTooManyWaiting, absl::Cord());
  return status;
}

bool IsTooManyWaiting(const absl::Status& status) { return status.GetPayload(kTooManyWaiting).has_value(); }

PendingTable::PendingTable(telemetry::Gauge pending, int64_t max_calls, int64_t max_of_share, OutcomeListener* listener)
    : pending_(pending),
      max_calls_(max_calls),
      max_of_share_(max_of_share),
      listener_(listener),
      next_id_(RandomStart()) {}

bool PendingTable::Insert(uint64_t id, PendingCall& call, Await await, PendingShare& share) {
  // Counted first: calls that meet here may be refused one too early, and never let in one too many.
  const int64_t calls = calls_.fetch_add(1, std::memory_order_relaxed);
  const int64_t of_share = share.calls.fetch_add(1, std::memory_order_relaxed);
  pending_.Add(1);
  if (calls >= max_calls_ || of_share >= max_of_share_) {
    NoteTaken(share);
    return false;
  }
  Shard& shard = ShardOf(id);
  absl::MutexLock lock(&shard.mutex);
  shard.entries.emplace(id, Entry{.call = &call, .await = await, .share = &share});
  return true;
}

void PendingTable::NoteTaken(PendingShare& share) {
  share.calls.fetch_sub(1, std::memory_order_relaxed);
  calls_.fetch_sub(1, std::memory_order_relaxed);
  pending_.Add(-1);
}

PendingCall* PendingTable::Take(uint64_t id) {
  Shard& shard = ShardOf(id);
  Entry taken;
  {
    absl::MutexLock lock(&shard.mutex);
    const auto entry = shard.entries.find(id);
    if (entry == shard.entries.end()) {
      return nullptr;
    }
    taken = entry->second;
    shard.entries.erase(entry);
  }
  NoteTaken(*taken.share);
  return taken.call;
}

PendingCall* PendingTable::TakeReplied(const mesh::v1::Reply& reply) {
  if (listener_ != nullptr) listener_->OnReply(reply);
  return Take(reply.correlation_id());
}

PendingCall* PendingTable::TakeAbsent(uint64_t id) {
  if (listener_ != nullptr) listener_->OnAbsent(id);
  return Take(id);
}

PendingCall* PendingTable::Deliver(uint64_t id) {
  Shard& shard = ShardOf(id);
  Entry taken;
  {
    absl::MutexLock lock(&shard.mutex);
    const auto entry = shard.entries.find(id);
    if (entry == shard.entries.end()) {
      return nullptr;
    }
    if (entry->second.await == Await::kOutcome) {
      entry->second.delivered = true;
      return nullptr;
    }
    taken = entry->second;
    shard.entries.erase(entry);
  }
  NoteTaken(*taken.share);
  return taken.call;
}

std::vector<PendingCall*> PendingTable::TakeUndelivered() {
  std::vector<PendingCall*> calls;
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    for (auto entry = shard.entries.begin(); entry != shard.entries.end();) {
      if (entry->second.delivered) {
        ++entry;
        continue;
      }
      calls.push_back(entry->second.call);
      NoteTaken(*entry->second.share);
      entry = shard.entries.erase(entry);
    }
  }
  return calls;
}

size_t PendingTable::size() const {
  size_t size = 0;
  for (const Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    size += shard.entries.size();
  }
  return size;
}

}  // namespace tradewind::commands
