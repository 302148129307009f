// Follows topics on a thread of its own and keeps the hops of the calls it is told to expect. Used by `tradewind demo`.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "services/cli/trace_collector.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/kafka_config.h"
#include "tradewind/bus/partition_reader.h"

namespace tradewind::cli {

// Thread-safe.
class TopicFollower {
 public:
  // Every partition of `topics` (full names), from its end. Nothing that is produced after this returned is missed.
  static absl::StatusOr<std::unique_ptr<TopicFollower>> Start(const bus::KafkaConfig& kafka,
                                                              absl::Span<const bus::TopicInfo> topics);
  // Joins the thread: within a poll's timeout.
  ~TopicFollower();

  void Expect(const std::string& trace_id, TraceCollector::Clock::time_point start);
  std::vector<Hop> Hops(const std::string& trace_id) const;

  // Blocks until the call has a hop of each of `types`. DeadlineExceeded, naming those that did not come, or the error
  // that ended the reading.
  absl::Status Await(const std::string& trace_id, const std::vector<std::string>& types,
                     TraceCollector::Clock::time_point deadline);

 private:
  TopicFollower(std::unique_ptr<bus::PartitionReader> reader, std::string_view topic_prefix);
  void Run();

  // The thread's alone.
  const std::unique_ptr<bus::PartitionReader> reader_;
  std::atomic<bool> stop_ = false;
  // The thread writes what the caller awaits, at a rate that no one but this caller can see.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  TraceCollector collector_;
  absl::Status failure_;
  std::thread thread_;
};

}  // namespace tradewind::cli
