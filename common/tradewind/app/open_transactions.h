// For how long transactions have been open on the topics that a service uses. Nothing behind the beginning of one is
// read by anybody of the mesh, and no error says so. For the metric tradewind_open_transaction_seconds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

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

}  // namespace tradewind
