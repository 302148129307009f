// tradewind-notification: tells users what happened to their accounts and orders, answers queries about it.
#include <memory>

#include "services/notification/notification_queries.h"
#include "services/notification/notification_subscriber.h"
#include "tradewind/app/app.h"

namespace {

using namespace tradewind;

std::unique_ptr<grpc::Service> MakeQueries(const App::Ports& ports) {
  auto queries =
      std::make_unique<notification::NotificationQueries>(ports.reader, ports.feed("notification.events.v1"));
  ports.on_drain([streams = queries.get()] { streams->EndStreams(); });
  return queries;
}

}  // namespace

int main(int argc, char** argv) {
  using notification::v1::NotificationCreated;
  auto app = App("notification", argc, argv);
  app.ListenOn("127.0.0.1:50054", "127.0.0.1:9467");
  app.On<user::v1::UserRegistered, NotificationCreated>(notification::OnUserRegistered);
  app.On<order::v1::OrderConfirmed, NotificationCreated>(notification::OnOrderConfirmed);
  app.On<order::v1::OrderCancelled, NotificationCreated>(notification::OnOrderCancelled);
  app.Index<notification::v1::Notification>(notification::IndexNotification);
  app.Serve<notification::v1::NotificationService>(MakeQueries);
  return app.Run();
}
