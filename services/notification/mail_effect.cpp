#include "services/notification/mail_effect.h"

#include <string>

#include "google/protobuf/util/time_util.h"

#include "services/notification/mail_message.h"
#include "services/notification/notification_record.pb.h"

namespace tradewind::notification {
namespace {

using internal::v1::Recipient;
using Report = v1::ReportDeliveryRequest;

Outcome Reported(const v1::MailRequested& requested, Report::Result result, const std::string& detail,
                 EffectContext& context) {
  Report report;
  report.set_notification_id(requested.notification_id());
  report.set_result(result);
  report.set_detail(detail);
  context.Emit(report);
  return Ack();
}

Mail MakeMail(const v1::Notification& notification, const Recipient& recipient, const NotificationSettings& settings) {
  const int64_t created = google::protobuf::util::TimeUtil::TimestampToMicroseconds(notification.create_time());
  return {.from = settings.mail_from,
          .from_name = settings.mail_from_name,
          .to = recipient.email(),
          .to_name = recipient.display_name(),
          .id = notification.id(),
          .time = absl::FromUnixMicros(created),
          .subject = notification.subject(),
          .text = notification.body()};
}

}  // namespace

Outcome MailEffect::operator()(const v1::MailRequested& requested, EffectContext& context) const {
  const auto notification = store_->Get<v1::Notification>(requested.notification_id());
  const auto recipient = store_->Get<Recipient>(requested.user_id());
  if (!notification.ok()) return Retry({}, std::string(notification.status().message()));
  if (!recipient.ok()) return Retry({}, std::string(recipient.status().message()));
  // Not there: a store was restored from before it.
  if (!notification->has_value() || !recipient->has_value()) return Ack();
  if ((*notification)->delivery_state() != v1::DELIVERY_STATE_PENDING) return Ack();
  if (!settings_->sends_mail()) {
    return Reported(requested, Report::RESULT_REFUSED, "mail has been switched off", context);
  }
  const Mail mail = MakeMail(**notification, **recipient, *settings_);
  if (!IsMailAddress(mail.to)) {
    return Reported(requested, Report::RESULT_REFUSED, "the address cannot be written to", context);
  }
  const absl::Status sent = sender_->Send({.from = mail.from, .to = mail.to, .message = WriteMail(mail)});
  if (sent.ok()) return Reported(requested, Report::RESULT_DELIVERED, "", context);
  const std::string why(sent.message());
  if (absl::IsFailedPrecondition(sent)) return Reported(requested, Report::RESULT_REFUSED, why, context);
  return Retry({}, why);
}

}  // namespace tradewind::notification
