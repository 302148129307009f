// The processing loop: takes tasks as Kafka assigns them, and turns what arrives into one store transaction a batch,
// then into published events and replies. README.md tells why this is exactly once.
//
// One worker is one thread, one member of the consumer group, one session of the store and one producer; nothing in it
// is shared. A service scales by more workers and more processes.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "tradewind/bus/event_sink.h"
#include "tradewind/bus/event_source.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/runtime/group.h"
#include "tradewind/store/store.h"

namespace tradewind::config {
class Schema;
}

namespace tradewind::runtime {

struct WorkerConfig {
  // A batch is closed when it holds this many messages, or this many bytes of them.
  int32_t batch_messages = 500;
  int64_t batch_bytes = 4 << 20;
  // Or when its handlers have run for this long: Kafka throws out who does not ask for records within a minute.
  absl::Duration batch_time = absl::Seconds(10);
  // Events committed but not yet acknowledged by Kafka; at this many bytes the worker takes no more input.
  int64_t outbox_bytes = 64 << 20;
  // How often a message is handled that fails; then it is dead. The delay before the second attempt; each further one
  // is 5.4 times as long, up to the longest. The defaults make a day.
  int32_t max_attempts = 10;
  // How often the process may end while a message is handled by itself; then the message is dead. An innocent one is
  // blamed when processes are killed so often just while they handle it, so it is not 1.
  int32_t max_deaths = 3;
  absl::Duration first_retry = absl::Milliseconds(100);
  absl::Duration longest_retry = absl::Hours(24);
  // Keys of a task behind which messages may wait; at this many the task reads nothing until some are done with.
  int32_t parked_keys = 100'000;
  // Events of one topic and partition that may wait behind gaps; at this many nothing more is read of it until the gap
  // closes or is given up. 40 bytes of memory each.
  int64_t max_held_events = 100'000;
  // Effects that run at once in this process, each on a thread of its own; and how many of a task, and with how many
  // bytes, may wait or run before it reads nothing more.
  int32_t effect_threads = 64;
  int32_t effect_backlog = 1000;
  int64_t effect_bytes = 16 << 20;
  // How late a timer or a retry may be while the worker has nothing else to do.
  absl::Duration timer_tick = absl::Milliseconds(50);
  // How long answers to a request_id are kept.
  absl::Duration request_retention = absl::Hours(24 * 7);
  // Go on although Kafka knows another store, or a newer state of this one, for the group: after a restore.
  bool adopt_offsets = false;
  // Whether events with a sequence of our form that name no mesh count as this mesh's: true, false, or auto, which is
  // true for a store that was made before meshes had names. Read by whoever fills in WorkerPorts.
  std::string accept_unmarked_events = "auto";
};

// Binds the fields under "runtime".
void Describe(config::Schema& schema, WorkerConfig& config);

// What a worker works with. The pointers outlive it.
struct WorkerPorts {
  const Group* group = nullptr;
  store::Session* session = nullptr;
  std::string store_id;
  std::string cluster_id;
  std::string topic_prefix;
  // Events with a sequence of our form that name no mesh count as this mesh's: the log holds some of an earlier
  // version.
  bool accept_unmarked_events = false;
  // Over how many partitions the keys of every input and output topic are spread, by full name. The topic may have
  // more, which are no tasks.
  std::map<std::string, int32_t> partition_counts;
  // How many partitions the topic of that full name has now. Called for each record of this mesh that does not lie
  // where its key belongs. May block for a request to Kafka. Null: partitions are never added.
  std::function<absl::StatusOr<int32_t>(const std::string&)> ask_partitions;
  // Makes the member of the consumer group; called once, by Run.
  std::function<absl::StatusOr<std::unique_ptr<bus::EventSource>>(bus::AssignmentListener&)> make_source;
  // For the outbox: gapless, waits for ever; and makes one more of that kind. And for replies, which may be lost.
  bus::EventSink* events = nullptr;
  bus::MakeSink make_events;
  bus::EventSink* replies = nullptr;
  // The wall clock, and the one for pacing; others in tests.
  std::function<absl::Time()> wall_now = absl::Now;
  std::function<absl::Time()> steady_now = clock::SteadyNow;
};

class Worker {
 public:
  Worker(WorkerPorts ports, const WorkerConfig& config);
  ~Worker();

  // Works until Stop, then drains: finishes its batch, waits for what it published, commits offsets, leaves the group.
  // Returns OK after Stop, or the error that made going on impossible (a refused task, a schema too new), which names
  // the way out.
  absl::Status Run();

  // May be called by any thread, and from a signal-handling thread. Does not block.
  void Stop();

  // True once the first assignment, an empty one included, has settled: each of its tasks was taken, or is tried again.
  // Not where a task was refused, which ends Run. Any thread.
  bool ready() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tradewind::runtime
