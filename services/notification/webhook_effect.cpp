#include "services/notification/webhook_effect.h"

#include <fmt/format.h>

#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"

#include "services/notification/notification_record.pb.h"
#include "services/notification/webhook_body.h"
#include "tradewind/auth/webhook_signature.h"

namespace tradewind::notification {
namespace {

using internal::v1::WebhookEndpointRecord;
using Report = v1::ReportDeliveryRequest;

Outcome Reported(const v1::WebhookRequested& requested, Report::Result result, const std::string& detail,
                 EffectContext& context) {
  Report report;
  report.set_notification_id(requested.notification_id());
  report.set_endpoint_id(requested.endpoint_id());
  report.set_result(result);
  report.set_detail(detail);
  context.Emit(report);
  return Ack();
}

// Opens secrets and body in place. Secrets of an earlier version are sealed for the endpoint itself.
absl::Status Open(const seal::Keys& keys, WebhookEndpointRecord& record, std::string& body) {
  const std::string user_id = record.endpoint().user_id();
  for (const std::string& subject : {user_id, record.endpoint().id()}) {
    if (absl::Status opened = keys.OpenFields(record, subject); !opened.ok()) return opened;
  }
  // Nothing goes out unsigned.
  if (!auth::IsWebhookSecret(record.secret())) return absl::DataLossError("the endpoint's secret cannot be read");
  absl::StatusOr<std::string> opened = OpenWebhookBody(keys, user_id, body);
  if (!opened.ok()) return opened.status();
  body = *std::move(opened);
  return absl::OkStatus();
}

// By the newest secret first, and by the one before it as long as that is valid.
std::string Signatures(const WebhookEndpointRecord& record, const std::string& id, absl::Time now,
                       const std::string& timestamp, const std::string& body) {
  std::string signatures = auth::SignWebhook(record.secret(), id, timestamp, body);
  const auto& expires = record.endpoint().previous_secret_expire_time();
  const bool previous_is_valid =
      absl::ToUnixMicros(now) < google::protobuf::util::TimeUtil::TimestampToMicroseconds(expires);
  if (!record.previous_secret().empty() && previous_is_valid) {
    signatures += ' ' + auth::SignWebhook(record.previous_secret(), id, timestamp, body);
  }
  return signatures;
}

HttpPost MakePost(const std::string& id, const WebhookEndpointRecord& record, std::string body, absl::Time now) {
  // Of this attempt: a receiver refuses what is signed as of long ago.
  const std::string timestamp = std::to_string(absl::ToUnixSeconds(now));
  std::string signatures = Signatures(record, id, now, timestamp, body);
  return {.url = record.endpoint().url(),
          .headers = {"Content-Type: application/json", "User-Agent: tradewind-notification", "webhook-id: " + id,
                      "webhook-timestamp: " + timestamp, "webhook-signature: " + signatures},
          .body = std::move(body)};
}

}  // namespace

Outcome WebhookEffect::operator()(const v1::WebhookRequested& requested, EffectContext& context) const {
  const auto notification = store_->Get<v1::Notification>(requested.notification_id());
  auto endpoint = store_->Get<WebhookEndpointRecord>(requested.endpoint_id());
  if (!notification.ok()) return Retry({}, std::string(notification.status().message()));
  if (!endpoint.ok()) return Retry({}, std::string(endpoint.status().message()));
  // Not there: a store was restored from before it.
  if (!notification->has_value() || (*notification)->delivery_state() != v1::DELIVERY_STATE_PENDING) return Ack();
  if (!endpoint->has_value()) return Reported(requested, Report::RESULT_REFUSED, "the endpoint was deleted", context);
  if ((*endpoint)->endpoint().state() != v1::WEBHOOK_ENDPOINT_STATE_ACTIVE) {
    return Reported(requested, Report::RESULT_REFUSED, "the endpoint is disabled", context);
  }
  std::string body = requested.body();
  if (const absl::Status opened = Open(*keys_, **endpoint, body); absl::IsDataLoss(opened)) {
    return Reported(requested, Report::RESULT_REFUSED, std::string(opened.message()), context);
  } else if (!opened.ok()) {
    return Retry({}, std::string(opened.message()));
  }
  const auto status = poster_->Post(MakePost(requested.notification_id(), **endpoint, std::move(body), absl::Now()));
  if (absl::IsPermissionDenied(status.status())) {
    return Reported(requested, Report::RESULT_REFUSED, std::string(status.status().message()), context);
  }
  if (!status.ok()) return Retry({}, std::string(status.status().message()));
  const std::string answer = fmt::format("the receiver answered {}", *status);
  if (*status >= 200 && *status < 300) return Reported(requested, Report::RESULT_DELIVERED, answer, context);
  if (*status == 410) return Reported(requested, Report::RESULT_GONE, answer, context);
  return Retry({}, answer);
}

}  // namespace tradewind::notification
