#include "services/notification/notification_queries.h"

#include <vector>

#include "services/notification/notification_subscriber.h"
#include "tradewind/app/paging.h"
#include "tradewind/notification/v1/events.pb.h"
#include "tradewind/rpc/errors.h"

namespace tradewind::notification {
namespace {

// What a new stream shows of the past.
constexpr int64_t kExistingShown = 1000;
// Notifications that may wait for their watcher, beside those of the past.
constexpr size_t kWaitingNew = 256;

const std::string& Kind() { return v1::Notification::descriptor()->full_name(); }

}  // namespace

grpc::Status NotificationViewer::Open(WatchOutput<v1::Notification>& output) {
  if (skip_existing_) return grpc::Status::OK;
  const auto newest = reader_.List(
      {.kind = Kind(), .index = kNotificationsByUser, .value = user_id_, .descending = true, .limit = kExistingShown});
  if (!newest.ok()) return rpc::FromStoreError(newest.status());
  for (auto item = newest->rbegin(); item != newest->rend(); ++item) {
    v1::Notification notification;
    if (!notification.ParseFromString(item->value)) return UnreadableAggregate(Kind(), item->key);
    sent_from_store_.insert(notification.id());
    output.Send(std::move(notification));
  }
  return grpc::Status::OK;
}

void NotificationViewer::OnEvent(std::string_view type, std::string_view value, WatchOutput<v1::Notification>& output) {
  if (type != v1::NotificationCreated::descriptor()->full_name()) return;
  v1::NotificationCreated event;
  if (!event.ParseFromArray(value.data(), static_cast<int>(value.size()))) return;
  // Each event comes once, so an id met here will not be asked for again.
  if (sent_from_store_.erase(event.notification().id()) > 0) return;
  output.Send(std::move(*event.mutable_notification()));
}

grpc::ServerUnaryReactor* NotificationQueries::ListNotifications(grpc::CallbackServerContext* context,
                                                                 const v1::ListNotificationsRequest* request,
                                                                 v1::ListNotificationsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(List(*request, response));
  return reactor;
}

grpc::ServerWriteReactor<v1::Notification>* NotificationQueries::WatchNotifications(
    grpc::CallbackServerContext*, const v1::WatchNotificationsRequest* request) {
  return StartWatch<v1::Notification>(
      streams_, feed_, request->user_id(),
      std::make_unique<NotificationViewer>(reader_, request->user_id(), request->skip_existing()),
      kExistingShown + kWaitingNew);
}

grpc::Status NotificationQueries::List(const v1::ListNotificationsRequest& request,
                                       v1::ListNotificationsResponse* response) {
  const store::ListQuery query{.kind = Kind(),
                               .index = request.user_id().empty() ? kAllNotifications : kNotificationsByUser,
                               .value = request.user_id(),
                               .descending = true};
  return ListPage(
      reader_, query, request.page_size(), request.page_token(),
      [&](const std::string& stored) { return response->add_notifications()->ParseFromString(stored); },
      response->mutable_next_page_token());
}

}  // namespace tradewind::notification
