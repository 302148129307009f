#include "gift_card_decider.h"

#include <string>

namespace gift_card {

using tradewind::Context;
using tradewind::Loaded;
using tradewind::Outcome;
using tradewind::Reject;

Outcome GiftCardDecider::Decide(const v1::IssueGiftCardRequest& command, Loaded<State> card, Context& context) {
  if (card.exists()) {
    return Reject({.code = absl::StatusCode::kAlreadyExists,
                   .reason = "GIFT_CARD_EXISTS",
                   .message = "there is a gift card with the id '" + command.id() + "' already"});
  }
  if (command.amount() < 1) {
    return Reject(tradewind::errors::InvalidFields({{"amount", "must be at least 1"}}));
  }
  card->set_id(command.id());
  card->set_balance(command.amount());

  v1::GiftCardIssued issued;
  issued.set_gift_card_id(card->id());
  issued.set_amount(command.amount());
  context.Emit(issued);
  context.Reply(*card);
  return tradewind::Ack();
}

Outcome GiftCardDecider::Decide(const v1::RedeemGiftCardRequest& command, Loaded<State> card, Context& context) {
  if (!card.exists()) return Reject(tradewind::errors::NotFound("gift_card", command.id()));
  if (command.amount() < 1) {
    return Reject(tradewind::errors::InvalidFields({{"amount", "must be at least 1"}}));
  }
  if (card->balance() < command.amount()) {
    return Reject({.code = absl::StatusCode::kFailedPrecondition,
                   .reason = "BALANCE_TOO_LOW",
                   .message = "the gift card has " + std::to_string(card->balance()) + " cents left, and " +
                              std::to_string(command.amount()) + " were asked of it",
                   .metadata = {{"balance", std::to_string(card->balance())}}});
  }
  card->set_balance(card->balance() - command.amount());

  v1::GiftCardRedeemed redeemed;
  redeemed.set_gift_card_id(card->id());
  redeemed.set_amount(command.amount());
  redeemed.set_balance(card->balance());
  context.Emit(redeemed);
  context.Reply(*card);
  return tradewind::Ack();
}

}  // namespace gift_card
