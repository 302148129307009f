// Why the mesh keeps one Produce request in flight: what librdkafka 2.0.2 does with more, and with one, when a broker
// refuses the first batch of a new producer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tradewind/bus/internal/client.h"
#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/bus/internal/kafka_proxy.h"

namespace tradewind::bus {
namespace {

using ::testing::ElementsAre;

constexpr int kMessages = 5;

class ProducerPitfallTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    broker_ = OwnBroker::BehindProxy("producer-pitfall", 30).release();
    proxy_ = new KafkaProxy(broker_->port());
  }
  static void TearDownTestSuite() {
    delete proxy_;
    delete broker_;
  }

  // An idempotent, gapless producer puts messages "0", "1", ... on a new topic, each a batch of its own, of which the
  // first is refused once. Returns the values of those that it reports as delivered.
  std::vector<std::string> ProduceWithARefusal(int in_flight) {
    topic_ = MakeTopic(broker_->config(), "pitfall", 1);
    internal::ClientSettings settings(broker_->config(), "pitfall");
    settings.Set("acks", "all").Set("enable.idempotence", true).Set("enable.gapless.guarantee", true);
    settings.Set("max.in.flight.requests.per.connection", int64_t{in_flight}).Set("batch.num.messages", int64_t{1});
    rd_kafka_conf_set_dr_msg_cb(settings.conf(), [](rd_kafka_t*, const rd_kafka_message_t* message, void* test) {
      auto& self = *static_cast<ProducerPitfallTest*>(test);
      ++self.reported_;
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return;
      self.delivered_.emplace_back(static_cast<const char*>(message->payload), message->len);
    });
    auto client = std::move(settings).Build(RD_KAFKA_PRODUCER, this);
    EXPECT_TRUE(client.ok()) << client.status();
    proxy_->RefuseProduce(1, kNotLeaderOrFollower);
    for (int number = 0; number < kMessages; ++number) {
      const std::string value = std::to_string(number);
      const rd_kafka_resp_err_t taken =
          rd_kafka_producev(client->get(), RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(0),
                            RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
      EXPECT_EQ(taken, RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    WaitFor([&] { return reported_ == kMessages; }, [&] { rd_kafka_poll(client->get(), 20); });
    internal::DestroyWithin(*std::move(client), absl::Seconds(5));
    return delivered_;
  }

  std::vector<std::string> OnTheLog() const {
    std::vector<std::string> values;
    for (const Record& record : ReadAll(broker_->config(), topic_, 0)) values.emplace_back(record.value());
    return values;
  }

  static OwnBroker* broker_;
  static KafkaProxy* proxy_;
  std::string topic_;
  int reported_ = 0;
  std::vector<std::string> delivered_;
};

OwnBroker* ProducerPitfallTest::broker_ = nullptr;
KafkaProxy* ProducerPitfallTest::proxy_ = nullptr;

// The broker takes the second batch of a producer it does not know, whatever its number, and then calls the first one a
// repeat; librdkafka takes that for success. When this fails, a newer librdkafka or Kafka has mended it, and the sinks
// may be given more in flight.
TEST_F(ProducerPitfallTest, WithFiveInFlightAMessageIsReportedAndIsNotThere) {
  const std::vector<std::string> delivered = ProduceWithARefusal(5);
  const std::vector<std::string> there = OnTheLog();
  const bool missing = std::any_of(delivered.begin(), delivered.end(), [&](const std::string& value) {
    return std::find(there.begin(), there.end(), value) == there.end();
  });
  EXPECT_TRUE(missing) << "delivered: " << ::testing::PrintToString(delivered)
                       << ", on the log: " << ::testing::PrintToString(there);
}

TEST_F(ProducerPitfallTest, WithOneInFlightAllIsThereAndInOrder) {
  EXPECT_THAT(ProduceWithARefusal(1), ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_THAT(OnTheLog(), ElementsAre("0", "1", "2", "3", "4"));
}

}  // namespace
}  // namespace tradewind::bus
