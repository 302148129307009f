// What users are told of which event, and on which channels. Pure: one Notification per event, recipient and channel
// (of webhooks one per endpoint), however often the event is handled. It delivers nothing: what leaves the mesh is
// asked for by MailRequested and WebhookRequested, which mail_effect and webhook_effect carry out.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "services/notification/notification_record.pb.h"
#include "services/notification/notification_settings.h"
#include "tradewind/app/app.h"
#include "tradewind/notification/v1/events.pb.h"
#include "tradewind/notification/v1/notification.pb.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/payment/v1/events.pb.h"
#include "tradewind/store/store.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::notification {

// What waits for the mail address of a user whose registration was not seen yet; more is not mailed.
inline constexpr int kMostWaiting = 20;

// Handlers for App::On. Each keeps its Notifications under their NotificationId and emits NotificationCreated for the
// one in the app. An event that names no user is Dead: there is nobody to tell. What is sealed in an event stays so in
// the texts.
//
// Events of users and of orders come in no order between them. What happens to a user before the registration was seen
// is in the app at once, in English, and waits for the registration to be mailed.
//
// A user who was deleted is forgotten but for that, and is told nothing any more, however late an event comes.
class NotificationSubscriber {
 public:
  // The settings may still change until the first event.
  explicit NotificationSubscriber(std::shared_ptr<const NotificationSettings> settings)
      : settings_(std::move(settings)) {}

  Outcome operator()(const user::v1::UserRegistered& event, Context& context) const;
  // Tells nothing: the user is reached in another way from now on.
  Outcome operator()(const user::v1::UserUpdated& event, Context& context) const;
  // Tells nothing. The user's endpoints go too; notifications stay, and what is sealed in them will not be read again.
  Outcome operator()(const user::v1::UserDeleted& event, Context& context) const;
  Outcome operator()(const order::v1::OrderConfirmed& event, Context& context) const;
  Outcome operator()(const order::v1::OrderCancelled& event, Context& context) const;
  Outcome operator()(const order::v1::OrderRejected& event, Context& context) const;
  Outcome operator()(const order::v1::OrderShipped& event, Context& context) const;
  Outcome operator()(const order::v1::OrderDelivered& event, Context& context) const;
  Outcome operator()(const payment::v1::PaymentRefunded& event, Context& context) const;

 private:
  template <typename Event>
  Outcome Tell(const Event& event, Context& context) const;
  // False for a user who was deleted.
  template <typename Event>
  bool Learn(const Event& event, Context& context) const;
  void MailWhatWaits(const std::string& user_id, Context& context) const;
  void Mail(const std::string& user_id, const internal::v1::Happening& happening, internal::v1::Recipient& recipient,
            Context& context) const;

  const std::shared_ptr<const NotificationSettings> settings_;
};

// A UUID (version 8 of RFC 9562) made of a hash of all: the same for the same, on every machine. `endpoint_id` is for
// webhooks.
std::string NotificationId(std::string_view event_id, std::string_view user_id, v1::NotificationChannel channel,
                           std::string_view endpoint_id = {});

// Secondary indexes, both in the order of time: every notification of a channel, and a user's. Those in the app, and
// those of a channel that is not given, are where versions with no other channel have them.
std::string_view AllIndex(v1::NotificationChannel channel);
std::string_view UserIndex(v1::NotificationChannel channel);
std::vector<store::IndexEntry> IndexNotification(const v1::Notification& notification);

}  // namespace tradewind::notification
