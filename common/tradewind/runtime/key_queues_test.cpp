#include "tradewind/runtime/key_queues.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tradewind::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1'000'000);
absl::Time At(int seconds) { return kStart + absl::Seconds(seconds); }

TEST(KeyQueues, GivesTheKeysThatAreDueEarliestFirst) {
  KeyQueues queues;
  queues.Put("late", At(30));
  queues.Put("first", At(1));
  queues.Put("dead", absl::InfiniteFuture());
  queues.Put("second", At(2));
  EXPECT_EQ(queues.next_due(), At(1));
  EXPECT_THAT(queues.Due(At(0), 10), IsEmpty());
  EXPECT_THAT(queues.Due(At(2), 10), ElementsAre("first", "second"));
  EXPECT_THAT(queues.Due(At(2), 1), ElementsAre("first"));
  EXPECT_EQ(queues.DueOf("dead"), absl::InfiniteFuture());
  EXPECT_EQ(queues.size(), 4U);
}

TEST(KeyQueues, MovesAKeyThatIsPutAgain) {
  KeyQueues queues;
  queues.Put("key", At(1));
  queues.Put("key", At(5));
  EXPECT_EQ(queues.size(), 1U);
  EXPECT_THAT(queues.Due(At(4), 10), IsEmpty());
  EXPECT_THAT(queues.Due(At(5), 10), ElementsAre("key"));
}

TEST(KeyQueues, ForgetsWhatIsRemoved) {
  KeyQueues queues;
  queues.Put("key", At(1));
  queues.Remove("key");
  queues.Remove("never there");
  EXPECT_TRUE(queues.empty());
  EXPECT_EQ(queues.DueOf("key"), std::nullopt);
  EXPECT_EQ(queues.next_due(), absl::InfiniteFuture());
}

}  // namespace
}  // namespace tradewind::runtime
