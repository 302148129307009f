#include "tradewind/bus/skipped_records.h"

#include <utility>

#include "tradewind/bus/logger.h"
#include "tradewind/clock/steady_now.h"

namespace tradewind::bus {

SkippedRecords::SkippedRecords(std::string reader)
    : reader_(std::move(reader)),
      counter_(telemetry::NewCounter("tradewind_records_skipped_total",
                                     "Records passed over by a reader that can make no use of them.",
                                     {{"reader", reader_}})) {}

void SkippedRecords::Add(const Record& record, const absl::Status& why) {
  counter_.Add();
  const uint64_t times = line_.Count(clock::SteadyNow());
  if (times == 0) {
    return;
  }
  kLog.Warn("records that cannot be used are passed over; this is the last of them", {{"reader", reader_},
                                                                                      {"topic", record.topic()},
                                                                                      {"partition", record.partition()},
                                                                                      {"offset", record.offset()},
                                                                                      {"count", times},
                                                                                      {"reason", why}});
}

}  // namespace tradewind::bus
