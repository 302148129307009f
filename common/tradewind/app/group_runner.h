// One consumer group of a service at work: its worker on a thread of its own, with a session of the store and the
// producers for its outbox and its replies.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "tradewind/app/unread_partitions.h"
#include "tradewind/bus/kafka_config.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/runtime/group.h"
#include "tradewind/runtime/worker.h"
#include "tradewind/store/store.h"

namespace tradewind {

// What runtime.accept_unmarked_events comes to over this store.
bool AcceptsUnmarkedEvents(const runtime::WorkerConfig& config, const store::Store& store);

class GroupRunner {
 public:
  // What the groups of a service share.
  struct Surroundings {
    const bus::KafkaConfig& kafka;
    const runtime::WorkerConfig& worker;
    store::Store& store;
    const std::string& cluster_id;
    // By full topic name; those over which keys are spread.
    const std::map<std::string, int32_t>& partition_counts;
    PartitionCounter& counter;
  };

  // Everything it is given outlives it. `on_end` is called once, on the worker's thread, when that has ended.
  static absl::StatusOr<std::unique_ptr<GroupRunner>> Start(const runtime::Group& group,
                                                            const Surroundings& surroundings,
                                                            std::function<void()> on_end);
  ~GroupRunner();

  // The first assignment of partitions has settled: each was taken, or is tried again. False for ever where one was
  // refused, which ends the worker.
  bool ready() const { return worker_->ready(); }
  // Asks the worker to finish. Does not block.
  void Stop() { worker_->Stop(); }
  // Waits for its end; what Worker::Run returned.
  absl::Status Join();

 private:
  GroupRunner() = default;

  std::unique_ptr<store::Session> session_;
  std::unique_ptr<bus::EventSink> events_;
  std::unique_ptr<bus::KafkaSink> replies_;
  std::unique_ptr<runtime::Worker> worker_;
  std::thread thread_;
  // Written by the worker's thread, read after it was joined.
  absl::Status result_;
};

}  // namespace tradewind
