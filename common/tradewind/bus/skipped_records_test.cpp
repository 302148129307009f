#include "tradewind/bus/skipped_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace tradewind::bus {
namespace {

TEST(SkippedRecords, CountsEachOne) {
  SkippedRecords skipped("test");
  const Record record = Record::FromContent({.topic = "mesh.replies.v1"});
  for (int i = 0; i < 1000; ++i) skipped.Add(record, absl::InvalidArgumentError("junk"));
  const telemetry::Counter counter = telemetry::NewCounter("tradewind_records_skipped_total", "", {{"reader", "test"}});
  EXPECT_EQ(counter.value(), 1000);
}

TEST(SkippedRecords, LogsALineAMinuteAtMost) {
  SkippedRecords skipped("test");
  const Record record = Record::FromContent({.topic = "mesh.replies.v1", .partition = 2, .offset = 7});
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 1000; ++i) skipped.Add(record, absl::InvalidArgumentError("junk"));
  const std::string lines = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1) << lines;
  EXPECT_THAT(lines, ::testing::HasSubstr("topic=mesh.replies.v1 partition=2 offset=7"));
}

}  // namespace
}  // namespace tradewind::bus
