// What notifications say: subject and body for each happening. Short, for people, English.
#pragma once

#include <string>

#include "tradewind/order/v1/events.pb.h"
#include "tradewind/payment/v1/events.pb.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::notification {

struct Text {
  std::string subject;
  std::string body;
};

Text WelcomeText(const user::v1::UserRegistered& event);
Text ConfirmedText(const order::v1::OrderConfirmed& event);
Text CancelledText(const order::v1::OrderCancelled& event);
Text RejectedText(const order::v1::OrderRejected& event);
Text ShippedText(const order::v1::OrderShipped& event);
Text DeliveredText(const order::v1::OrderDelivered& event);
Text RefundedText(const payment::v1::PaymentRefunded& event);

}  // namespace tradewind::notification
