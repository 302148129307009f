// The publisher on a real broker that refuses, loses answers, or takes less than it did: everything arrives, in order,
// and a subscriber that goes by the chain sees each event once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/clock.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/bus/internal/kafka_proxy.h"
#include "tradewind/bus/kafka_sink.h"
#include "tradewind/bus/partition_reader.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/runtime/publisher.h"
#include "tradewind/runtime/task_progress.h"

namespace tradewind::runtime {
namespace {

using bus::kPatience;

class CountingSink final : public bus::EventSink {
 public:
  explicit CountingSink(std::unique_ptr<bus::EventSink> inner) : inner_(std::move(inner)) {}
  absl::Status Produce(const bus::OutgoingRecord& record, uint64_t token) override {
    return inner_->Produce(record, token);
  }
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const bus::Delivery&)> on_delivery) override {
    return inner_->Poll(timeout, on_delivery);
  }
  absl::Status Reset() override {
    ++resets_;
    return inner_->Reset();
  }
  int resets() const { return resets_; }

 private:
  std::unique_ptr<bus::EventSink> inner_;
  int resets_ = 0;
};

class PublisherFaultTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    broker_ = bus::OwnBroker::BehindProxy("publisher-fault", 20).release();
    proxy_ = new bus::KafkaProxy(broker_->port());
  }
  static void TearDownTestSuite() {
    delete proxy_;
    delete broker_;
  }

  void SetUp() override {
    topic_ = bus::MakeTopic(broker_->config(), "publisher", 1);
    MakePublisher();
  }

  void MakePublisher() {
    const auto make = []() -> absl::StatusOr<std::unique_ptr<bus::EventSink>> {
      return bus::KafkaSink::Create(broker_->config(), {.client_id = "test", .gapless = true});
    };
    sink_ = std::make_unique<CountingSink>(*make());
    publisher_.emplace(*sink_, make, "test/");
  }

  // Appends a row of events to the outbox.
  void Append(int count, size_t bytes = 100) {
    auto batch = std::make_unique<mesh::v1::OutboxBatch>();
    batch->set_source("/test/0");
    batch->set_epoch(7);
    for (int i = 0; i < count; ++i) {
      mesh::v1::OutgoingEvent& event = *batch->add_events();
      event.set_topic(topic_);
      event.set_key("k");
      event.set_type("test.v1.Event");
      event.set_value(std::string(bytes, 'v'));
      event.set_number(++number_);
      if (number_ == 1) continue;
      event.mutable_previous()->set_epoch(7);
      event.mutable_previous()->set_number(number_ - 1);
    }
    publisher_->Append(0, number_, std::move(batch));
  }

  bool Settle(absl::Duration patience = kPatience) {
    const int32_t partition = 0;
    return publisher_->Settle({&partition, 1}, patience);
  }

  // Numbers of the events that a subscriber takes from the log; a gap ends the list with a 0.
  std::vector<uint64_t> Taken() {
    std::vector<uint64_t> taken;
    InputProgress progress(topic_);
    progress.MarkReadFromStart();
    for (const auto& record : bus::ReadAll(broker_->config(), topic_, 0)) {
      const auto envelope = bus::ParseEnvelope(record);
      EXPECT_TRUE(envelope.ok()) << envelope.status();
      const Verdict verdict = progress.Judge(*envelope);
      if (verdict == Verdict::kGap) taken.push_back(0);
      if (verdict != Verdict::kTake) continue;
      progress.Take(*envelope, absl::Now());
      taken.push_back(envelope->sequence->number);
    }
    return taken;
  }
  std::vector<uint64_t> All() const {
    std::vector<uint64_t> numbers;
    for (uint64_t i = 1; i <= number_; ++i) numbers.push_back(i);
    return numbers;
  }

  static bus::OwnBroker* broker_;
  static bus::KafkaProxy* proxy_;
  std::string topic_;
  std::unique_ptr<CountingSink> sink_;
  std::optional<Publisher> publisher_;
  uint64_t number_ = 0;
  uint64_t other_number_ = 0;
};

bus::OwnBroker* PublisherFaultTest::broker_ = nullptr;
bus::KafkaProxy* PublisherFaultTest::proxy_ = nullptr;

TEST_F(PublisherFaultTest, LosesNothingWhenTheFirstBatchOfANewProducerIsRefused) {
  for (const int16_t error : {bus::kNotLeaderOrFollower, bus::kNotEnoughReplicas}) {
    MakePublisher();
    const int before = proxy_->interfered();
    proxy_->RefuseProduce(2, error);
    for (int row = 0; row < 5; ++row) Append(20);
    ASSERT_TRUE(Settle()) << error;
    EXPECT_EQ(proxy_->interfered() - before, 2);
    EXPECT_EQ(Taken(), All());
  }
}

TEST_F(PublisherFaultTest, LosesNothingWhenAnswersAreLost) {
  Append(1);
  ASSERT_TRUE(Settle());
  for (int round = 0; round < 3; ++round) {
    proxy_->LoseProduceAnswers(1);
    for (int row = 0; row < 5; ++row) Append(20);
    ASSERT_TRUE(Settle());
  }
  EXPECT_EQ(Taken(), All());
}

// A limit that was lowered while events that fit it before were on their way: they wait, with all behind them, until it
// is raised again.
TEST_F(PublisherFaultTest, WaitsForALimitThatWasLoweredToBeRaised) {
  Append(3);
  ASSERT_TRUE(Settle());
  bus::SetTopicConfig(broker_->config(), topic_, "max.message.bytes", "1000");
  Append(1, 100);
  Append(1, 5000);
  Append(1, 100);
  EXPECT_FALSE(Settle(absl::Seconds(3)));
  EXPECT_GT(publisher_->unacknowledged_bytes(), 5000);
  EXPECT_EQ(publisher_->resting_bytes(), publisher_->unacknowledged_bytes());
  bus::SetTopicConfig(broker_->config(), topic_, "max.message.bytes", "1048588");
  ASSERT_TRUE(Settle());
  EXPECT_EQ(Taken(), All());
}

// However often one task's event is refused, the producer of the others stays as it is.
TEST_F(PublisherFaultTest, DisturbsNoOtherTaskWhileAnEventIsRefused) {
  const std::string limited = topic_;
  const std::string other = bus::MakeTopic(broker_->config(), "other", 1);
  bus::SetTopicConfig(broker_->config(), limited, "max.message.bytes", "1000");
  Append(1, 5000);
  const int32_t others = 1;
  const auto append_other = [&] {
    auto batch = std::make_unique<mesh::v1::OutboxBatch>();
    batch->set_source("/test/1");
    batch->set_epoch(7);
    mesh::v1::OutgoingEvent& event = *batch->add_events();
    event.set_topic(other);
    event.set_key("k");
    event.set_type("test.v1.Event");
    event.set_number(++other_number_);
    publisher_->Append(others, other_number_, std::move(batch));
  };
  // Its first refusal is that of the common producer.
  EXPECT_FALSE(Settle(absl::Seconds(1)));
  ASSERT_GT(publisher_->resting_bytes(), 0);
  const absl::Time end = absl::Now() + absl::Seconds(4);
  while (absl::Now() < end) {
    append_other();
    ASSERT_TRUE(publisher_->Settle({&others, 1}, kPatience));
  }
  EXPECT_EQ(sink_->resets(), 1);
  EXPECT_GT(publisher_->resting_bytes(), 0);
}

}  // namespace
}  // namespace tradewind::runtime
