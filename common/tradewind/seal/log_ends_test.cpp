#include "tradewind/seal/log_ends.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace tradewind::seal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LogEndsTest : public ::testing::Test {
 protected:
  void SetUp() override { ends_.Start({10, 10}); }

  const std::stop_token go_on_;
  const absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  LogEnds ends_;
};

TEST_F(LogEndsTest, AnswersAllWhoAskedBeforeTheQuestionBegan) {
  const uint64_t first = ends_.Ask(0);
  const uint64_t second = ends_.Ask(0);
  EXPECT_EQ(ends_.AwaitQuestion(go_on_), 0);
  const uint64_t late = ends_.Ask(0);
  ends_.Answer(0, 10, now_);
  EXPECT_TRUE(ends_.HasReached(0, first));
  EXPECT_TRUE(ends_.HasReached(0, second));
  EXPECT_FALSE(ends_.HasReached(0, late));
  EXPECT_EQ(ends_.AwaitQuestion(go_on_), 0);
  ends_.Answer(0, 10, now_);
  EXPECT_TRUE(ends_.HasReached(0, late));
}

TEST_F(LogEndsTest, WaitsUntilTheEndHasBeenRead) {
  const uint64_t question = ends_.Ask(1);
  EXPECT_EQ(ends_.AwaitQuestion(go_on_), 1);
  ends_.Answer(1, 12, now_);
  ends_.Reach(1, 11);
  EXPECT_FALSE(ends_.HasReached(1, question));
  ends_.Reach(1, 12);
  EXPECT_TRUE(ends_.HasReached(1, question));
}

// However many ask one partition.
TEST_F(LogEndsTest, GivesEachPartitionItsTurn) {
  ends_.Ask(0);
  EXPECT_EQ(ends_.AwaitQuestion(go_on_), 0);
  ends_.Ask(0);
  ends_.Ask(1);
  ends_.Answer(0, 10, now_);
  EXPECT_EQ(ends_.AwaitQuestion(go_on_), 1);
}

TEST_F(LogEndsTest, AsksAgainWhereThereWasNoAnswer) {
  const uint64_t question = ends_.Ask(0);
  EXPECT_EQ(ends_.AwaitQuestion(go_on_), 0);
  const uint64_t meanwhile = ends_.Ask(0);
  ends_.Fail(0);
  EXPECT_FALSE(ends_.HasReached(0, question));
  EXPECT_EQ(ends_.AwaitQuestion(go_on_), 0);
  ends_.Answer(0, 10, now_);
  EXPECT_TRUE(ends_.HasReached(0, question));
  EXPECT_TRUE(ends_.HasReached(0, meanwhile));
}

TEST_F(LogEndsTest, TellsOnceOfAnEndThatIsNotReached) {
  ends_.Ask(0);
  EXPECT_EQ(ends_.AwaitQuestion(go_on_), 0);
  ends_.Answer(0, 11, now_);
  EXPECT_THAT(ends_.TakeUnreached(now_ - absl::Seconds(1)), IsEmpty());
  EXPECT_THAT(ends_.TakeUnreached(now_), ElementsAre(0));
  EXPECT_THAT(ends_.TakeUnreached(now_ + absl::Hours(1)), IsEmpty());
}

TEST_F(LogEndsTest, EndsItsWaitWhenItIsToStop) {
  std::jthread waiting([this](const std::stop_token& stop) { EXPECT_EQ(ends_.AwaitQuestion(stop), std::nullopt); });
  waiting.request_stop();
}

}  // namespace
}  // namespace tradewind::seal
