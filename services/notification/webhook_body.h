// The JSON that is posted to a webhook endpoint: {type, timestamp, data}, as the Standard Webhooks specification has
// it. The same bytes for the same notification: signatures are over them.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

#include "tradewind/notification/v1/notification.pb.h"
#include "tradewind/seal/keys.h"

namespace tradewind::notification {

// Receivers need not take more than some kilobytes.
inline constexpr size_t kMostWebhookBytes = 64 << 10;

// "order.confirmed"; "unknown" for a kind of a later version.
std::string_view WebhookType(v1::NotificationKind kind);

// `data` has notification_id, user_id, event_id, subject, body and the event itself in protobuf's JSON, which is left
// out where it would make the whole larger than kMostWebhookBytes. What is sealed in them stays so. Pure.
std::string WebhookBody(const v1::Notification& notification, const google::protobuf::Message& event);

// The body as a receiver gets it: every value in it that is sealed for that user opened and written as JSON has it, so
// that no name can end the string it stands in. Those of others stay sealed. Blocks and fails as Keys::Open does.
absl::StatusOr<std::string> OpenWebhookBody(const seal::Keys& keys, std::string_view user_id, std::string_view body);

}  // namespace tradewind::notification
