#include "tradewind/bus/internal/assignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tradewind::bus::internal {
namespace {

using ::testing::ElementsAre;
using Reading = Assignment::Reading;

TEST(Assignment, OwnsANumberInEveryTopic) {
  Assignment assignment({"lead", "other"});
  assignment.Own({4, 2});
  EXPECT_THAT(assignment.Owned(), ElementsAre(2, 4));
  EXPECT_THAT(assignment.Owned({1, 4, 9}), ElementsAre(4));
  EXPECT_NE(assignment.Find("lead", 2), nullptr);
  EXPECT_NE(assignment.Find("other", 4), nullptr);
  EXPECT_EQ(assignment.Find("stranger", 4), nullptr);
  EXPECT_EQ(assignment.Find("lead", 3), nullptr);
  EXPECT_EQ(assignment.LanesOf({2, 3}).size(), 2U);
}

TEST(Assignment, TakesOnlyWhatIsBeingReadAndNotBeforeItsStart) {
  Assignment assignment({"lead", "other"});
  assignment.Own({0});
  EXPECT_FALSE(assignment.Take("lead", 0, 10));
  *assignment.Find("lead", 0) = {Reading::kOn, 10};
  EXPECT_FALSE(assignment.Take("lead", 0, 9));
  EXPECT_TRUE(assignment.Take("lead", 0, 10));
  EXPECT_FALSE(assignment.Take("other", 0, 10));
  assignment.Find("lead", 0)->reading = Reading::kPaused;
  EXPECT_FALSE(assignment.Take("lead", 0, 10));
}

TEST(Assignment, ForgetsWhatItNoLongerOwns) {
  Assignment assignment({"lead"});
  assignment.Own({0, 1});
  *assignment.Find("lead", 0) = {Reading::kOn, 5};
  assignment.Disown({0});
  EXPECT_FALSE(assignment.Take("lead", 0, 5));
  EXPECT_THAT(assignment.Owned(), ElementsAre(1));
  assignment.Own({0});
  EXPECT_EQ(assignment.Find("lead", 0)->reading, Reading::kNot);
}

}  // namespace
}  // namespace tradewind::bus::internal
