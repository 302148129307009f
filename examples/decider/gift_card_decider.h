// What becomes of a gift card by command. A decider is pure: from the state and a command follow the new state, events
// and the answer, and nothing else. The runtime keeps all of that in one transaction, once for each command.
#pragma once

#include "gift_card/v1/events.pb.h"
#include "gift_card/v1/gift_card.pb.h"

#include "tradewind/app/app.h"

namespace gift_card {

struct GiftCardDecider {
  using State = v1::GiftCard;
  using Commands = tradewind::Types<v1::IssueGiftCardRequest, v1::RedeemGiftCardRequest>;
  using Events = tradewind::Types<v1::GiftCardIssued, v1::GiftCardRedeemed>;

  // Rejects: INVALID_FIELD, GIFT_CARD_EXISTS.
  static tradewind::Outcome Decide(const v1::IssueGiftCardRequest& command, tradewind::Loaded<State> card,
                                   tradewind::Context& context);
  // Rejects: INVALID_FIELD, GIFT_CARD_NOT_FOUND, BALANCE_TOO_LOW.
  static tradewind::Outcome Decide(const v1::RedeemGiftCardRequest& command, tradewind::Loaded<State> card,
                                   tradewind::Context& context);
};

}  // namespace gift_card
