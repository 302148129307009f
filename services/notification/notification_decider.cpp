#include "services/notification/notification_decider.h"

#include "services/notification/notification_record.pb.h"
#include "tradewind/app/timestamp.h"

namespace tradewind::notification {

Outcome NotificationDecider::Decide(const v1::MarkNotificationReadRequest& command, Loaded<State> notification,
                                    Context& context) {
  if (!notification.exists()) return Reject(errors::NotFound("notification", command.id()));
  if (!notification->read()) {
    notification->set_read(true);
    v1::NotificationRead read;
    read.set_user_id(notification->user_id());
    read.set_notification_id(notification->id());
    *read.mutable_read_time() = Now(context);
    context.Emit(read);
  }
  context.Reply(*notification);
  return Ack();
}

Outcome NotificationDecider::Decide(const v1::ReportDeliveryRequest& report, Loaded<State> notification,
                                    Context& context) {
  if (!notification.exists() || notification->delivery_state() != v1::DELIVERY_STATE_PENDING) return Ack();
  const bool delivered = report.result() == v1::ReportDeliveryRequest::RESULT_DELIVERED;
  notification->set_delivery_state(delivered ? v1::DELIVERY_STATE_DELIVERED : v1::DELIVERY_STATE_FAILED);
  notification->set_delivery_detail(report.detail());
  *notification->mutable_delivery_time() = Now(context);
  if (report.result() != v1::ReportDeliveryRequest::RESULT_GONE) return Ack();
  const auto record = context.Load<internal::v1::WebhookEndpointRecord>(report.endpoint_id());
  if (!record.exists()) return Ack();
  record->mutable_endpoint()->set_state(v1::WEBHOOK_ENDPOINT_STATE_DISABLED);
  *record->mutable_endpoint()->mutable_update_time() = Now(context);
  return Ack();
}

}  // namespace tradewind::notification
