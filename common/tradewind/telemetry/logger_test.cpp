#include "tradewind/telemetry/logger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"

#include "tradewind/config/config.h"
#include "tradewind/telemetry/log_line.h"
#include "tradewind/telemetry/occasional.h"
#include "tradewind/telemetry/trace.h"

namespace tradewind::telemetry {
namespace {

using nlohmann::json;
using namespace std::string_literals;
using testing::MatchesRegex;
using testing::SizeIs;

constexpr Logger kLog{"bus"};

std::string StandardError(const std::function<void()>& act) {
  testing::internal::CaptureStderr();
  act();
  return testing::internal::GetCapturedStderr();
}

// The lines that `act` logs, each of which must be JSON.
std::vector<json> JsonLines(const std::function<void()>& act) {
  std::vector<json> lines;
  for (absl::string_view line : absl::StrSplit(StandardError(act), '\n', absl::SkipEmpty())) {
    lines.push_back(json::parse(line.begin(), line.end()));
  }
  return lines;
}

TEST(LoggerTest, WritesOneJsonObjectALine) {
  InitLogging({.level = "debug", .format = "json"}, "order");
  std::vector<json> lines = JsonLines([] {
    kLog.Debug("one");
    kLog.Info("two", {{"broker", "a:1"}, {"attempt", 3}, {"retry_in", absl::Milliseconds(250)}, {"idle", true}});
    kLog.Warn("three", {{"ratio", 0.5}, {"bytes", std::numeric_limits<uint64_t>::max()}});
    kLog.Error("four", {{"reason", absl::NotFoundError("no such topic")}});
  });
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_EQ(lines[0]["level"], "debug");
  EXPECT_EQ(lines[0]["service"], "order");
  EXPECT_EQ(lines[0]["logger"], "bus");
  EXPECT_EQ(lines[0]["message"], "one");
  EXPECT_THAT(lines[0]["time"].get<std::string>(), MatchesRegex("....-..-..T..:..:..\\.[0-9]+Z"));
  EXPECT_FALSE(lines[0].contains("trace_id"));
  EXPECT_EQ(lines[1]["level"], "info");
  EXPECT_EQ(lines[1]["broker"], "a:1");
  EXPECT_EQ(lines[1]["attempt"], 3);
  EXPECT_EQ(lines[1]["retry_in"], "250ms");
  EXPECT_EQ(lines[1]["idle"], true);
  EXPECT_EQ(lines[2]["level"], "warn");
  EXPECT_EQ(lines[2]["ratio"], 0.5);
  EXPECT_EQ(lines[2]["bytes"], std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(lines[3]["level"], "error");
  EXPECT_EQ(lines[3]["reason"], "no such topic");
}

TEST(LoggerTest, EscapesWhateverItIsGiven) {
  InitLogging({.format = "json"}, "a \"service\" %v");
  std::string hostile = "quote \" backslash \\ newline \n tab \t nul \0 percent %v brace {}"s;
  std::vector<json> lines = JsonLines([&] {
    kLog.Info(hostile,
              {{"key \"\n", hostile}, {"bad_utf8", "a\xff\xc3z"}, {"nan", std::numeric_limits<double>::quiet_NaN()}});
  });
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0]["service"], "a \"service\" %v");
  EXPECT_EQ(lines[0]["message"], hostile);
  EXPECT_EQ(lines[0]["key \"\n"], hostile);
  EXPECT_EQ(lines[0]["bad_utf8"], "a\xef\xbf\xbd\xef\xbf\xbdz");
  EXPECT_TRUE(lines[0]["nan"].is_null());
}

TEST(LoggerTest, AddsTheTraceOfTheScope) {
  InitLogging({.format = "json"}, "order");
  TraceContext trace = TraceContext::NewRoot();
  std::vector<json> lines = JsonLines([&] {
    TraceScope scope(trace);
    kLog.Info("inside");
  });
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0]["trace_id"], trace.trace_id_hex());
}

