#include "tradewind/clock/stepping_clock.h"

#include <gtest/gtest.h>

namespace tradewind::clock {
namespace {

const absl::Time kBegin = absl::FromUnixSeconds(1'800'000'000);

class SteppingClockTest : public testing::Test {
 protected:
  void Pass(absl::Duration time) {
    wall_ += time;
    steady_ += time;
  }

  absl::Time wall_ = kBegin;
  absl::Time steady_ = absl::FromUnixSeconds(1000);
  SteppingClock clock_{[this] { return wall_; }, [this] { return steady_; }};
};

TEST_F(SteppingClockTest, IsTheWallClock) {
  EXPECT_EQ(clock_.Now(), kBegin);
  Pass(absl::Hours(1));
  EXPECT_EQ(clock_.Now(), kBegin + absl::Hours(1));
  EXPECT_EQ(clock_.TakeStep(), absl::ZeroDuration());
}

TEST_F(SteppingClockTest, GoesOnWhereTheWallClockIsSetBack) {
  wall_ -= absl::Hours(1);
  Pass(absl::Minutes(1));
  EXPECT_EQ(clock_.Now(), kBegin + absl::Minutes(1));
  Pass(absl::Hours(2));
  EXPECT_EQ(clock_.Now(), kBegin + absl::Minutes(121));
  EXPECT_EQ(clock_.TakeStep(), absl::ZeroDuration());
}

TEST_F(SteppingClockTest, IsTheWallClockAgainOnceThatHasCaughtUp) {
  wall_ -= absl::Hours(1);
  EXPECT_EQ(clock_.Now(), kBegin);
  wall_ += absl::Hours(1) + absl::Seconds(1);
  EXPECT_EQ(clock_.Now(), kBegin + absl::Seconds(1));
}

TEST_F(SteppingClockTest, TellsAStepAheadOnce) {
  wall_ += absl::Hours(24);
  EXPECT_EQ(clock_.Now(), kBegin + absl::Hours(24));
  EXPECT_EQ(clock_.TakeStep(), absl::Hours(24));
  EXPECT_EQ(clock_.TakeStep(), absl::ZeroDuration());
  wall_ += absl::Hours(1);
  clock_.Now();
  EXPECT_EQ(clock_.TakeStep(), absl::Hours(1));
  EXPECT_EQ(clock_.steps(), absl::Hours(25));
}

TEST_F(SteppingClockTest, FollowsASmallCorrectionWithoutAWord) {
  wall_ += absl::Seconds(1);
  EXPECT_EQ(clock_.Now(), kBegin + absl::Seconds(1));
  EXPECT_EQ(clock_.TakeStep(), absl::ZeroDuration());
  EXPECT_EQ(clock_.steps(), absl::ZeroDuration());
}

}  // namespace
}  // namespace tradewind::clock
