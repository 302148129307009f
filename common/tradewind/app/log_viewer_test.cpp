// Against a real broker: what a person is shown of a log before they decide about it.
#include <gtest/gtest.h>

#include "tradewind/app/partition_admin.h"
#include "tradewind/bus/internal/kafka_fixture.h"
#include "tradewind/clock/steady_now.h"

namespace tradewind {
namespace {

// A reader that cannot end is waited for: five seconds for each group, while a person looks on.
TEST(KafkaLogViewer, ShowsARecordAtOnce) {
  const bus::KafkaConfig config = bus::TestKafka();
  const std::string topic = bus::MakeTopic(config, "viewed", 1);
  bus::Fill(config, topic, 0, 0, 3);
  const LogViewer viewer = KafkaLogViewer(config, "test");
  const absl::Time begin = clock::SteadyNow();
  const auto range = viewer.range(topic, 0);
  ASSERT_TRUE(range.ok()) << range.status();
  EXPECT_EQ(range->high, 3);
  const auto record = viewer.read(topic, 0, 1);
  ASSERT_TRUE(record.ok()) << record.status();
  ASSERT_TRUE(record->has_value());
  EXPECT_EQ((*record)->offset(), 1);
  EXPECT_FALSE((*record)->value().empty());
  EXPECT_LT(clock::SteadyNow() - begin, absl::Seconds(4));
}

}  // namespace
}  // namespace tradewind
