// What the notification service answers over gRPC: notifications, preferences and webhook endpoints, read from its
// store, and streams of new notifications, with what is sealed in them opened. Commands come through Kafka and are not
// implemented here.
//
// Errors beside those of the store: UNAVAILABLE with reason KEY_UNAVAILABLE where a user's key has not come yet,
// INTERNAL with reason KEY_ERROR for what cannot be opened. A stream ends with them: it leaves no notification out.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <utility>

#include "services/notification/notification_record.pb.h"
#include "tradewind/app/event_feed.h"
#include "tradewind/app/watch_stream.h"
#include "tradewind/notification/v1/notification.grpc.pb.h"
#include "tradewind/rpc/work_pool.h"
#include "tradewind/seal/keys.h"
#include "tradewind/store/store.h"

namespace tradewind::notification {

// Follows one user's notifications: the newest thousand of those that are there, oldest first, then each new one.
class NotificationViewer final : public Viewer<v1::Notification> {
 public:
  // Reader and keys outlive it.
  NotificationViewer(store::Reader& reader, const seal::Keys& keys, std::string user_id, bool skip_existing)
      : reader_(reader), keys_(keys), user_id_(std::move(user_id)), skip_existing_(skip_existing) {}

  grpc::Status Open(WatchOutput<v1::Notification>& output) override;
  void OnEvent(std::string_view type, std::string_view value, WatchOutput<v1::Notification>& output) override;

 private:
  store::Reader& reader_;
  const seal::Keys& keys_;
  const std::string user_id_;
  const bool skip_existing_;
  // Those that Open sent. The event of one of them may still be on its way, however long ago it was committed.
  std::unordered_set<std::string> sent_from_store_;
};

// Thread-safe. Its methods read the store on the pool's threads: gRPC's own must not wait. A key that is not there yet
// is waited for, two seconds at most.
class NotificationQueries final : public v1::NotificationService::CallbackService {
 public:
  // `feed` follows the notification events. Reader, feed and pool outlive the service.
  NotificationQueries(store::Reader& reader, EventFeed& feed, rpc::WorkPool& pool,
                      std::shared_ptr<const seal::Keys> keys)
      : reader_(reader), feed_(feed), pool_(pool), keys_(std::move(keys)), streams_(pool) {}

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
  grpc::Status Get(const v1::GetPreferencesRequest& request, v1::Preferences* response);
  // An empty one where there is none.
  grpc::Status GetRecipient(const std::string& user_id, internal::v1::Recipient* recipient);

  store::Reader& reader_;
  EventFeed& feed_;
  rpc::WorkPool& pool_;
  const std::shared_ptr<const seal::Keys> keys_;
  WatchStreams streams_;
};

}  // namespace tradewind::notification
