#include "tradewind/runtime/notice_limit.h"

#include "gtest/gtest.h"

namespace tradewind::runtime {
namespace {

TEST(NoticeLimit, LetsSoManyThroughInAMinute) {
  NoticeLimit limit("lines", 2);
  const absl::Time begin = absl::UnixEpoch();
  EXPECT_TRUE(limit.Take(begin));
  EXPECT_TRUE(limit.Take(begin + absl::Seconds(59)));
  EXPECT_FALSE(limit.Take(begin + absl::Seconds(59)));
  EXPECT_TRUE(limit.Take(begin + absl::Seconds(60)));
  EXPECT_TRUE(limit.Take(begin + absl::Seconds(119)));
  EXPECT_FALSE(limit.Take(begin + absl::Seconds(119)));
}

}  // namespace
}  // namespace tradewind::runtime
