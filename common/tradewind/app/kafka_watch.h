// Looks at Kafka from outside every five seconds, on a thread of its own: at the ends of logs and at the brokers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "tradewind/app/brokers_away.h"
#include "tradewind/app/open_transactions.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/kafka_config.h"

namespace tradewind {

class KafkaWatch {
 public:
  // `topics` are full names; those that do not exist are looked for all the same. What is seen of them is given to
  // `on_ends` too, on the watch's thread. Does not wait for a broker.
  using OnEnds = std::function<void(absl::Span<const bus::LogEnd>)>;
  static absl::StatusOr<std::unique_ptr<KafkaWatch>> Start(const bus::KafkaConfig& kafka, const std::string& client_id,
                                                           std::vector<std::string> topics, OnEnds on_ends);

 private:
  KafkaWatch(std::unique_ptr<bus::KafkaAdmin> admin, std::vector<std::string> topics, OnEnds on_ends);
  void Run(const std::stop_token& stop);
  void LookAtLogs();

  const std::unique_ptr<bus::KafkaAdmin> admin_;
  const std::vector<std::string> topics_;
  const OnEnds on_ends_;
  OpenTransactions open_;
  BrokersAway brokers_;
  // Ends before what it uses.
  std::jthread thread_;
};

}  // namespace tradewind
