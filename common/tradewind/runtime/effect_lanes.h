// Runs effects on threads: many keys at once, the messages of one key one after another. A key whose message failed
// stops until its owner has taken out what waits behind it.
//
// The worker that owns it adds messages and collects outcomes; only handlers run on the threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"

#include "tradewind/runtime/group.h"
#include "tradewind/runtime/outcome.h"
#include "tradewind/runtime/task.h"

namespace tradewind::runtime {

class EffectLanes {
 public:
  // Messages of one key that wait in memory, and their bytes at which no more are put to them; more of them wait in the
  // queue of the key in the store.
  static constexpr size_t kMaxLane = 16;
  static constexpr int64_t kMaxLaneBytes = 256 << 10;
  // Whether a lane takes one more message, however large: one that is empty takes any.
  static bool HasRoom(const LaneLoad& lane) { return lane.messages < kMaxLane && lane.bytes < kMaxLaneBytes; }

  struct Finished {
    int32_t partition;
    // Of the task when the message was added.
    uint64_t epoch;
    Input input;
    EffectResult result;
  };

  // Starts `threads` threads: no more effects than that run at once, over all tasks. Each of the group's `handlers` has
  // a share of half of them that no other takes, so that one whose effects hang leaves room for the rest.
  EffectLanes(int32_t threads, size_t handlers);
  // Does not wait for handlers that are still running; what they return is dropped.
  ~EffectLanes();

  // Puts a message at the end of its key's lane. `handler` outlives the lanes.
  void Add(const Task& task, const Handler& handler, Input input);

  // Returns up to `limit` of what has finished and was not collected yet, in the order of each key. An attempt that is
  // past its deadline at `now`, by clock::SteadyNow, counts as failed; its key then waits until the handler returns all
  // the same.
  std::vector<Finished> Collect(absl::Time now, size_t limit);
  bool has_finished() const;

  // While a partition is held back its effects start only by StartHeldBack.
  void HoldBack(int32_t partition, bool held_back);
  // Returns the message of a partition that is held back whose effect could start now, null while one runs or none
  // waits. Stays where it is until the next call of this object. The one for which `is_preferred` is true comes first.
  const Input* NextHeldBack(int32_t partition, const std::function<bool(const Input&)>& is_preferred);
  // Lets the effect of NextHeldBack start.
  void StartHeldBack(int32_t partition);
  // Ends the effect of NextHeldBack with `result`, without having run it.
  void EndHeldBack(int32_t partition, EffectResult result);

  // Takes out what waits in the lane of a key, in order, and lets the lane run again.
  std::vector<Input> TakeWaiting(int32_t partition, const std::string& key);

  // Drops what waits for this partition, and the outcomes of what runs.
  void Forget(int32_t partition);

  // Drops what waits for these partitions, then waits until nothing of theirs runs, for `patience` at most.
  void Settle(absl::Span<const int32_t> partitions, absl::Duration patience);
  // Starts nothing more, and tells what runs that the process ends.
  void Stop();

  // Messages of the task that wait or run.
  size_t size(int32_t partition) const;
  // Whether anything is running or waits to be collected.
  bool busy() const;

 private:
  struct State;
  // Shared with the threads, which may outlive the lanes.
  std::shared_ptr<State> state_;
};

}  // namespace tradewind::runtime
