#include "gift_card_decider.h"

#include <gtest/gtest.h>

#include "tradewind/testing/fake_context.h"

namespace gift_card {
namespace {

using Kind = tradewind::Outcome::Kind;

class GiftCardDeciderTest : public ::testing::Test {
 protected:
  template <typename Command>
  tradewind::Outcome Run(int64_t amount) {
    Command command;
    command.set_id("card-1");
    command.set_amount(amount);
    return context_.Decide<GiftCardDecider>(command);
  }
  tradewind::Outcome Issue(int64_t amount) { return Run<v1::IssueGiftCardRequest>(amount); }
  tradewind::Outcome Redeem(int64_t amount) { return Run<v1::RedeemGiftCardRequest>(amount); }

  tradewind::testing::FakeContext context_;
};

TEST_F(GiftCardDeciderTest, PaysUntilItIsEmpty) {
  ASSERT_EQ(Issue(500).kind(), Kind::kAck);
  ASSERT_EQ(Redeem(300).kind(), Kind::kAck);
  EXPECT_EQ(context_.Answer<v1::GiftCard>()->balance(), 200);
  ASSERT_EQ(context_.Events<v1::GiftCardRedeemed>().size(), 1);
  EXPECT_EQ(context_.Events<v1::GiftCardRedeemed>().front().balance(), 200);

  const tradewind::Outcome refused = Redeem(201);
  ASSERT_EQ(refused.kind(), Kind::kReject);
  EXPECT_EQ(refused.problem().reason, "BALANCE_TOO_LOW");
  EXPECT_EQ(Redeem(200).kind(), Kind::kAck);
  EXPECT_EQ(context_.Find<v1::GiftCard>("card-1")->balance(), 0);
}

TEST_F(GiftCardDeciderTest, RefusesACardThatThereIsNot) { EXPECT_EQ(Redeem(1).kind(), Kind::kReject); }

TEST_F(GiftCardDeciderTest, IssuesACardOnce) {
  ASSERT_EQ(Issue(500).kind(), Kind::kAck);
  EXPECT_EQ(Issue(700).kind(), Kind::kReject);
  EXPECT_EQ(context_.Find<v1::GiftCard>("card-1")->balance(), 500);
}

}  // namespace
}  // namespace gift_card
