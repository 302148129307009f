// The JSON that is posted to a webhook endpoint: {type, timestamp, data}, as the Standard Webhooks specification has
// it. Pure, and the same bytes for the same notification: signatures are over them.
#pragma once

#include <string>
#include <string_view>

#include "google/protobuf/message.h"

#include "tradewind/notification/v1/notification.pb.h"

namespace tradewind::notification {

// Receivers need not take more than some kilobytes.
inline constexpr size_t kMostWebhookBytes = 64 << 10;

// "order.confirmed"; "unknown" for a kind of a later version.
std::string_view WebhookType(v1::NotificationKind kind);

// `data` has notification_id, user_id, event_id, subject, body and the event itself in protobuf's JSON, which is left
// out where it would make the whole larger than kMostWebhookBytes.
std::string WebhookBody(const v1::Notification& notification, const google::protobuf::Message& event);

}  // namespace tradewind::notification
