// tail and topics against a real broker.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "absl/time/clock.h"

#include "services/cli/history.h"
#include "services/cli/session.h"
#include "services/cli/tail.h"
#include "services/cli/topic_follower.h"
#include "services/cli/topics.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/telemetry/trace.h"

namespace tradewind::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kEvents[] = "order.events.v1";
constexpr char kCommands[] = "order.commands.v1";
constexpr absl::Duration kPatience = absl::Seconds(30);

class CliIntegrationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* brokers = std::getenv("TRADEWIND_TEST_KAFKA");
    ASSERT_NE(brokers, nullptr) << "TRADEWIND_TEST_KAFKA names the broker to test with";
    config_.descriptors = TRADEWIND_DESCRIPTORS;
    config_.kafka.brokers = brokers;
    config_.kafka.partitions = 3;
    // Topics of its own for each test of each run.
    config_.kafka.topic_prefix = fmt::format("cli-{:08x}.", std::random_device{}());
    auto admin = bus::KafkaAdmin::Create(config_.kafka, "cli-test");
    ASSERT_TRUE(admin.ok()) << admin.status();
    const std::vector<std::string> topics = {Full(kEvents), Full(kCommands)};
    const auto created = (*admin)->EnsureTopics(topics);
    ASSERT_TRUE(created.ok()) << created.status();
    auto sink = bus::KafkaSink::Create(config_.kafka, {.client_id = "cli-test", .delivery_timeout = kPatience});
    ASSERT_TRUE(sink.ok()) << sink.status();
    sink_ = *std::move(sink);
  }

  std::string Full(const std::string& topic) const { return bus::FullTopic(config_.kafka, topic); }

  // Returns once the broker has it.
  void Produce(const std::string& topic, int32_t partition, const std::string& key, const std::string& value,
               const std::vector<bus::HeaderView>& headers) {
    const std::string full = Full(topic);
    ASSERT_TRUE(
        sink_
            ->Produce({.topic = full, .partition = partition, .key = key, .value = value, .headers = headers}, ++token_)
            .ok());
    bool delivered = false;
    const absl::Time deadline = absl::Now() + kPatience;
    while (!delivered && absl::Now() < deadline) {
      sink_->Poll(absl::Milliseconds(100), [&](const bus::Delivery& delivery) {
        EXPECT_TRUE(delivery.status.ok()) << delivery.status;
        delivered = delivery.token == token_;
      });
    }
    ASSERT_TRUE(delivered);
  }

  void ProduceConfirmed(int32_t partition, const std::string& order_id) {
    order::v1::OrderConfirmed event;
    event.set_order_id(order_id);
    Produce(kEvents, partition, order_id, event.SerializeAsString(),
            {{"ce_type", "tradewind.order.v1.OrderConfirmed"}});
  }

  // Runs a verb and keeps what it wrote.
  template <typename Options>
  int Run(int (*verb)(const Options&, const Session&), const Options& options) {
    out_.str("");
    err_.str("");
    return verb(options, {.config = config_, .out = out_, .err = err_, .interrupted = interrupted_});
  }

  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    std::istringstream text(out_.str());
    for (std::string line; std::getline(text, line);) {
      lines.push_back(line);
    }
    return lines;
  }

  CliConfig config_;
  std::unique_ptr<bus::KafkaSink> sink_;
  uint64_t token_ = 0;
  std::ostringstream out_;
  std::ostringstream err_;
  std::atomic<bool> interrupted_ = false;
};

TEST_F(CliIntegrationTest, TailShowsWhatIsThereAndStopsAtTheEnd) {
  ProduceConfirmed(0, "o-1");
  ProduceConfirmed(2, "o-2");
  Produce(kEvents, 1, "raw", "\xff\xff", {});
  order::v1::CreateOrderRequest command;
  command.set_payment_token("tok-secret");
  Produce(kCommands, 0, "o-1", command.SerializeAsString(), {{"ce_type", "tradewind.order.v1.CreateOrderRequest"}});

  EXPECT_EQ(Run(RunTail, {.reading = {.until_end = true}}), kExitOk);
  EXPECT_EQ(err_.str(), "");
  EXPECT_THAT(Lines(), SizeIs(4));
  EXPECT_THAT(out_.str(), AllOf(HasSubstr(Full(kEvents) + "-0@0  tradewind.order.v1.OrderConfirmed  o-1  "
                                                          R"({"order_id":"o-1"})"),
                                HasSubstr(R"({"order_id":"o-2"})"),
                                HasSubstr("raw  <undecodable: no ce_type header (2 bytes: ffff)>"),
                                HasSubstr(R"({"payment_token":"[redacted]"})")));
  EXPECT_THAT(out_.str(), ::testing::Not(HasSubstr("tok-secret")));
}

TEST_F(CliIntegrationTest, TailKeepsToItsFiltersAndItsCount) {
  for (const char* id : {"o-1", "o-2", "o-1", "o-1"}) {
    ProduceConfirmed(0, id);
  }
  EXPECT_EQ(Run(RunTail, {.reading = {.topics = {kEvents}, .until_end = true}, .filter = {.key = "o-1"}, .json = true}),
            kExitOk);
  const std::vector<std::string> lines = Lines();
  ASSERT_THAT(lines, SizeIs(3));
  const auto last = nlohmann::json::parse(lines[2]);
  EXPECT_EQ(last["offset"], 3);
  EXPECT_EQ(last["headers"]["ce_type"], "tradewind.order.v1.OrderConfirmed");

  EXPECT_EQ(Run(RunTail, {.reading = {.topics = {kEvents}, .until_end = true}, .filter = {.type = "OrderCreated"}}),
            kExitOk);
  EXPECT_THAT(Lines(), SizeIs(0));
  EXPECT_EQ(Run(RunTail, {.reading = {.topics = {kEvents}, .from_beginning = true}, .count = 2}), kExitOk);
  EXPECT_THAT(Lines(), SizeIs(2));
}

