#include "tradewind/commands/pending_table.h"

#include <sodium.h>

namespace tradewind::commands {
namespace {

uint64_t RandomStart() {
  uint64_t start = 0;
  randombytes_buf(&start, sizeof(start));
  // Room to count upwards, and never 0, which stands for no call.
  return (start >> 1) + 1;
}

}  // namespace

PendingTable::PendingTable(telemetry::Gauge pending) : pending_(pending), next_id_(RandomStart()) {}

void PendingTable::Insert(uint64_t id, PendingCall& call, Await await) {
  Shard& shard = ShardOf(id);
  {
    absl::MutexLock lock(&shard.mutex);
    shard.entries.emplace(id, Entry{.call = &call, .await = await});
  }
  pending_.Add(1);
}

PendingCall* PendingTable::Take(uint64_t id) {
  Shard& shard = ShardOf(id);
  PendingCall* call = nullptr;
  {
    absl::MutexLock lock(&shard.mutex);
    const auto entry = shard.entries.find(id);
    if (entry == shard.entries.end()) {
      return nullptr;
    }
    call = entry->second.call;
    shard.entries.erase(entry);
  }
  pending_.Add(-1);
  return call;
}

PendingCall* PendingTable::Deliver(uint64_t id) {
  Shard& shard = ShardOf(id);
  PendingCall* call = nullptr;
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
    call = entry->second.call;
    shard.entries.erase(entry);
  }
  pending_.Add(-1);
  return call;
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
      entry = shard.entries.erase(entry);
    }
  }
  pending_.Add(-static_cast<double>(calls.size()));
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
