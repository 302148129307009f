#include "tradewind/telemetry/trace.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace tradewind::telemetry {
namespace {

// From the Trace Context recommendation.
constexpr std::string_view kExample = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContextTest, ReadsAndWritesTheExampleOfTheRecommendation) {
  std::optional<TraceContext> context = TraceContext::Parse(kExample);
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(context->span_id[0], 0x00);
  EXPECT_EQ(context->span_id[7], 0xb7);
  EXPECT_EQ(context->flags, 1);
  EXPECT_EQ(context->ToTraceparent(), kExample);
}

TEST(TraceContextTest, KeepsTheSampledFlagAndDropsUnknownOnes) {
  EXPECT_EQ(TraceContext::Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")->flags, 0);
  EXPECT_EQ(TraceContext::Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff")->flags, 1);
  EXPECT_EQ(TraceContext::Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-08")->flags, 0);
}

TEST(TraceContextTest, ReadsWhatItKnowsOfALaterVersion) {
  for (const char* text : {"cc-12345678901234567890123456789012-1234567890123456-01",
                           "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like"}) {
    std::optional<TraceContext> context = TraceContext::Parse(text);
    ASSERT_TRUE(context.has_value()) << text;
    EXPECT_EQ(context->ToTraceparent(), "00-12345678901234567890123456789012-1234567890123456-01");
  }
}

TEST(TraceContextTest, RefusesWhatIsMalformed) {
  for (const char* text : {
           "",
           "00",
           "00-12345678901234567890123456789012-1234567890123456-0",
           "00-12345678901234567890123456789012-1234567890123456-010",
           "00-12345678901234567890123456789012-1234567890123456-01-",
           "00-12345678901234567890123456789012-1234567890123456-01-what",
           "cc-12345678901234567890123456789012-1234567890123456-01.what",
           "ff-12345678901234567890123456789012-1234567890123456-01",
           "00-00000000000000000000000000000000-1234567890123456-01",
           "00-12345678901234567890123456789012-0000000000000000-01",
           "00-1234567890123456789012345678901g-1234567890123456-01",
           "00-12345678901234567890123456789012-123456789012345x-01",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
           "0x-12345678901234567890123456789012-1234567890123456-01",
           "00-12345678901234567890123456789012-1234567890123456-0x",
           "00_12345678901234567890123456789012_1234567890123456_01",
       }) {
    EXPECT_EQ(TraceContext::Parse(text), std::nullopt) << text;
  }
}

TEST(TraceContextTest, RootsAreNewAndChildrenShareTheTrace) {
  std::set<std::string> traces;
  for (int i = 0; i < 100; ++i) traces.insert(TraceContext::NewRoot().trace_id_hex());
  EXPECT_EQ(traces.size(), 100U);

  TraceContext root = TraceContext::NewRoot();
  TraceContext child = root.NewChild();
  EXPECT_EQ(child.trace_id, root.trace_id);
  EXPECT_NE(child.span_id, root.span_id);
  EXPECT_EQ(child.flags, root.flags);
  EXPECT_TRUE(TraceContext::Parse(child.ToTraceparent()).has_value());
}

TEST(TraceScopeTest, NestsAndEnds) {
  TraceContext outer = TraceContext::NewRoot();
  TraceContext inner = TraceContext::NewRoot();
  EXPECT_EQ(TraceScope::Current(), nullptr);
  {
    TraceScope outer_scope(outer);
    ASSERT_NE(TraceScope::Current(), nullptr);
    EXPECT_EQ(TraceScope::Current()->trace_id, outer.trace_id);
    {
      TraceScope inner_scope(inner);
      EXPECT_EQ(TraceScope::Current()->trace_id, inner.trace_id);
    }
    ASSERT_NE(TraceScope::Current(), nullptr);
    EXPECT_EQ(TraceScope::Current()->trace_id, outer.trace_id);
  }
  EXPECT_EQ(TraceScope::Current(), nullptr);
}

TEST(TraceScopeTest, BelongsToOneThread) {
  TraceScope scope(TraceContext::NewRoot());
  const TraceContext* seen = TraceScope::Current();
  std::thread([&seen] { seen = TraceScope::Current(); }).join();
  EXPECT_EQ(seen, nullptr);
}

}  // namespace
}  // namespace tradewind::telemetry
