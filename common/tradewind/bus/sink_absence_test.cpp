// When a sink may say that Kafka certainly does not have a record, against a broker that librdkafka plays.
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <memory>
#include <vector>

#include "tradewind/bus/internal/played_brokers.h"
#include "tradewind/bus/kafka_sink.h"

namespace tradewind::bus {
namespace {

constexpr char kTopic[] = "topic";
// Of the Kafka protocol.
constexpr int16_t kProduceApi = 0;
constexpr absl::Duration kPatience = absl::Seconds(30);

class SinkAbsenceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(rd_kafka_mock_topic_create(broker_.cluster(), kTopic, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    auto sink = KafkaSink::Create({.brokers = broker_.addresses()},
                                  {.client_id = "test", .delivery_timeout = absl::Seconds(2)});
    ASSERT_TRUE(sink.ok()) << sink.status();
    sink_ = *std::move(sink);
    ASSERT_TRUE(Deliver(1).status.ok());
  }
  Delivery Deliver(uint64_t token) {
    EXPECT_TRUE(sink_->Produce({.topic = kTopic, .partition = 0, .key = "k", .value = "v"}, token).ok());
    Delivery delivery{.token = 0, .status = absl::UnknownError("not reported")};
    sink_->Poll(kPatience, [&](const Delivery& one) { delivery = one; });
    EXPECT_EQ(delivery.token, token);
    return delivery;
  }

  internal::PlayedBrokers broker_{1};
  std::unique_ptr<KafkaSink> sink_;
};

// It may have been appended, and be on the log of the next leader.
TEST_F(SinkAbsenceTest, IsNotCertainOfARecordThatAFormerLeaderRefused) {
  const std::vector<rd_kafka_resp_err_t> refusals(1'000, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
  rd_kafka_mock_push_request_errors_array(broker_.cluster(), kProduceApi, refusals.size(), refusals.data());
  const Delivery delivery = Deliver(2);
  EXPECT_EQ(delivery.status.code(), absl::StatusCode::kUnavailable) << delivery.status;
  EXPECT_FALSE(delivery.certainly_absent);
}

TEST_F(SinkAbsenceTest, IsCertainOfARecordThatNeverLeft) {
  ASSERT_EQ(rd_kafka_mock_broker_set_down(broker_.cluster(), 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  const Delivery delivery = Deliver(2);
  EXPECT_EQ(delivery.status.code(), absl::StatusCode::kUnavailable) << delivery.status;
  EXPECT_TRUE(delivery.certainly_absent);
}

}  // namespace
}  // namespace tradewind::bus
