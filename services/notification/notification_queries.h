// What the notification service answers over gRPC: notifications, preferences and webhook endpoints, read from its
// store, and streams of new notifications. Commands come through Kafka and are not implemented here.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <utility>

#include "services/notification/notification_record.pb.h"
#include "tradewind/app/event_feed.h"
#include "tradewind/app/watch_stream.h"
#include "tradewind/notification/v1/notification.grpc.pb.h"
#include "tradewind/store/store.h"

namespace tradewind::notification {

// Follows one user's notifications: the newest thousand of those that are there, oldest first, then each new one.
class NotificationViewer final : public Viewer<v1::Notification> {
 public:
  NotificationViewer(store::Reader& reader, std::string user_id, bool skip_existing)
      : reader_(reader), user_id_(std::move(user_id)), skip_existing_(skip_existing) {}

  grpc::Status Open(WatchOutput<v1::Notification>& output) override;
  void OnEvent(std::string_view type, std::string_view value, WatchOutput<v1::Notification>& output) override;

 private:
  store::Reader& reader_;
  const std::string user_id_;
  const bool skip_existing_;
  // Those that Open sent. The event of one of them may still be on its way, however long ago it was committed.
  std::unordered_set<std::string> sent_from_store_;
};

// Thread-safe. Its methods read the store on gRPC's own threads; with SQLite that is a matter of microseconds, less
// than handing the call to another thread and back.
class NotificationQueries final : public v1::NotificationService::CallbackService {
 public:
  // `feed` follows the notification events. Both outlive the service.
  NotificationQueries(store::Reader& reader, EventFeed& feed) : reader_(reader), feed_(feed) {}

  grpc::ServerUnaryReactor* ListNotifications(grpc::CallbackServerContext* context,
                                              const v1::ListNotificationsRequest* request,
                                              v1::ListNotificationsResponse* response) override;
  grpc::ServerWriteReactor<v1::Notification>* WatchNotifications(grpc::CallbackServerContext* context,
                                                                 const v1::WatchNotificationsRequest* request) override;

  grpc::ServerUnaryReactor* GetPreferences(grpc::CallbackServerContext* context,
                                           const v1::GetPreferencesRequest* request,
                                           v1::Preferences* response) override;
  grpc::ServerUnaryReactor* ListWebhookEndpoints(grpc::CallbackServerContext* context,
                                                 const v1::ListWebhookEndpointsRequest* request,
                                                 v1::ListWebhookEndpointsResponse* response) override;

  // To be called when the server is about to stop: open streams would hold it up.
  void EndStreams() { streams_.EndAll(); }

 private:
  grpc::Status List(const v1::ListNotificationsRequest& request, v1::ListNotificationsResponse* response);
  grpc::Status ListEndpoints(const v1::ListWebhookEndpointsRequest& request,
                             v1::ListWebhookEndpointsResponse* response);
  // An empty one where there is none.
  grpc::Status GetRecipient(const std::string& user_id, internal::v1::Recipient* recipient);

  store::Reader& reader_;
  EventFeed& feed_;
  WatchStreams streams_;
};

}  // namespace tradewind::notification
