// For how long transactions have been open on the topics that a service uses. Nothing behind the beginning of one is
// read by anybody of the mesh, and no error says so. For the metric tradewind_open_transaction_seconds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "tradewind/bus/kafka_admin.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind {

// Measures from one look at the logs to the next. Not thread-safe.
class OpenTransactions {
 public:
  // A transaction counts from the first look that shows it, and as another one once the partition's stable offset has
  // moved.
  void Note(absl::Span<const bus::LogEnd> ends);

 private:
  struct Open {
    int64_t stable;
    telemetry::Age age;
  };
  // By topic and partition. One that has ended keeps its metric, at 0.
  std::map<std::pair<std::string, int32_t>, Open> open_;
};

// Looks every five seconds, on a thread of its own.
class TransactionWatch {
 public:
  // Full names; those that do not exist are looked for all the same. What is seen is given to `on_ends` too, on the
  // watch's thread. Does not wait for a broker.
  using OnEnds = std::function<void(absl::Span<const bus::LogEnd>)>;
  static absl::StatusOr<std::unique_ptr<TransactionWatch>> Start(const bus::KafkaConfig& kafka,
                                                                 const std::string& client_id,
                                                                 std::vector<std::string> topics, OnEnds on_ends);

 private:
  TransactionWatch(std::unique_ptr<bus::KafkaAdmin> admin, std::vector<std::string> topics, OnEnds on_ends);
  void Run(const std::stop_token& stop);

  const std::unique_ptr<bus::KafkaAdmin> admin_;
  const std::vector<std::string> topics_;
  const OnEnds on_ends_;
  OpenTransactions open_;
  // Ends before what it uses.
  std::jthread thread_;
};

}  // namespace tradewind
