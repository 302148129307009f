#include "services/notification/notification_subscriber.h"

#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <cstdint>
#include <utility>

#include "google/protobuf/util/time_util.h"

#include "services/notification/texts.h"

namespace tradewind::notification {
namespace {

using google::protobuf::Timestamp;
using google::protobuf::util::TimeUtil;

// `happened`: when the event says it took place. A notification carries that time, so that a user's list is in the
// order of events even where many of them were handled late and in one batch.
Outcome Tell(const std::string& user_id, v1::NotificationKind kind, Text text, const Timestamp* happened,
             Context& context) {
  if (user_id.empty()) return Dead("the event names no user to tell");
  const auto channel = v1::NOTIFICATION_CHANNEL_IN_APP;
  const std::string id = NotificationId(context.event_id(), user_id, channel);
  const auto notification = context.Load<v1::Notification>(id);
  if (notification.exists()) return Ack();
  notification->set_id(id);
  notification->set_user_id(user_id);
  notification->set_channel(channel);
  notification->set_kind(kind);
  notification->set_subject(std::move(text.subject));
  notification->set_body(std::move(text.body));
  notification->set_event_id(std::string(context.event_id()));
  *notification->mutable_create_time() =
      happened != nullptr ? *happened : TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(context.now()));

  v1::NotificationCreated created;
  created.set_user_id(user_id);
  *created.mutable_notification() = *notification;
  context.Emit(created);
  return Ack();
}

}  // namespace

Outcome OnUserRegistered(const user::v1::UserRegistered& event, Context& context) {
  return Tell(event.user_id(), v1::NOTIFICATION_KIND_WELCOME, WelcomeText(event),
              event.has_register_time() ? &event.register_time() : nullptr, context);
}

Outcome OnOrderConfirmed(const order::v1::OrderConfirmed& event, Context& context) {
  return Tell(event.user_id(), v1::NOTIFICATION_KIND_ORDER_CONFIRMED, ConfirmedText(event),
              event.has_confirm_time() ? &event.confirm_time() : nullptr, context);
}

Outcome OnOrderCancelled(const order::v1::OrderCancelled& event, Context& context) {
  return Tell(event.user_id(), v1::NOTIFICATION_KIND_ORDER_CANCELLED, CancelledText(event),
              event.has_cancel_time() ? &event.cancel_time() : nullptr, context);
}

Outcome OnOrderRejected(const order::v1::OrderRejected& event, Context& context) {
  return Tell(event.user_id(), v1::NOTIFICATION_KIND_ORDER_REJECTED, RejectedText(event),
              event.has_reject_time() ? &event.reject_time() : nullptr, context);
}

Outcome OnOrderShipped(const order::v1::OrderShipped& event, Context& context) {
  return Tell(event.user_id(), v1::NOTIFICATION_KIND_ORDER_SHIPPED, ShippedText(event),
              event.has_ship_time() ? &event.ship_time() : nullptr, context);
}

Outcome OnOrderDelivered(const order::v1::OrderDelivered& event, Context& context) {
  return Tell(event.user_id(), v1::NOTIFICATION_KIND_ORDER_DELIVERED, DeliveredText(event),
              event.has_deliver_time() ? &event.deliver_time() : nullptr, context);
}

Outcome OnPaymentRefunded(const payment::v1::PaymentRefunded& event, Context& context) {
  return Tell(event.user_id(), v1::NOTIFICATION_KIND_PAYMENT_REFUNDED, RefundedText(event),
              event.has_refund_time() ? &event.refund_time() : nullptr, context);
}

std::string NotificationId(std::string_view event_id, std::string_view user_id, v1::NotificationChannel channel) {
  // Each text behind its length, so that no two triples spell the same bytes.
  const std::string bytes = fmt::format("notification:{}:{}{}:{}{}", event_id.size(), event_id, user_id.size(), user_id,
                                        static_cast<int>(channel));
  std::array<uint8_t, 16> id;
  crypto_generichash(id.data(), id.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), nullptr,
                     0);
  id[6] = (id[6] & 0x0f) | 0x80;
  id[8] = (id[8] & 0x3f) | 0x80;
  std::string text;
  for (size_t i = 0; i < id.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    fmt::format_to(std::back_inserter(text), "{:02x}", id[i]);
  }
  return text;
}

std::vector<store::IndexEntry> IndexNotification(const v1::Notification& notification) {
  const int64_t created = TimeUtil::TimestampToMicroseconds(notification.create_time());
  return {{.index = std::string(kAllNotifications), .value = "", .order = created},
          {.index = std::string(kNotificationsByUser), .value = notification.user_id(), .order = created}};
}

}  // namespace tradewind::notification
