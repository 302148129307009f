// What users are told of which event. Pure: one Notification per event, recipient and channel, however often the event
// is handled.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tradewind/app/app.h"
#include "tradewind/notification/v1/events.pb.h"
#include "tradewind/notification/v1/notification.pb.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/payment/v1/events.pb.h"
#include "tradewind/store/store.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::notification {

// Handlers for App::On. Each keeps a Notification under its NotificationId and emits NotificationCreated. An event that
// names no user is Dead: there is nobody to tell.
Outcome OnUserRegistered(const user::v1::UserRegistered& event, Context& context);
Outcome OnOrderConfirmed(const order::v1::OrderConfirmed& event, Context& context);
Outcome OnOrderCancelled(const order::v1::OrderCancelled& event, Context& context);
Outcome OnOrderRejected(const order::v1::OrderRejected& event, Context& context);
Outcome OnOrderShipped(const order::v1::OrderShipped& event, Context& context);
Outcome OnOrderDelivered(const order::v1::OrderDelivered& event, Context& context);
Outcome OnPaymentRefunded(const payment::v1::PaymentRefunded& event, Context& context);

// A UUID (version 8 of RFC 9562) made of a hash of the three: the same for the same, on every machine.
std::string NotificationId(std::string_view event_id, std::string_view user_id, v1::NotificationChannel channel);

// Secondary indexes, both in the order of time: every notification, and a user's.
inline constexpr std::string_view kAllNotifications = "all";
inline constexpr std::string_view kNotificationsByUser = "user";
std::vector<store::IndexEntry> IndexNotification(const v1::Notification& notification);

}  // namespace tradewind::notification
