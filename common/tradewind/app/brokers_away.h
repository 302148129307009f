// How many brokers of the cluster are away, for the metric tradewind_kafka_brokers_away.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"

#include "tradewind/bus/kafka_admin.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind {

// Not thread-safe.
class BrokersAway {
 public:
  BrokersAway();

  // Takes what the cluster says of its brokers. Where none of them answers, all are away that took part when it was
  // heard of last.
  void Note(const absl::StatusOr<bus::ClusterBrokers>& brokers);

 private:
  const telemetry::Gauge away_;
  // A cluster has one broker at least.
  size_t known_ = 1;
};

}  // namespace tradewind
