#include "tradewind/bus/skipped_records.h"

#include <gtest/gtest.h>

namespace tradewind::bus {
namespace {

TEST(SkippedRecords, CountsEachOne) {
  SkippedRecords skipped("test");
  const Record record = Record::FromContent({.topic = "mesh.replies.v1"});
  for (int i = 0; i < 1000; ++i) skipped.Add(record, absl::InvalidArgumentError("junk"));
  const telemetry::Counter counter = telemetry::NewCounter("tradewind_records_skipped_total", "", {{"reader", "test"}});
  EXPECT_EQ(counter.value(), 1000);
}

}  // namespace
}  // namespace tradewind::bus
