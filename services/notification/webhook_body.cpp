#include "services/notification/webhook_body.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/time_util.h"

#include "tradewind/seal/sealed_text.h"

namespace tradewind::notification {
namespace {

std::string Quote(const std::string& text) {
  // What is not UTF-8 is replaced, where it would be thrown about.
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Empty where it has none.
std::string EventJson(const google::protobuf::Message& event) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(event, &json, options).ok()) return "";
  return json;
}

}  // namespace

std::string_view WebhookType(v1::NotificationKind kind) {
  switch (kind) {
    case v1::NOTIFICATION_KIND_WELCOME:
      return "user.registered";
    case v1::NOTIFICATION_KIND_ORDER_CONFIRMED:
      return "order.confirmed";
    case v1::NOTIFICATION_KIND_ORDER_CANCELLED:
      return "order.cancelled";
    case v1::NOTIFICATION_KIND_ORDER_REJECTED:
      return "order.rejected";
    case v1::NOTIFICATION_KIND_ORDER_SHIPPED:
      return "order.shipped";
    case v1::NOTIFICATION_KIND_ORDER_DELIVERED:
      return "order.delivered";
    case v1::NOTIFICATION_KIND_PAYMENT_REFUNDED:
      return "payment.refunded";
    default:
      return "unknown";
  }
}

std::string WebhookBody(const v1::Notification& notification, const google::protobuf::Message& event) {
  const std::string head = fmt::format(
      R"({{"type":{},"timestamp":{},"data":{{"notification_id":{},"user_id":{},"event_id":{},"subject":{},"body":{})",
      Quote(std::string(WebhookType(notification.kind()))),
      Quote(google::protobuf::util::TimeUtil::ToString(notification.create_time())), Quote(notification.id()),
      Quote(notification.user_id()), Quote(notification.event_id()), Quote(notification.subject()),
      Quote(notification.body()));
  const std::string json = EventJson(event);
  const bool fits = !json.empty() && head.size() + json.size() + 16 <= kMostWebhookBytes;
  return fits ? fmt::format(R"({},"event":{}}}}})", head, json) : fmt::format("{}}}}}", head);
}

absl::StatusOr<std::string> OpenWebhookBody(const seal::Keys& keys, std::string_view user_id, std::string_view body) {
  std::string opened;
  size_t done = 0;
  // JSON escapes nothing of a sealed value, so that it stands there as it is.
  for (auto value = seal::FindSealed(body); value.has_value(); value = seal::FindSealed(body, done)) {
    opened += body.substr(done, value->begin - done);
    const std::string_view sealed = body.substr(value->begin, value->end - value->begin);
    const absl::StatusOr<std::string> clear = keys.OpenOf(user_id, sealed);
    if (!clear.ok()) return clear.status();
    const std::string quoted = Quote(*clear);
    opened.append(quoted, 1, quoted.size() - 2);
    done = value->end;
  }
  opened += body.substr(done);
  return opened;
}

}  // namespace tradewind::notification
