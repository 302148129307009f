#include "tradewind/app/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "nlohmann/json.hpp"

#include "tradewind/order/v1/order.pb.h"
#include "tradewind/telemetry/logger.h"

namespace tradewind {
namespace {

// Between lines of JSON plain text would make a log unreadable for whoever reads it by machine.
TEST(SetUpProcess, HasProtobufWriteLinesOfOurLog) {
  SetUpProcess();
  telemetry::InitLogging({.level = "debug", .format = "json"}, "test");
  ::testing::internal::CaptureStderr();
  order::v1::GetOrderRequest request;
  for (int i = 0; i < 3; ++i) {
    // Text that is not UTF-8.
    EXPECT_FALSE(request.ParseFromString(std::string("\x0a\x01\xff", 3)));
  }
  std::istringstream lines(::testing::internal::GetCapturedStderr());
  int warnings = 0;
  int others = 0;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json parsed = nlohmann::json::parse(line);
    EXPECT_EQ(parsed["logger"], "protobuf");
    (parsed["level"] == "warn" ? warnings : others) += 1;
  }
  EXPECT_EQ(warnings, 1);
  EXPECT_EQ(others, 2);
}

}  // namespace
}  // namespace tradewind