TEST(LoggerTest, KeepsItsOwnNamesFromFields) {
  InitLogging({.format = "json"}, "order");
  std::vector<json> lines = JsonLines([] { kLog.Info("mine", {{"message", "yours"}, {"level", 7}}); });
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0]["message"], "mine");
  EXPECT_EQ(lines[0]["message_"], "yours");
  EXPECT_EQ(lines[0]["level"], "info");
  EXPECT_EQ(lines[0]["level_"], 7);
}

TEST(LoggerTest, LeavesOutLinesBelowItsLevel) {
  InitLogging({.level = "warn", .format = "json"}, "order");
  std::vector<json> lines = JsonLines([] {
    kLog.Debug("no");
    kLog.Info("no");
    kLog.Warn("yes");
    kLog.Error("yes");
  });
  EXPECT_THAT(lines, SizeIs(2));
}

TEST(LoggerTest, WritesTextForAPerson) {
  InitLogging({.format = "text"}, "order");
  std::string output = StandardError([] {
    kLog.Warn("broker is away", {{"broker", "a:1"}, {"retry_in", absl::Seconds(1)}});
  });
  EXPECT_THAT(output, MatchesRegex("[0-9: .-]+ warning bus: broker is away  broker=a:1 retry_in=1s\n"));
}

TEST(LoggerTest, WritesJsonWhereStandardErrorIsNoTerminal) {
  testing::internal::CaptureStderr();
  InitLogging({.format = "auto"}, "order");
  kLog.Info("captured");
  std::string output = testing::internal::GetCapturedStderr();
  EXPECT_EQ(json::parse(output)["message"], "captured");
}

TEST(LoggerTest, KeepsLinesOfManyThreadsApart) {
  InitLogging({.format = "json"}, "order");
  constexpr int kThreads = 4;
  constexpr int kLines = 200;
  std::vector<json> lines = JsonLines([] {
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([thread] {
        for (int line = 0; line < kLines; ++line) kLog.Info("line", {{"thread", thread}, {"line", line}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  EXPECT_THAT(lines, SizeIs(kThreads * kLines));
}

TEST(LoggerTest, RefusesUnknownLevelsAndFormats) {
  for (const char* argument : {"--log.level=trace", "--log.format=xml"}) {
    LogConfig log;
    config::Schema schema;
    Describe(schema, log);
    const char* argv[] = {"tradewind-test", argument};
    absl::Status status = config::Load(schema, {"tradewind-test", ""}, 2, argv).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << argument;
  }
}

TEST(TextLineTest, StaysOneLineAndQuotesWhatNeedsIt) {
  EXPECT_EQ(TextLine("two\nlines\x1b[31m", "", {}), "two\\nlines\\x1b[31m");
  EXPECT_EQ(TextLine("m", "", {{"a", "two words"}, {"b", "say \"x\""}, {"c", ""}, {"d", "x\ny"}, {"e", "k=v"}}),
            "m  a=\"two words\" b=\"say \\\"x\\\"\" c=\"\" d=x\\ny e=\"k=v\"");
  EXPECT_EQ(TextLine("m", "4bf9", {{"n", 1}}), "m  n=1 trace_id=4bf9");
  EXPECT_EQ(TextLine("m", "4bf9", {}), "m  trace_id=4bf9");
}

TEST(Occasional, SpeaksOnceAMinuteForAllThatCame) {
  Occasional occasional;
  const absl::Time start = absl::FromUnixSeconds(1'000'000);
  EXPECT_EQ(occasional.Count(start), 1u);
  EXPECT_EQ(occasional.Count(start), 0u);
  EXPECT_EQ(occasional.Count(start + absl::Seconds(59)), 0u);
  EXPECT_EQ(occasional.Count(start + absl::Minutes(1)), 3u);
  // The clock was set back.
  EXPECT_EQ(occasional.Count(start - absl::Hours(1)), 1u);
}

}  // namespace
}  // namespace tradewind::telemetry
