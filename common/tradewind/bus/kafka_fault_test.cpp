// The clients of the bus while their broker is killed and comes back. The broker is the tests' own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"

#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/bus/partition_reader.h"

namespace tradewind::bus {
namespace {

class KafkaFaultTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { broker_ = new OwnBroker(); }
  static void TearDownTestSuite() {
    delete broker_;
    broker_ = nullptr;
  }
  // Each test finds it running; `start` on a running broker does nothing.
  void SetUp() override { broker_->Start(); }

  static OwnBroker* broker_;
};

OwnBroker* KafkaFaultTest::broker_ = nullptr;

std::vector<Delivery> Deliveries(KafkaSink& sink, size_t count) {
  std::vector<Delivery> deliveries;
  WaitFor([&] { return deliveries.size() >= count; },
          [&] { sink.Poll(absl::Milliseconds(20), [&](const Delivery& one) { deliveries.push_back(one); }); });
  return deliveries;
}

TEST_F(KafkaFaultTest, ASinkWithADeadlineReportsWhatIsCertainlyAbsent) {
  const std::string topic = MakeTopic(broker_->config(), "deadline", 1);
  auto sink = KafkaSink::Create(broker_->config(), {.client_id = "test", .delivery_timeout = absl::Seconds(1)});
  ASSERT_TRUE(sink.ok()) << sink.status();
  const OutgoingRecord record{.topic = topic, .partition = 0, .key = "k", .value = "v"};
  // A broker that has just started may take longer than the deadline over the first.
  const auto deliver = [&] {
    bool delivered = false;
    return WaitFor([&] { return delivered; },
                   [&] {
                     ASSERT_TRUE((*sink)->Produce(record, 1).ok());
                     delivered = Deliveries(**sink, 1).at(0).status.ok();
                   });
  };
  ASSERT_TRUE(deliver());

  broker_->Kill();
  for (uint64_t token = 2; token < 6; ++token) {
    const absl::Time produced = absl::Now();
    ASSERT_TRUE((*sink)->Produce(record, token).ok());
    const std::vector<Delivery> deliveries = Deliveries(**sink, 1);
    ASSERT_EQ(deliveries.size(), 1U);
    EXPECT_EQ(deliveries[0].token, token);
    EXPECT_EQ(deliveries[0].status.code(), absl::StatusCode::kUnavailable) << deliveries[0].status;
    // The connection broke before: nothing was sent.
    EXPECT_TRUE(deliveries[0].certainly_absent);
    RecordProperty("reported_after_ms_" + std::to_string(token),
                   static_cast<int>(absl::ToInt64Milliseconds(absl::Now() - produced)));
    // About a second, on a machine that may be busy with other things.
    EXPECT_LT(absl::Now() - produced, absl::Seconds(5));
  }

  broker_->Start();
  EXPECT_TRUE(deliver());
}

TEST_F(KafkaFaultTest, ASinkWithoutADeadlineDeliversOnceTheBrokerIsBack) {
  const std::string topic = MakeTopic(broker_->config(), "patient", 1);
  auto sink = KafkaSink::Create(broker_->config(), {.client_id = "test", .gapless = true});
  ASSERT_TRUE(sink.ok()) << sink.status();
  uint64_t token = 0;
  const auto produce = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::string value = std::to_string(token);
      ASSERT_TRUE((*sink)->Produce({.topic = topic, .partition = 0, .key = "k", .value = value}, token++).ok());
    }
  };
  produce(500);
  broker_->Kill();
  produce(500);
  broker_->Start();
  const std::vector<Delivery> deliveries = Deliveries(**sink, 1000);
  ASSERT_EQ(deliveries.size(), 1000U);
  for (const Delivery& delivery : deliveries) {
    ASSERT_TRUE(delivery.status.ok()) << delivery.status;
  }

  // On the log once each, in order, whatever was in flight at the kill.
  auto reader = PartitionReader::Create(broker_->config(), "test", {{topic, 0, kFromBeginning}});
  ASSERT_TRUE(reader.ok()) << reader.status();
  for (uint64_t i = 0; i < 1000; ++i) {
    const auto record = (*reader)->Poll(kPatience);
    ASSERT_TRUE(record.ok() && record->has_value());
    ASSERT_EQ((*record)->value(), std::to_string(i));
  }
  EXPECT_FALSE((*reader)->Poll(absl::Milliseconds(100))->has_value());
}

