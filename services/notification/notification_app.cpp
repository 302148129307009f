#include "services/notification/notification_app.h"

#include <memory>

#include "services/notification/notification_queries.h"
#include "services/notification/notification_subscriber.h"

namespace tradewind::notification {
namespace {

std::unique_ptr<grpc::Service> MakeQueries(const App::Ports& ports) {
  auto queries = std::make_unique<NotificationQueries>(ports.reader, ports.feed("notification.events.v1"));
  ports.on_drain([streams = queries.get()] { streams->EndStreams(); });
  return queries;
}

}  // namespace

void Declare(App& app) {
  using v1::NotificationCreated;
  app.ListenOn("127.0.0.1:50054", "127.0.0.1:9467");
  // First, so that user.events.v1 stays the lead topic.
  app.On<user::v1::UserRegistered, NotificationCreated>(OnUserRegistered);
  app.On<order::v1::OrderConfirmed, NotificationCreated>(OnOrderConfirmed);
  app.On<order::v1::OrderRejected, NotificationCreated>(OnOrderRejected);
  app.On<order::v1::OrderShipped, NotificationCreated>(OnOrderShipped);
  app.On<order::v1::OrderDelivered, NotificationCreated>(OnOrderDelivered);
  app.On<order::v1::OrderCancelled, NotificationCreated>(OnOrderCancelled);
  app.On<payment::v1::PaymentRefunded, NotificationCreated>(OnPaymentRefunded);
  app.Index<v1::Notification>(IndexNotification);
  app.Serve<v1::NotificationService>(MakeQueries);
}

}  // namespace tradewind::notification
