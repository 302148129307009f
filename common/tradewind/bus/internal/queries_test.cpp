#include "tradewind/bus/internal/queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>

#include "tradewind/bus/internal/client.h"
#include "tradewind/bus/internal/played_brokers.h"

namespace tradewind::bus::internal {
namespace {

constexpr char kTopic[] = "topic";
constexpr absl::Duration kPatience = absl::Seconds(30);

// Two brokers, with a topic of four partitions.
class QueriesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(rd_kafka_mock_topic_create(brokers_.cluster(), kTopic, 4, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    for (int32_t partition = 0; partition < 4; ++partition) {
      ASSERT_EQ(rd_kafka_mock_partition_set_leader(brokers_.cluster(), kTopic, partition, partition % 2 + 1),
                RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    topics_ = LookFor(brokers_.client(), {kTopic});
  }
  void TearDown() override { topics_.clear(); }

  std::vector<absl::StatusOr<OffsetRange>> Ask() {
    std::vector<Position> positions;
    for (int32_t partition = 0; partition < 4; ++partition) positions.push_back({kTopic, partition});
    const auto begin = std::chrono::steady_clock::now();
    auto ranges = QueryRanges(brokers_.client(), positions, Deadline(kPatience));
    took_ = absl::FromChrono(std::chrono::steady_clock::now() - begin);
    return ranges;
  }

  PlayedBrokers brokers_{2};
  std::vector<TopicHandle> topics_;
  absl::Duration took_;
};

TEST_F(QueriesTest, TellsTheRangesOfAllPartitions) {
  const auto ranges = Ask();
  ASSERT_EQ(ranges.size(), 4u);
  for (const auto& range : ranges) {
    ASSERT_TRUE(range.ok()) << range.status();
    EXPECT_EQ(range->low, 0);
    EXPECT_EQ(range->high, 0);
  }
}

TEST_F(QueriesTest, WaitsForNoPartitionWithoutALeader) {
  ASSERT_EQ(rd_kafka_mock_partition_set_leader(brokers_.cluster(), kTopic, 2, -1), RD_KAFKA_RESP_ERR_NO_ERROR);
  const auto ranges = Ask();
  ASSERT_EQ(ranges.size(), 4u);
  EXPECT_TRUE(ranges[0].ok() && ranges[1].ok() && ranges[3].ok());
  EXPECT_EQ(ranges[2].status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(ranges[2].status().message()), ::testing::HasSubstr("topic-2 has no leader"));
  EXPECT_LT(took_, absl::Seconds(5));
}

TEST_F(QueriesTest, TellsTheOthersWhereABrokerIsAway) {
  // Both are connected to.
  ASSERT_TRUE(Ask()[1].ok());
  ASSERT_EQ(rd_kafka_mock_broker_set_down(brokers_.cluster(), 2), RD_KAFKA_RESP_ERR_NO_ERROR);
  const auto ranges = Ask();
  EXPECT_TRUE(ranges[0].ok() && ranges[2].ok());
  for (const size_t away : {1, 3}) EXPECT_EQ(ranges[away].status().code(), absl::StatusCode::kUnavailable) << away;
  // The client may ask the dead one a few times before it asks the other.
  EXPECT_LT(took_, kPatience);
}

}  // namespace
}  // namespace tradewind::bus::internal
