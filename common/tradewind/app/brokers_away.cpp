#include "tradewind/app/brokers_away.h"

#include <algorithm>

namespace tradewind {

BrokersAway::BrokersAway()
    : away_(telemetry::NewGauge("tradewind_kafka_brokers_away",
                                "Brokers that should hold partitions and take no part, or all where none answers.")) {}

void BrokersAway::Note(const absl::StatusOr<bus::ClusterBrokers>& brokers) {
  if (!brokers.ok()) {
    away_.Set(static_cast<double>(known_));
    return;
  }
  known_ = std::max<size_t>(1, brokers->addresses.size() + brokers->missing.size());
  away_.Set(static_cast<double>(brokers->missing.size()));
}

}  // namespace tradewind
