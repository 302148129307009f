#include "services/cli/trace_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tradewind/mesh/v1/envelope.pb.h"

namespace tradewind::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kOtherTrace[] = "0af7651916cd43dd8448eb211c80319c";
const TraceCollector::Clock::time_point kStart{std::chrono::seconds(100)};

std::string Traceparent(const std::string& trace) { return "00-" + trace + "-00f067aa0ba902b7-01"; }

bus::Record Event(const std::string& type, const std::string& traceparent) {
  return bus::Record::FromContent({.topic = "pre.order.events.v1",
                                   .partition = 3,
                                   .offset = 17,
                                   .headers = {{"ce_type", type}, {"traceparent", traceparent}}});
}

bus::Record Command(const std::string& instance, uint64_t correlation_id) {
  return bus::Record::FromContent({.topic = "pre.order.commands.v1",
                                   .headers = {{"ce_specversion", "1.0"},
                                               {"ce_id", "1"},
                                               {"ce_type", "Command"},
                                               {"ce_source", "gateway"},
                                               {"traceparent", Traceparent(kTrace)},
                                               {"tradewind-reply-partition", "4"},
                                               {"tradewind-reply-instance", instance},
                                               {"tradewind-correlation", std::to_string(correlation_id)}}});
}

bus::Record Replies(const std::string& instance, std::vector<uint64_t> correlation_ids) {
  mesh::v1::ReplyBatch batch;
  batch.set_instance_id(instance);
  for (const uint64_t id : correlation_ids) {
    batch.add_replies()->set_correlation_id(id);
  }
  return bus::Record::FromContent(
      {.topic = "pre.mesh.replies.v1", .partition = 4, .offset = 9, .value = batch.SerializeAsString()});
}

class TraceCollectorTest : public ::testing::Test {
 protected:
  TraceCollectorTest() { collector_.Expect(kTrace, kStart); }
  bool Add(const bus::Record& record, int ms = 0) {
    return collector_.Add(record, kStart + std::chrono::milliseconds(ms));
  }

  TraceCollector collector_{"pre."};
};

TEST_F(TraceCollectorTest, ShowsAForeignTypeAsText) {
  EXPECT_TRUE(Add(Event("\xff", Traceparent(kTrace))));
  EXPECT_EQ(collector_.Hops(kTrace).at(0).what, "\\xff");
}

TEST_F(TraceCollectorTest, KeepsTheEventsOfItsTraceWithTheirTimeAndPlace) {
  EXPECT_TRUE(Add(Event("T", Traceparent(kTrace)), 5));
  const std::vector<Hop> hops = collector_.Hops(kTrace);
  ASSERT_THAT(hops, SizeIs(1));
  EXPECT_EQ(hops[0].ms, 5);
  EXPECT_EQ(hops[0].what, "T");
  EXPECT_EQ(hops[0].where, "pre.order.events.v1-3@17");
}

TEST_F(TraceCollectorTest, LeavesOtherTracesAlone) {
  EXPECT_FALSE(Add(Event("T", Traceparent(kOtherTrace))));
  EXPECT_FALSE(Add(Event("T", "not a traceparent")));
  EXPECT_FALSE(Add(Event("T", "")));
  EXPECT_THAT(collector_.Hops(kTrace), IsEmpty());
}

TEST_F(TraceCollectorTest, FindsTheReplyByWhatTheCommandNamed) {
  Add(Command("gw-1", 7), 1);
  EXPECT_FALSE(Add(Replies("gw-1", {6}), 2));
  EXPECT_FALSE(Add(Replies("gw-2", {7}), 2));
  EXPECT_TRUE(Add(Replies("gw-1", {6, 7}), 3));
  const std::vector<Hop> hops = collector_.Hops(kTrace);
  ASSERT_THAT(hops, SizeIs(2));
  EXPECT_EQ(hops[1].what, ReplyType());
  EXPECT_EQ(hops[1].ms, 3);
  EXPECT_EQ(hops[1].where, "pre.mesh.replies.v1-4@9");
}

TEST_F(TraceCollectorTest, FindsAReplySeenBeforeItsCommand) {
  EXPECT_FALSE(Add(Replies("gw-1", {7}), 2));
  EXPECT_TRUE(Add(Command("gw-1", 7), 3));
  const std::vector<Hop> hops = collector_.Hops(kTrace);
  ASSERT_THAT(hops, SizeIs(2));
  EXPECT_EQ(hops[1].what, ReplyType());
  EXPECT_EQ(hops[1].ms, 2);
}

TEST_F(TraceCollectorTest, SurvivesRepliesThatAreNone) {
  EXPECT_FALSE(Add(bus::Record::FromContent({.topic = "pre.mesh.replies.v1", .value = "\xff\xff"})));
}

TEST_F(TraceCollectorTest, TellsWhatIsMissing) {
  Add(Event("A", Traceparent(kTrace)));
  EXPECT_THAT(collector_.Missing(kTrace, {"A", "B"}), ElementsAre("B"));
  EXPECT_THAT(collector_.Missing(kTrace, {"A"}), IsEmpty());
}

}  // namespace
}  // namespace tradewind::cli
