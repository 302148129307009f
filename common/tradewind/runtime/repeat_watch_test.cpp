#include "tradewind/runtime/repeat_watch.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"

namespace tradewind::runtime {
namespace {

const absl::Duration kLong = 2 * RepeatWatch::kClockDifference;

class RepeatWatchTest : public ::testing::Test {
 protected:
  void SetUp() override { SetWatermark("/order/4", {9, 1}); }

  void SetWatermark(const std::string& source, bus::Sequence sequence) {
    InputProgress* input = progress_.FindInput("t");
    (input != nullptr ? *input : progress_.AddInput("t", 0)).SetWatermark(source, sequence, absl::Now());
  }
  void Note(absl::Time decided, absl::Time now, const std::string& source = "/order/4") {
    watch_.Note(1, progress_, {"t", source, decided}, now);
  }
  double Shown(const std::string& source = "/order/4") const {
    return telemetry::NewAge("tradewind_repeats_seconds", "",
                             {{"group", group_}, {"topic", "t"}, {"partition", "1"}, {"source", source}})
        .value();
  }

  // Metrics outlive a test.
  const std::string group_ = ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const absl::Time start_ = absl::FromUnixSeconds(1'000'000);
  TaskProgress progress_;
  RepeatWatch watch_{group_};
};

TEST_F(RepeatWatchTest, IsQuietWhileAnOutboxIsSentAgain) {
  // However long that takes and however often: all of it was decided before.
  for (int i = 0; i < 100; ++i) Note(start_ - absl::Seconds(100 - i), start_ + i * kLong);
  EXPECT_EQ(Shown(), 0);
}

TEST_F(RepeatWatchTest, ShowsASourceWhoseNewEventsAreDropped) {
  Note(start_, start_);
  Note(start_ + absl::Seconds(1), start_ + absl::Seconds(1));
  EXPECT_EQ(Shown(), 0);
  Note(start_ + kLong, start_ + kLong);
  EXPECT_GE(Shown(), absl::ToDoubleSeconds(kLong));
}

TEST_F(RepeatWatchTest, IsWellOnceSomethingOfTheSourceIsTaken) {
  Note(start_, start_);
  Note(start_ + kLong, start_ + kLong);
  watch_.Review(1, progress_);
  EXPECT_GT(Shown(), 0);
  SetWatermark("/order/4", {9, 2});
  watch_.Review(2, progress_);
  EXPECT_GT(Shown(), 0);
  watch_.Review(1, progress_);
  EXPECT_EQ(Shown(), 0);
  EXPECT_TRUE(watch_.empty());
}

TEST_F(RepeatWatchTest, BeginsAnewWhereTheSourceHasMovedInBetween) {
  Note(start_, start_);
  SetWatermark("/order/4", {9, 2});
  Note(start_ + kLong, start_ + kLong);
  EXPECT_EQ(Shown(), 0);
}

TEST_F(RepeatWatchTest, ForgetsATaskThatHasGone) {
  Note(start_, start_);
  Note(start_ + kLong, start_ + kLong);
  watch_.Forget(1);
  EXPECT_EQ(Shown(), 0);
  EXPECT_TRUE(watch_.empty());
}

TEST_F(RepeatWatchTest, FollowsANewSourceWhateverWasSentAgainBefore) {
  for (size_t i = 0; i < RepeatWatch::kMaxFollowed; ++i) Note(start_, start_, "/again/" + std::to_string(i));
  Note(start_, start_);
  Note(start_ + kLong, start_ + kLong);
  EXPECT_GT(Shown(), 0);
}

TEST_F(RepeatWatchTest, ShowsNoMoreThanTwentySources) {
  for (int i = 0; i < 30; ++i) {
    const std::string source = "/many/" + std::to_string(i);
    SetWatermark(source, {9, 1});
    Note(start_, start_, source);
    Note(start_ + kLong, start_ + kLong, source);
  }
  int shown = 0;
  for (int i = 0; i < 30; ++i) shown += Shown("/many/" + std::to_string(i)) > 0 ? 1 : 0;
  EXPECT_EQ(shown, 20);
}

TEST(RepeatedEventTest, HasNoTimeWhereTheHeaderCannotBeRead) {
  EXPECT_EQ(RepeatedEvent::From("t", {.source = "/a", .time = "yesterday"}).decided, absl::InfinitePast());
  EXPECT_EQ(RepeatedEvent::From("t", {.source = "/a", .time = "1970-01-01T00:00:01.5Z"}).decided,
            absl::UnixEpoch() + absl::Milliseconds(1500));
}

}  // namespace
}  // namespace tradewind::runtime