TEST_F(CliIntegrationTest, TailOfEmptyTopicsEndsAtOnce) {
  EXPECT_EQ(Run(RunTail, {.reading = {.until_end = true}}), kExitOk) << err_.str();
  EXPECT_EQ(out_.str(), "");
}

TEST_F(CliIntegrationTest, TailNamesTheNearestTopic) {
  EXPECT_EQ(Run(RunTail, {.reading = {.topics = {config_.kafka.topic_prefix + "order.event.v1"}}}), kExitUsage);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean " + Full(kEvents)));
  EXPECT_EQ(out_.str(), "");
}

TEST_F(CliIntegrationTest, TailRefusesATypeThatNobodyKnows) {
  EXPECT_EQ(Run(RunTail, {.reading = {.until_end = true}, .filter = {.type = "OrderConfirmd"}}), kExitUsage);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean OrderConfirmed?"));
  EXPECT_EQ(Run(RunTail, {.reading = {.until_end = true}, .filter = {.type = "shop.v9.Teleport"}}), kExitOk);
}

TEST_F(CliIntegrationTest, TimelineShowsWhatLiesUnderAKeyAndWhatCameOfTheSameCalls) {
  const auto trace = [](const std::string& id) { return "00-" + std::string(31, '0') + id + "-0000000000000001-01"; };
  Produce(kCommands, 0, "o-1", "", {{"ce_type", "Command"}, {"traceparent", trace("1")}});
  Produce(kEvents, 1, "o-1", "", {{"ce_type", "Event"}, {"traceparent", trace("1")}});
  Produce(kEvents, 0, "u-1", "", {{"ce_type", "Told"}, {"traceparent", trace("1")}});
  Produce(kEvents, 2, "o-1", "", {{"ce_type", "Later"}, {"traceparent", trace("2")}});
  Produce(kEvents, 2, "o-2", "", {{"ce_type", "Another"}, {"traceparent", trace("3")}});

  EXPECT_EQ(Run(RunHistory, {.key = "o-1", .json = true}), kExitOk) << err_.str();
  std::vector<std::string> types;
  for (const auto& hop : nlohmann::json::parse(out_.str())) types.push_back(hop["what"]);
  EXPECT_THAT(types, ::testing::UnorderedElementsAre("Command", "Event", "Told", "Later"));
  Produce(kEvents, 2, "o-1", "", {{"ce_type", "\xff"}});
  EXPECT_EQ(Run(RunHistory, {.key = "o-1", .json = true}), kExitOk) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr(R"("what": "\\xff")"));
  EXPECT_EQ(Run(RunHistory, {.key = "o-9"}), kExitNotWell);
  EXPECT_THAT(err_.str(), HasSubstr("under the key 'o-9'"));
}

TEST_F(CliIntegrationTest, TopicsCountsRecordsAndNamesTypes) {
  ProduceConfirmed(0, "o-1");
  ProduceConfirmed(2, "o-2");
  EXPECT_EQ(Run(RunTopics, {.json = true}), kExitOk);
  nlohmann::json events;
  nlohmann::json users;
  for (const auto& topic : nlohmann::json::parse(out_.str())) {
    (topic["topic"] == Full(kEvents) ? events : users) = topic;
  }
  EXPECT_EQ(events["records"], 2);
  EXPECT_EQ(events["partitions"], 3);
  EXPECT_EQ(events["replication_factor"], 1);
  EXPECT_THAT(events["types"], ::testing::Contains("tradewind.order.v1.OrderConfirmed"));
  EXPECT_EQ(users["exists"], false);
}

TEST_F(CliIntegrationTest, TheFollowerSeesItsTraceFromTheEndOn) {
  const telemetry::TraceContext trace = telemetry::TraceContext::NewRoot();
  const std::string traceparent = trace.NewChild().ToTraceparent();
  const std::vector<bus::HeaderView> ours = {{"ce_type", "T"}, {"traceparent", traceparent}};
  Produce(kEvents, 0, "k", "", ours);
  const std::vector<bus::TopicInfo> topics = {{Full(kEvents), 3, 1}};
  const auto follower = TopicFollower::Start(config_.kafka, topics);
  ASSERT_TRUE(follower.ok()) << follower.status();
  (*follower)->Expect(trace.trace_id_hex(), TraceCollector::Clock::now());
  ProduceConfirmed(0, "another trace");
  Produce(kEvents, 0, "k", "", ours);
  const auto deadline = TraceCollector::Clock::now() + absl::ToChronoMicroseconds(kPatience);
  const absl::Status seen = (*follower)->Await(trace.trace_id_hex(), {"T"}, deadline);
  ASSERT_TRUE(seen.ok()) << seen;
  const std::vector<Hop> hops = (*follower)->Hops(trace.trace_id_hex());
  ASSERT_THAT(hops, SizeIs(1));
  EXPECT_EQ(hops[0].where, Full(kEvents) + "-0@2");

  const absl::Status missed = (*follower)->Await(trace.trace_id_hex(), {"T", "U"}, TraceCollector::Clock::now());
  EXPECT_EQ(missed.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(missed.message()), HasSubstr("in time: U"));
}

}  // namespace
}  // namespace tradewind::cli
