#include "tradewind/bus/skipped_records.h"

#include <utility>

#include "tradewind/bus/logger.h"

namespace tradewind::bus {
namespace {

constexpr std::chrono::minutes kBetweenLines{1};

}  // namespace

SkippedRecords::SkippedRecords(std::string reader)
    : reader_(std::move(reader)),
      counter_(telemetry::NewCounter("tradewind_records_skipped_total",
                                     "Records passed over by a reader that can make no use of them.",
                                     {{"reader", reader_}})) {}

void SkippedRecords::Add(const Record& record, const absl::Status& why) {
  counter_.Add();
  ++since_last_line_;
  const auto now = std::chrono::steady_clock::now();
  if (next_line_.has_value() && now < *next_line_) {
    return;
  }
  next_line_ = now + kBetweenLines;
  kLog.Warn("records that cannot be used are passed over; this is the last of them", {{"reader", reader_},
                                                                                      {"topic", record.topic()},
                                                                                      {"partition", record.partition()},
                                                                                      {"offset", record.offset()},
                                                                                      {"count", since_last_line_},
                                                                                      {"reason", why}});
  since_last_line_ = 0;
}

}  // namespace tradewind::bus