TEST_F(KafkaFaultTest, ResetDoesNotWaitForABrokerThatIsAway) {
  const std::string topic = MakeTopic(broker_->config(), "reset", 1);
  auto sink = KafkaSink::Create(broker_->config(), {.client_id = "test", .gapless = true});
  broker_->Kill();
  const OutgoingRecord record{.topic = topic, .partition = 0, .key = "k", .value = "v"};
  ASSERT_TRUE((*sink)->Produce(record, 1).ok());
  const absl::Time before = absl::Now();
  ASSERT_TRUE((*sink)->Reset().ok());
  EXPECT_LT(absl::Now() - before, absl::Seconds(10));
  ASSERT_TRUE((*sink)->Produce(record, 2).ok());
  broker_->Start();
  const std::vector<Delivery> deliveries = Deliveries(**sink, 1);
  ASSERT_EQ(deliveries.size(), 1U);
  EXPECT_EQ(deliveries[0].token, 2U);
  EXPECT_TRUE(deliveries[0].status.ok()) << deliveries[0].status;
}

// Its last answers say that all has been read; what it would say now is not known.
TEST_F(KafkaFaultTest, AMemberHasNotCaughtUpWhileTheBrokerSaysNothing) {
  const std::string topic = MakeTopic(broker_->config(), "caught-up", 1);
  Fill(broker_->config(), topic, 0, 0, 3);
  // Found out long before a request or the session has timed out.
  KafkaConfig config = broker_->config();
  config.request_timeout = absl::Minutes(2);
  config.session_timeout = absl::Minutes(2);
  Member member(config, UniqueName("group"), {topic});
  const auto caught_up = [&] { return member.source->CaughtUp(topic, 0, 0); };
  const auto step = [&] { member.Step(); };
  ASSERT_TRUE(WaitFor(caught_up, step));
  const auto ask = [&] {
    member.Step();
    member.source->Range(topic, 0).IgnoreError();
  };
  broker_->Freeze();
  EXPECT_TRUE(WaitFor([&] { return !caught_up(); }, step));
  broker_->Thaw();
  EXPECT_TRUE(WaitFor(caught_up, ask));
  broker_->Kill();
  EXPECT_TRUE(WaitFor([&] { return !caught_up(); }, step));
  broker_->Start();
  EXPECT_TRUE(WaitFor(caught_up, ask));
}

TEST_F(KafkaFaultTest, ReadersGoOnByThemselves) {
  const std::string topic = MakeTopic(broker_->config(), "readers", 1);
  const auto member = std::make_unique<Member>(broker_->config(), UniqueName("group"), std::vector<std::string>{topic});
  auto reader = PartitionReader::Create(broker_->config(), "test", {{topic, 0, kFromEnd}});
  ASSERT_TRUE(reader.ok()) << reader.status();
  Fill(broker_->config(), topic, 0, 0, 5);
  ASSERT_TRUE(WaitFor([&] { return member->seen.size() == 5; }, [&] { member->Step(); }));

  broker_->Kill();
  for (int i = 0; i < 20; ++i) {
    member->Step();
    ASSERT_TRUE(member->status.ok()) << member->status;
  }
  EXPECT_EQ(member->source->Range(topic, 0).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(member->source->CommitOffsets({{topic, 0, 5, ""}}, true).code(), absl::StatusCode::kUnavailable);
  broker_->Start();
  Fill(broker_->config(), topic, 0, 5, 5);

  ASSERT_TRUE(WaitFor([&] { return member->Values(topic, 0).size() >= 10; }, [&] { member->Step(); }));
  EXPECT_TRUE(member->status.ok()) << member->status;
  for (int i = 0; i < 10; ++i) {
    const auto record = (*reader)->Poll(kPatience);
    ASSERT_TRUE(record.ok() && record->has_value());
    EXPECT_EQ((*record)->value(), std::to_string(i));
  }
}

TEST_F(KafkaFaultTest, CloseKeepsItsDeadlineWithoutABroker) {
  const std::string topic = MakeTopic(broker_->config(), "close", 2);
  auto member = std::make_unique<Member>(broker_->config(), UniqueName("group"), std::vector<std::string>{topic});
  ASSERT_TRUE(WaitFor([&] { return member->listener.owned.size() == 2; }, [&] { member->Step(); }));
  broker_->Kill();
  ASSERT_TRUE(member->source->CommitOffsets({{topic, 0, 1, ""}}, false).ok());
  // As the runtime does: what it waits for there is part of the deadline.
  member->listener.on_revoked = [&](absl::Span<const int32_t>) {
    EXPECT_FALSE(member->source->CommitOffsets({{topic, 0, 2, ""}}, true).ok());
  };
  const absl::Time before = absl::Now();
  member->source->Close(absl::Seconds(2)).IgnoreError();
  EXPECT_LT(absl::Now() - before, absl::Seconds(4));
  // Told one way or the other, once each.
  EXPECT_TRUE(member->listener.owned.empty());
  EXPECT_EQ(member->listener.revoked.size() + member->listener.lost.size(), 2U);
}

}  // namespace
}  // namespace tradewind::bus
