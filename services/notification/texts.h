// What there is to tell of an event, and what that says in a person's language. Pure.
#pragma once

#include <string>
#include <string_view>

#include "services/notification/notification_record.pb.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/payment/v1/events.pb.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::notification {

// Kind, places and time of what an event tells; its event_id is left to the caller, and the time too where the event
// has none.
internal::v1::Happening Describe(const user::v1::UserRegistered& event);
internal::v1::Happening Describe(const order::v1::OrderConfirmed& event);
internal::v1::Happening Describe(const order::v1::OrderCancelled& event);
internal::v1::Happening Describe(const order::v1::OrderRejected& event);
internal::v1::Happening Describe(const order::v1::OrderShipped& event);
internal::v1::Happening Describe(const order::v1::OrderDelivered& event);
internal::v1::Happening Describe(const payment::v1::PaymentRefunded& event);

struct Text {
  std::string subject;
  std::string body;
};

// In the language of a BCP 47 tag, or else in English. A kind of a later version has an empty text.
Text Render(const internal::v1::Happening& happening, std::string_view locale);

}  // namespace tradewind::notification
