#include "tradewind/config/nearest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tradewind::config {
namespace {

using testing::Optional;

TEST(EditDistanceTest, CountsEachKindOfEditOnce) {
  EXPECT_EQ(EditDistance("", ""), 0U);
  EXPECT_EQ(EditDistance("brokers", "brokers"), 0U);
  EXPECT_EQ(EditDistance("", "abc"), 3U);
  EXPECT_EQ(EditDistance("abc", ""), 3U);
  EXPECT_EQ(EditDistance("broker", "brokers"), 1U);
  EXPECT_EQ(EditDistance("brookers", "brokers"), 1U);
  EXPECT_EQ(EditDistance("brakers", "brokers"), 1U);
  EXPECT_EQ(EditDistance("borkers", "brokers"), 1U);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3U);
}

TEST(NearestTest, TakesTheFewestEditsWithinTheLimit) {
  EXPECT_THAT(Nearest("lovel", {"label", "level", "novel"}, 2), Optional(std::string("level")));
  EXPECT_EQ(Nearest("lovel", {"format"}, 2), std::nullopt);
  EXPECT_EQ(Nearest("lovel", {}, 2), std::nullopt);
  EXPECT_EQ(Nearest("abc", {"abcde"}, 1), std::nullopt);
}

TEST(NearestSettingTest, FallsBackToTheSameLastPart) {
  EXPECT_THAT(NearestSetting("brokers", {"log.level", "kafka.brokers"}), Optional(std::string("kafka.brokers")));
  EXPECT_THAT(NearestSetting("bus.connection.brokers", {"log.level", "kafka.brokers"}),
              Optional(std::string("kafka.brokers")));
  EXPECT_EQ(NearestSetting("something.else", {"log.level", "kafka.brokers"}), std::nullopt);
}

}  // namespace
}  // namespace tradewind::config
