#include "services/notification/notification_app.h"

#include "services/notification/mail_effect.h"
#include "services/notification/notification_decider.h"
#include "services/notification/notification_queries.h"
#include "services/notification/notification_subscriber.h"
#include "services/notification/recipient_decider.h"
#include "services/notification/webhook_effect.h"
#include "services/notification/webhook_endpoint_decider.h"
#include "tradewind/seal/keys.h"

namespace tradewind::notification {
namespace {

std::unique_ptr<grpc::Service> MakeQueries(const App::Ports& ports, StoreView& view,
                                           std::shared_ptr<const seal::Keys> keys) {
  view.Open(ports.reader);
  auto queries = std::make_unique<NotificationQueries>(ports.reader, ports.feed("notification.events.v1"), ports.pool,
                                                       std::move(keys));
  ports.on_drain([streams = queries.get()] { streams->EndStreams(); });
  return queries;
}

template <typename Event>
Subscription Tell(App& app, const NotificationSubscriber& subscriber) {
  return app.On<Event, v1::NotificationCreated, v1::MailRequested, v1::WebhookRequested>(subscriber);
}

}  // namespace

void Declare(App& app) {
  const auto settings = std::make_shared<NotificationSettings>();
  DeclareWith(app, {.settings = settings,
                    .store = std::make_shared<StoreView>(),
                    .mail = std::make_shared<SmtpSender>(settings),
                    .webhooks = std::make_shared<CurlPoster>(settings)});
}

void DeclareWith(App& app, const Outside& outside) {
  app.ListenOn("127.0.0.1:50054", "127.0.0.1:9467");
  app.Configure([settings = outside.settings](config::Schema& schema) { Describe(schema, *settings); });

  const std::shared_ptr<const seal::Keys> keys = app.Keys();

  const NotificationSubscriber subscriber(outside.settings);
  // First, so that user.events.v1 stays the lead topic.
  Tell<user::v1::UserRegistered>(app, subscriber).Loads<internal::v1::Recipient>();
  Tell<user::v1::UserUpdated>(app, subscriber).Loads<internal::v1::Recipient>();
  app.On<user::v1::UserDeleted>(subscriber).Loads<internal::v1::Recipient>();
  Tell<order::v1::OrderConfirmed>(app, subscriber);
  Tell<order::v1::OrderRejected>(app, subscriber);
  Tell<order::v1::OrderShipped>(app, subscriber);
  Tell<order::v1::OrderDelivered>(app, subscriber);
  Tell<order::v1::OrderCancelled>(app, subscriber);
  Tell<payment::v1::PaymentRefunded>(app, subscriber);
  app.Decide<NotificationDecider>();
  app.Decide<RecipientDecider>();
  app.Decide(WebhookEndpointDecider(outside.settings, keys));

  app.OnEffect<v1::MailRequested, v1::ReportDeliveryRequest>(
      MailEffect(outside.settings, outside.store, keys, outside.mail));
  app.OnEffect<v1::WebhookRequested, v1::ReportDeliveryRequest>(WebhookEffect(outside.store, keys, outside.webhooks));

  app.Index<v1::Notification>(IndexNotification);
  app.Serve<v1::NotificationService>(
      [view = outside.store, keys](const App::Ports& ports) { return MakeQueries(ports, *view, keys); });
}

}  // namespace tradewind::notification
