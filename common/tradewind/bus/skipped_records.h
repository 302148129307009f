// Counts the records that a reader without a task passes over because they are of no use to it, and logs where they
// lie. Whoever can write to a topic can write as many as he likes, so that there is one line a minute at most.
#pragma once

#include <string>

#include "absl/status/status.h"

#include "tradewind/bus/record.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/telemetry/occasional.h"

namespace tradewind::bus {

// Not thread-safe.
class SkippedRecords {
 public:
  // `reader` is the label of the metric tradewind_records_skipped_total.
  explicit SkippedRecords(std::string reader);

  // Counts the record. Logs its place, and how many there were since the last line, unless there was a line within the
  // last minute.
  void Add(const Record& record, const absl::Status& why);

 private:
  const std::string reader_;
  const telemetry::Counter counter_;
  telemetry::Occasional line_;
};

}  // namespace tradewind::bus
