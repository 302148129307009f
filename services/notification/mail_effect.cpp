#include "services/notification/mail_effect.h"

#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "google/protobuf/util/time_util.h"

#include "services/notification/mail_message.h"
#include "services/notification/notification_record.pb.h"
#include "tradewind/errors/printable.h"

namespace tradewind::notification {
namespace {

using internal::v1::Recipient;
using Report = v1::ReportDeliveryRequest;

constexpr char kRecipientErased[] = "the recipient was erased";
constexpr size_t kMostAnswerShown = 300;

Outcome Reported(const v1::MailRequested& requested, Report::Result result, const std::string& detail,
                 EffectContext& context) {
  Report report;
  report.set_notification_id(requested.notification_id());
  report.set_result(result);
  report.set_detail(detail);
  context.Emit(report);
  return Ack();
}

absl::Status Open(const seal::Keys& keys, const std::string& user_id, v1::Notification& notification,
                  Recipient& recipient) {
  absl::Status opened = keys.OpenFields(notification);
  return opened.ok() ? keys.OpenFields(recipient, user_id) : opened;
}

// Of what was opened.
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

bool IsPartOfWord(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || (c & 0x80) != 0; }

// Puts `shown` where `hidden` stands as a word, whichever case it is written in.
void Hide(std::string_view hidden, std::string_view shown, std::string& text) {
  if (hidden.empty()) return;
  const std::string wanted = absl::AsciiStrToLower(std::string(hidden));
  std::string lower = absl::AsciiStrToLower(text);
  size_t at = 0;
  while ((at = lower.find(wanted, at)) != std::string::npos) {
    const size_t end = at + wanted.size();
    if ((at > 0 && IsPartOfWord(text[at - 1])) || (end < text.size() && IsPartOfWord(text[end]))) {
      ++at;
      continue;
    }
    text.replace(at, wanted.size(), shown);
    lower.replace(at, wanted.size(), shown);
    at += shown.size();
  }
}

// What came of the attempt as it may be kept: mail servers like to repeat whom they were asked about.
std::string Said(const absl::Status& sent, const Mail& mail) {
  std::string text(sent.message());
  Hide(mail.to, "[address]", text);
  Hide(std::string_view(mail.to).substr(0, mail.to.rfind('@')), "[address]", text);
  Hide(mail.to_name, "[name]", text);
  // Once more: the cut may be within a character.
  return errors::Printable(std::string_view(text).substr(0, kMostAnswerShown));
}

}  // namespace

Outcome MailEffect::operator()(const v1::MailRequested& requested, EffectContext& context) const {
  auto notification = store_->Get<v1::Notification>(requested.notification_id());
  auto recipient = store_->Get<Recipient>(requested.user_id());
  if (!notification.ok()) return Retry({}, std::string(notification.status().message()));
  if (!recipient.ok()) return Retry({}, std::string(recipient.status().message()));
  // Not there: a store was restored from before it.
  if (!notification->has_value() || !recipient->has_value()) return Ack();
  if ((*notification)->delivery_state() != v1::DELIVERY_STATE_PENDING) return Ack();
  if ((*recipient)->erased()) return Reported(requested, Report::RESULT_REFUSED, kRecipientErased, context);
  if (!settings_->sends_mail()) {
    return Reported(requested, Report::RESULT_REFUSED, "mail has been switched off", context);
  }
  if (const absl::Status opened = Open(*keys_, requested.user_id(), **notification, **recipient);
      absl::IsDataLoss(opened)) {
    return Reported(requested, Report::RESULT_REFUSED, std::string(opened.message()), context);
  } else if (!opened.ok()) {
    return Retry({}, std::string(opened.message()));
  }
  const Mail mail = MakeMail(**notification, **recipient, *settings_);
  if (mail.to == seal::kErased) return Reported(requested, Report::RESULT_REFUSED, kRecipientErased, context);
  if (!IsMailAddress(mail.to)) {
    return Reported(requested, Report::RESULT_REFUSED, "the address cannot be written to", context);
  }
  const absl::Status sent = sender_->Send({.from = mail.from, .to = mail.to, .message = WriteMail(mail)});
  if (sent.ok()) return Reported(requested, Report::RESULT_DELIVERED, "", context);
  const std::string why = Said(sent, mail);
  if (absl::IsFailedPrecondition(sent)) return Reported(requested, Report::RESULT_REFUSED, why, context);
  return Retry({}, why);
}

}  // namespace tradewind::notification
