// A task as the worker that owns it keeps it in memory: what its row in the store holds, and what of it is waiting.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/record.h"
#include "tradewind/runtime/task_progress.h"
#include "tradewind/store/store.h"

namespace tradewind::runtime {

// An event behind a gap in its source's chain.
struct HeldEvent {
  // Of its row in the store.
  int64_t id;
  bus::Record record;
  bus::Envelope envelope;
};

struct Task {
  // Topic and source.
  using ChainName = std::pair<std::string, std::string>;

  store::TaskId id;
  // ce_source of its events.
  std::string source;
  uint64_t epoch = 0;
  uint64_t emit_sequence = 0;
  TaskProgress progress;
  // In the order of insertion, which is that of the chain.
  std::map<ChainName, std::deque<HeldEvent>> held;
  // Outbox rows up to here are gone from the store.
  uint64_t outbox_dropped = 0;
  // Kafka's committed offsets are behind the row's.
  bool offsets_moved = false;

  // Before the first record at or behind `offset` of a topic is taken, the one at `offset` must have this fingerprint.
  struct Expected {
    int64_t offset;
    uint64_t fingerprint;
  };
  std::map<std::string, Expected, std::less<>> expected;

  enum class State {
    kRunning,
    // Its partitions are paused; continues from its progress when `due`.
    kPaused,
    // What is in memory may be wrong; takes a new epoch when `due`.
    kDisowned,
  };
  State state = State::kRunning;
  absl::Time due = absl::InfinitePast();

  // The message that asked for a retry, and how often.
  std::string retried_topic;
  int64_t retried_offset = -1;
  int retries = 0;
  // Failed takeovers in a row.
  int takeovers_failed = 0;
};

// A record on its way through a batch.
struct Input {
  Task* task;
  bus::Record record;
  absl::StatusOr<bus::Envelope> envelope;
};

}  // namespace tradewind::runtime
