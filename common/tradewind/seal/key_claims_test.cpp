#include "tradewind/seal/key_claims.h"

#include <gtest/gtest.h>

#include <string>

namespace tradewind::seal {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'000'000);
const SubjectTag kAnn = TagOf("ann");

class KeyClaimsTest : public ::testing::Test {
 protected:
  KeyClaims claims_{2, absl::Minutes(10)};
};

TEST_F(KeyClaimsTest, TakesBackWhatTheLastCallUsedInVain) {
  claims_.NoteOwn(kAnn, 7, kStart);
  claims_.Add(kAnn, 2);
  EXPECT_EQ(claims_.Withdraw(kAnn, kStart), std::nullopt);
  EXPECT_TRUE(claims_.Has(kAnn));
  EXPECT_EQ(claims_.Withdraw(kAnn, kStart), 7);
  EXPECT_FALSE(claims_.Has(kAnn));
  EXPECT_EQ(claims_.Withdraw(kAnn, kStart), std::nullopt);
}

TEST_F(KeyClaimsTest, TakesNothingBackThatAnyCallKept) {
  claims_.NoteOwn(kAnn, 7, kStart);
  claims_.Add(kAnn, 2);
  claims_.Keep(kAnn);
  EXPECT_EQ(claims_.Withdraw(kAnn, kStart), std::nullopt);
  claims_.Add(kAnn, 1);
  EXPECT_EQ(claims_.Withdraw(kAnn, kStart), std::nullopt);
  EXPECT_TRUE(claims_.Has(kAnn));
}

TEST_F(KeyClaimsTest, TakesNothingBackOfAnotherProcess) {
  claims_.Add(kAnn, 1);
  EXPECT_EQ(claims_.Withdraw(kAnn, kStart), std::nullopt);
}

TEST_F(KeyClaimsTest, TakesNothingBackAfterItsTime) {
  claims_.NoteOwn(kAnn, 7, kStart);
  claims_.Add(kAnn, 1);
  EXPECT_EQ(claims_.Withdraw(kAnn, kStart + absl::Minutes(10)), std::nullopt);
  EXPECT_FALSE(claims_.Has(kAnn));
}

TEST_F(KeyClaimsTest, ForgetsTheOldestOfThoseThatNobodyUses) {
  for (const std::string subject : {"ann", "bob", "cid", "dee"}) claims_.Add(TagOf(subject), 1);
  claims_.Keep(TagOf("bob"));
  claims_.Keep(TagOf("ann"));
  claims_.Add(TagOf("bob"), 1);
  claims_.Keep(TagOf("cid"));
  claims_.Keep(TagOf("bob"));
  EXPECT_FALSE(claims_.Has(TagOf("ann")));
  for (const std::string subject : {"bob", "cid", "dee"}) EXPECT_TRUE(claims_.Has(TagOf(subject))) << subject;
}

}  // namespace
}  // namespace tradewind::seal
