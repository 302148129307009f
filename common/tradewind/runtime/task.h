// A task as the worker that owns it keeps it in memory: what its row in the store holds, and what of it is waiting.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/record.h"
#include "tradewind/runtime/key_queues.h"
#include "tradewind/runtime/outcome.h"
#include "tradewind/runtime/task_progress.h"
#include "tradewind/store/store.h"

namespace tradewind::runtime {

// An event behind a gap in its source's chain. The record itself is in the store.
struct HeldEvent {
  bus::Sequence sequence;
  bus::Sequence previous;
  // Of its row in the store.
  int64_t id;

  // As the rule of the chain sees it; valid as long as `source`.
  bus::Envelope ToEnvelope(std::string_view source) const {
    bus::Envelope envelope;
    envelope.source = source;
    envelope.sequence = sequence;
    envelope.previous = previous;
    return envelope;
  }
};

// The messages in the lane of a key, or in all lanes of a task: those that wait, that run, or that have ended and are
// not yet on record.
struct LaneLoad {
  size_t messages = 0;
  int64_t bytes = 0;

  void Add(const bus::Record& record) {
    ++messages;
    bytes += bus::SizeOf(record);
  }
  void Remove(const bus::Record& record) {
    --messages;
    bytes -= bus::SizeOf(record);
  }
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
  // In the order of the chain. Forty bytes an event; WorkerConfig::max_held_events limits how many there are of a
  // topic.
  std::map<ChainName, std::deque<HeldEvent>> held;
  // Topics of which so many events are held that nothing more is read of them.
  std::set<std::string, std::less<>> stopped_topics;
  KeyQueues queues;
  // Those of the queues whose first record has no handler in this version.
  std::set<std::string, std::less<>> without_handler;
  // Effects of records in queues that wait in their lane or run, by queue: ids of the records, and how many bytes the
  // store has of each. Until they have ended nothing of the queue is due.
  std::map<std::string, std::map<int64_t, int64_t>, std::less<>> started_from_queue;
  // Effects in the lane of a key, for keys that have any.
  std::map<std::string, LaneLoad, std::less<>> lanes;
  LaneLoad LaneOf(const std::string& queue) const {
    const auto lane = lanes.find(queue);
    return lane == lanes.end() ? LaneLoad() : lane->second;
  }
  // Effects in all lanes together.
  LaneLoad in_lanes;
  // No timer is due before.
  absl::Time next_timer = absl::InfiniteFuture();
  // Key and name of timers that were set, cancelled or fired since the inputs under way were gathered: where one of
  // these is among them it is not what the store has any more.
  std::set<std::pair<std::string, std::string>> changed_timers;
  // Effects that an earlier owner had begun and that have not been read again yet, by topic.
  std::map<std::string, std::set<int64_t>, std::less<>> to_read_again;
  // Outbox rows up to here are gone from the store.
  uint64_t outbox_dropped = 0;
  // An event of an outbox row that Kafka can never take, of which a mesh.v1.EventWithheld is published instead, or a
  // row that cannot be read. Kept as dead in the transaction that drops the row.
  struct Withheld {
    uint64_t row;
    store::KeptRecord kept;
  };
  // In the order of the rows.
  std::vector<Withheld> withheld;
  // Adds to `batch` what is kept of the rows that it drops.
  void KeepWithheld(uint64_t acknowledged, store::Batch& batch) const {
    for (const Withheld& event : withheld) {
      if (event.row <= acknowledged) batch.kept.push_back(event.kept);
    }
  }
  // After a commit that dropped the rows up to there.
  void DropOutbox(uint64_t acknowledged) {
    outbox_dropped = acknowledged;
    std::erase_if(withheld, [&](const Withheld& event) { return event.row <= acknowledged; });
  }

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
  // Failed takeovers in a row.
  int takeovers_failed = 0;
  // Kafka's committed offsets are behind the row's.
  bool offsets_moved = false;
  // As many keys or effects wait as may: nothing is read until some of them are done with.
  bool crowded = false;
  // The store counts this take until a commit says that it ended in order, or that its owner has been well for a while.
  bool takes_open = true;
  // Its owners have ended again and again without giving it back: messages are handled one by one, each marked in the
  // store before.
  bool careful = false;
  // The marked message is an effect that runs: other commits of the task leave the mark alone.
  bool suspect_runs = false;
  // Its log or its row is not what it has to be. It is looked at again every minute; the other tasks go on.
  bool stopped = false;
  // Of the status that says why: OutOfRange where the log has lost records, DataLoss where a row does not parse.
  absl::StatusCode stopped_for = absl::StatusCode::kOk;
  absl::Time due = absl::InfinitePast();
  absl::Time taken_at = absl::InfinitePast();
  // When its inputs began to be read, or were read on after a pause.
  absl::Time reads_since = absl::InfinitePast();
  // By topic: effects below these offsets were under way when the task was taken.
  std::map<std::string, int64_t, std::less<>> begun_before;
  // Records on the group's own topic that no subscription of this version is KeyedBy, and so nobody reads.
  int64_t rekeyed_unread = 0;
  // Rows in the store of held events that cannot be read, or have no place in a chain. A person can only skip them.
  std::set<int64_t> held_without_place;
  // Timers that cannot be read, by key and name, with the bytes of their records; each is logged once.
  std::map<std::pair<std::string, std::string>, int64_t> damaged_timers;
  // Where its inputs ended when it was taken: what a client knows of their ends may be older than that.
  std::map<std::string, int64_t, std::less<>> ends;
  // When its inputs were last seen to be read to their ends.
  absl::Time inputs_read_at = absl::InfinitePast();
};

// What came of an attempt at an effect.
struct EffectResult {
  Outcome outcome = Ack();
  // Its record could not be handled, whatever the handler.
  bool undecodable = false;
  // Emitted, in order; to be published when the outcome is Ack.
  std::vector<std::unique_ptr<google::protobuf::Message>> events;
  std::string traceparent;
};

// A record on its way through a batch.
struct Input {
  Task* task;
  bus::Record record;
  absl::StatusOr<bus::Envelope> envelope;

  // Where it stood in its key's queue, if that is where it comes from.
  struct FromQueue {
    int64_t id;
    int32_t attempts;
    // When it was loaded. If its queue is due later than that, the record before it has failed since.
    absl::Time loaded_at = absl::InfinitePast();
    // Certainly nothing waits behind it.
    bool last = false;
  };
  std::optional<FromQueue> queued;
  // Kept by an earlier version, which did not compare its key with its message.
  bool unchecked = false;
  // The version that held the event back had no handler for it.
  bool unhandled = false;
  // Of its row in the store, for an event that stood behind a gap.
  std::optional<int64_t> held;
  // The timer it comes from, or "".
  std::string timer;
  // Set for an effect that has run.
  std::optional<EffectResult> effect;
  // Waited in the lane of a key that has stopped.
  bool from_lane = false;
  // Why the store did not take what followed from it, once that is known.
  std::string refused;
};

// Whether a record of a queue is to be handled: if the queue is not due, the record before it has failed since.
inline bool IsDue(const Input::FromQueue& queued, std::optional<absl::Time> due) {
  return due.has_value() && *due <= queued.loaded_at;
}

// Whether it was loaded from the store, which still has it if it is not handled.
inline bool IsInStore(const Input& input) {
  return !input.effect.has_value() && (input.queued.has_value() || input.held.has_value() || !input.timer.empty());
}

}  // namespace tradewind::runtime
