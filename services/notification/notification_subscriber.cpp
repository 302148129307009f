#include "services/notification/notification_subscriber.h"

#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <utility>

#include "google/protobuf/util/time_util.h"

#include "services/notification/texts.h"
#include "services/notification/webhook_body.h"
#include "tradewind/app/timestamp.h"
#include "tradewind/ids/ids.h"

namespace tradewind::notification {
namespace {

using google::protobuf::util::TimeUtil;
using internal::v1::Happening;
using internal::v1::Recipient;

// A notification carries the time of the event, so that a user's list is in the order of what happened even where many
// events were handled late and in one batch.
v1::Notification Make(const std::string& user_id, const Happening& happening, std::string_view locale,
                      v1::NotificationChannel channel, const std::string& endpoint_id = {}) {
  v1::Notification notification;
  notification.set_id(NotificationId(happening.event_id(), user_id, channel, endpoint_id));
  notification.set_user_id(user_id);
  notification.set_channel(channel);
  notification.set_kind(happening.kind());
  Text text = Render(happening, locale);
  notification.set_subject(std::move(text.subject));
  notification.set_body(std::move(text.body));
  notification.set_event_id(happening.event_id());
  *notification.mutable_create_time() = happening.happen_time();
  notification.set_delivery_state(v1::DELIVERY_STATE_PENDING);
  notification.set_endpoint_id(endpoint_id);
  return notification;
}

// False where it is there already.
bool Keep(const v1::Notification& notification, Context& context) {
  const auto kept = context.Load<v1::Notification>(notification.id());
  if (kept.exists()) return false;
  *kept = notification;
  return true;
}

bool TellInApp(const std::string& user_id, const Happening& happening, std::string_view locale, Context& context) {
  v1::Notification notification = Make(user_id, happening, locale, v1::NOTIFICATION_CHANNEL_IN_APP);
  notification.set_delivery_state(v1::DELIVERY_STATE_DELIVERED);
  if (!Keep(notification, context)) return false;
  v1::NotificationCreated created;
  created.set_user_id(user_id);
  *created.mutable_notification() = std::move(notification);
  context.Emit(created);
  return true;
}

void Post(const std::string& user_id, const Happening& happening, const Recipient& recipient,
          const google::protobuf::Message& event, Context& context) {
  if (recipient.webhook_off()) return;
  for (const std::string& endpoint_id : recipient.endpoint_ids()) {
    const auto endpoint = context.Load<internal::v1::WebhookEndpointRecord>(endpoint_id);
    if (endpoint->endpoint().state() != v1::WEBHOOK_ENDPOINT_STATE_ACTIVE) continue;
    const v1::Notification notification =
        Make(user_id, happening, recipient.locale(), v1::NOTIFICATION_CHANNEL_WEBHOOK, endpoint_id);
    if (!Keep(notification, context)) continue;
    v1::WebhookRequested requested;
    requested.set_endpoint_id(endpoint_id);
    requested.set_notification_id(notification.id());
    requested.set_body(WebhookBody(notification, event));
    context.Emit(requested);
  }
}

}  // namespace

void NotificationSubscriber::Mail(const std::string& user_id, const Happening& happening, Recipient& recipient,
                                  Context& context) const {
  if (!settings_->sends_mail() || recipient.email_off()) return;
  if (!recipient.registered()) {
    if (recipient.waiting_size() < kMostWaiting) *recipient.add_waiting() = happening;
    return;
  }
  const v1::Notification notification = Make(user_id, happening, recipient.locale(), v1::NOTIFICATION_CHANNEL_EMAIL);
  if (!Keep(notification, context)) return;
  v1::MailRequested requested;
  requested.set_user_id(user_id);
  requested.set_notification_id(notification.id());
  context.Emit(requested);
}

template <typename Event>
Outcome NotificationSubscriber::Tell(const Event& event, Context& context) const {
  const std::string& user_id = event.user_id();
  if (user_id.empty()) return Dead("the event names no user to tell");
  Happening happening = Describe(event);
  happening.set_event_id(std::string(context.event_id()));
  if (!happening.has_happen_time()) {
    *happening.mutable_happen_time() = Now(context);
  }
  const auto recipient = context.Load<Recipient>(user_id);
  if (recipient->erased()) return Ack();
  // All channels are told in one transaction: where one was, the others were.
  if (!TellInApp(user_id, happening, recipient->locale(), context)) return Ack();
  Mail(user_id, happening, *recipient, context);
  Post(user_id, happening, *recipient, event, context);
  return Ack();
}

// Where the user is reached from now on.
template <typename Event>
bool NotificationSubscriber::Learn(const Event& event, Context& context) const {
  const auto recipient = context.Load<Recipient>(event.user_id());
  if (recipient->erased()) return false;
  recipient->set_registered(true);
  recipient->set_email(event.email());
  recipient->set_display_name(event.display_name());
  recipient->set_locale(event.locale());
  return true;
}

void NotificationSubscriber::MailWhatWaits(const std::string& user_id, Context& context) const {
  const auto recipient = context.Load<Recipient>(user_id);
  const auto waiting = std::move(*recipient->mutable_waiting());
  recipient->clear_waiting();
  for (const Happening& happening : waiting) Mail(user_id, happening, *recipient, context);
}

Outcome NotificationSubscriber::operator()(const user::v1::UserRegistered& event, Context& context) const {
  if (event.user_id().empty()) return Dead("the event names no user to tell");
  if (!Learn(event, context)) return Ack();
  Outcome outcome = Tell(event, context);
  MailWhatWaits(event.user_id(), context);
  return outcome;
}

Outcome NotificationSubscriber::operator()(const user::v1::UserUpdated& event, Context& context) const {
  if (event.user_id().empty()) return Dead("the event names no user");
  if (!Learn(event, context)) return Ack();
  // Of one who registered before mails were sent.
  MailWhatWaits(event.user_id(), context);
  return Ack();
}

Outcome NotificationSubscriber::operator()(const user::v1::UserDeleted& event, Context& context) const {
  if (event.user_id().empty()) return Dead("the event names no user");
  const auto recipient = context.Load<Recipient>(event.user_id());
  for (const std::string& endpoint_id : recipient->endpoint_ids()) {
    context.Load<internal::v1::WebhookEndpointRecord>(endpoint_id).Remove();
  }
  recipient->Clear();
  recipient->set_erased(true);
  return Ack();
}

Outcome NotificationSubscriber::operator()(const order::v1::OrderConfirmed& event, Context& context) const {
  return Tell(event, context);
}

Outcome NotificationSubscriber::operator()(const order::v1::OrderCancelled& event, Context& context) const {
  return Tell(event, context);
}

Outcome NotificationSubscriber::operator()(const order::v1::OrderRejected& event, Context& context) const {
  return Tell(event, context);
}

Outcome NotificationSubscriber::operator()(const order::v1::OrderShipped& event, Context& context) const {
  return Tell(event, context);
}

Outcome NotificationSubscriber::operator()(const order::v1::OrderDelivered& event, Context& context) const {
  return Tell(event, context);
}

Outcome NotificationSubscriber::operator()(const payment::v1::PaymentRefunded& event, Context& context) const {
  return Tell(event, context);
}

std::string NotificationId(std::string_view event_id, std::string_view user_id, v1::NotificationChannel channel,
                           std::string_view endpoint_id) {
  // Each text behind its length, so that no two of them spell the same bytes.
  std::string bytes = fmt::format("notification:{}:{}{}:{}{}", event_id.size(), event_id, user_id.size(), user_id,
                                  static_cast<int>(channel));
  if (!endpoint_id.empty()) bytes += fmt::format(":{}:{}", endpoint_id.size(), endpoint_id);
  std::array<unsigned char, 16> hash;
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                     nullptr, 0);
  return std::string(ids::ToUuid(hash, 8).view());
}

std::string_view AllIndex(v1::NotificationChannel channel) {
  switch (channel) {
    case v1::NOTIFICATION_CHANNEL_EMAIL:
      return "all/email";
    case v1::NOTIFICATION_CHANNEL_WEBHOOK:
      return "all/webhook";
    default:
      return "all";
  }
}

std::string_view UserIndex(v1::NotificationChannel channel) {
  switch (channel) {
    case v1::NOTIFICATION_CHANNEL_EMAIL:
      return "user/email";
    case v1::NOTIFICATION_CHANNEL_WEBHOOK:
      return "user/webhook";
    default:
      return "user";
  }
}

std::vector<store::IndexEntry> IndexNotification(const v1::Notification& notification) {
  const int64_t created = TimeUtil::TimestampToMicroseconds(notification.create_time());
  return {{.index = std::string(AllIndex(notification.channel())), .value = "", .order = created},
          {.index = std::string(UserIndex(notification.channel())), .value = notification.user_id(), .order = created}};
}

}  // namespace tradewind::notification
