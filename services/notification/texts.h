// What notifications say: subject and body for each happening. Short, for people, English.
#pragma once

#include <string>

#include "google/type/money.pb.h"

#include "tradewind/order/v1/events.pb.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::notification {

struct Text {
  std::string subject;
  std::string body;
};

Text WelcomeText(const user::v1::UserRegistered& event);
Text ConfirmedText(const order::v1::OrderConfirmed& event);
Text CancelledText(const order::v1::OrderCancelled& event);

// "24.50 EUR", "1200 JPY", "0.005 EUR": as many decimals as the currency usually has, and more where the amount needs
// them.
std::string FormatMoney(const google::type::Money& money);

}  // namespace tradewind::notification
