#include "services/notification/notification_queries.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "services/notification/notification_subscriber.h"
#include "services/notification/recipient_decider.h"
#include "tradewind/app/paging.h"
#include "tradewind/errors/problem.h"
#include "tradewind/notification/v1/events.pb.h"
#include "tradewind/rpc/errors.h"
#include "tradewind/rpc/pooled_call.h"

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
  const auto newest = reader_.List({.kind = Kind(),
                                    .index = UserIndex(v1::NOTIFICATION_CHANNEL_IN_APP),
                                    .value = user_id_,
                                    .descending = true,
                                    .limit = kExistingShown});
  if (!newest.ok()) return rpc::FromStoreError(newest.status());
  for (auto item = newest->rbegin(); item != newest->rend(); ++item) {
    v1::Notification notification;
    if (!notification.ParseFromString(item->value)) {
      NoteUnreadable(Kind(), item->key);
      continue;
    }
    if (const absl::Status opened = keys_.OpenFields(notification); !opened.ok()) return rpc::FromKeysError(opened);
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
  // Waits for no key: all watchers would wait too. Where it is not there yet, the client comes again.
  const absl::Status opened = keys_.OpenFields(event, absl::ZeroDuration());
  if (opened.ok()) {
    output.Send(std::move(*event.mutable_notification()));
  } else {
    output.End(rpc::FromKeysError(opened));
  }
}

grpc::ServerUnaryReactor* NotificationQueries::ListNotifications(grpc::CallbackServerContext* context,
                                                                 const v1::ListNotificationsRequest* request,
                                                                 v1::ListNotificationsResponse* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return List(*request, response); });
}

grpc::ServerWriteReactor<v1::Notification>* NotificationQueries::WatchNotifications(
    grpc::CallbackServerContext* context, const v1::WatchNotificationsRequest* request) {
  return StartWatch<v1::Notification>(
      streams_, feed_, *context, request->user_id(),
      std::make_unique<NotificationViewer>(reader_, *keys_, request->user_id(), request->skip_existing()),
      kExistingShown + kWaitingNew);
}

grpc::Status NotificationQueries::List(const v1::ListNotificationsRequest& request,
                                       v1::ListNotificationsResponse* response) {
  const store::ListQuery query{
      .kind = Kind(),
      .index = request.user_id().empty() ? AllIndex(request.channel()) : UserIndex(request.channel()),
      .value = request.user_id(),
      .descending = true};
  grpc::Status listed = ListPage(
      reader_, query, request.page_size(), request.page_token(),
      [&](const std::string& stored) { return AddParsed(stored, *response->mutable_notifications()); },
      response->mutable_next_page_token());
  return listed.ok() ? rpc::FromKeysError(keys_->OpenFields(*response)) : listed;
}

grpc::ServerUnaryReactor* NotificationQueries::GetPreferences(grpc::CallbackServerContext* context,
                                                              const v1::GetPreferencesRequest* request,
                                                              v1::Preferences* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return Get(*request, response); });
}

grpc::Status NotificationQueries::Get(const v1::GetPreferencesRequest& request, v1::Preferences* response) {
  internal::v1::Recipient recipient;
  grpc::Status found = GetRecipient(request.user_id(), &recipient);
  if (found.ok()) *response = PreferencesOf(request.user_id(), recipient);
  return found;
}

grpc::ServerUnaryReactor* NotificationQueries::ListWebhookEndpoints(grpc::CallbackServerContext* context,
                                                                    const v1::ListWebhookEndpointsRequest* request,
                                                                    v1::ListWebhookEndpointsResponse* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return ListEndpoints(*request, response); });
}

grpc::Status NotificationQueries::ListEndpoints(const v1::ListWebhookEndpointsRequest& request,
                                                v1::ListWebhookEndpointsResponse* response) {
  internal::v1::Recipient recipient;
  if (grpc::Status found = GetRecipient(request.user_id(), &recipient); !found.ok()) return found;
  const std::string& kind = internal::v1::WebhookEndpointRecord::descriptor()->full_name();
  for (const std::string& id : recipient.endpoint_ids()) {
    const auto stored = reader_.Get(kind, id);
    if (!stored.ok()) return rpc::FromStoreError(stored.status());
    // Deleted since the list was read.
    if (!stored->has_value()) continue;
    internal::v1::WebhookEndpointRecord record;
    if (!record.ParseFromString((*stored)->value)) {
      NoteUnreadable(kind, id);
      continue;
    }
    *response->add_webhook_endpoints() = std::move(*record.mutable_endpoint());
  }
  return grpc::Status::OK;
}

grpc::Status NotificationQueries::GetRecipient(const std::string& user_id, internal::v1::Recipient* recipient) {
  const std::string& kind = internal::v1::Recipient::descriptor()->full_name();
  const auto stored = reader_.Get(kind, user_id);
  if (!stored.ok()) return rpc::FromStoreError(stored.status());
  if (stored->has_value() && !recipient->ParseFromString((*stored)->value)) return UnreadableAggregate(kind, user_id);
  return grpc::Status::OK;
}

}  // namespace tradewind::notification
