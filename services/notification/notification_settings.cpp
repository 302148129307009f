#include "services/notification/notification_settings.h"

#include <fmt/format.h>

#include "services/notification/mail_message.h"
#include "tradewind/errors/printable.h"
#include "tradewind/http/address.h"

namespace tradewind::notification {
namespace {

// Below what the runtime gives an effect for one attempt.
constexpr absl::Duration kLongestAttempt = absl::Seconds(25);
constexpr size_t kShownUrl = 300;

absl::Status Wrong(std::string_view setting, std::string_view problem) {
  return absl::InvalidArgumentError(fmt::format("setting 'notification.{}' {}", setting, problem));
}

absl::Status CheckMailServer(const std::string& url) {
  if (url.empty()) return absl::OkStatus();
  const auto parsed = http::ParseUrl(url);
  const bool is_mail = parsed.has_value() && (parsed->scheme == "smtp" || parsed->scheme == "smtps");
  if (is_mail && parsed->port != "0") return absl::OkStatus();
  // A password may stand before the host.
  const std::string shown = url.substr(url.rfind('@') + 1);
  return Wrong("smtp_url",
               fmt::format("is '{}'; write smtp://host:port or smtps://host:port, with a port from 1 to 65535",
                           errors::Printable(shown, kShownUrl)));
}

absl::Status CheckSender(const std::string& address) {
  if (IsMailAddress(address)) return absl::OkStatus();
  return Wrong("mail_from", fmt::format("is '{}', which is no address; write one such as shop@example.org",
                                        errors::Printable(address, kShownUrl)));
}

void DescribeMail(config::SchemaSection& section, NotificationSettings& settings) {
  section.Field("smtp_url", &settings.smtp_url,
                "mail server, smtp://host:port or smtps://host:port; without it no mail is sent");
  section
      .Field("smtp_tls", &settings.smtp_tls,
             "whether smtp:// must change to TLS (STARTTLS): required, off, or auto: required unless on loopback")
      .OneOf({"auto", "required", "off"});
  section.Field("smtp_user", &settings.smtp_user, "logs in at the mail server; empty for no login");
  section.Field("smtp_password", &settings.smtp_password, "of smtp_user");
  section.Field("smtp_ca_file", &settings.smtp_ca_file,
                "PEM file of whom to trust for the mail server's certificate; empty for the system's");
  section.Field("smtp_timeout", &settings.smtp_timeout, "how long one mail may take")
      .Min(absl::Milliseconds(100))
      .Max(kLongestAttempt);
  section.Field("mail_from", &settings.mail_from, "address that mails come from").NotEmpty();
  section.Field("mail_from_name", &settings.mail_from_name, "name that stands before mail_from");
}

void DescribeWebhooks(config::SchemaSection& section, NotificationSettings& settings) {
  section.Field("webhook_allow_http", &settings.webhook_allow_http, "webhooks without TLS too; for tests");
  section.Field("webhook_allow_private", &settings.webhook_allow_private,
                "webhooks to loopback, private and other special addresses too; for tests");
  section.Field("webhook_ca_file", &settings.webhook_ca_file,
                "PEM file of whom to trust for receivers' certificates; empty for the system's");
  section.Field("webhook_timeout", &settings.webhook_timeout, "how long one post may take")
      .Min(absl::Milliseconds(100))
      .Max(kLongestAttempt);
  section
      .Field("webhook_secret_overlap", &settings.webhook_secret_overlap,
             "how long after a rotation the secret before it signs too")
      .Min(absl::ZeroDuration())
      .Max(absl::Hours(24 * 30));
}

}  // namespace

void Describe(config::Schema& schema, NotificationSettings& settings) {
  schema.Check([&settings] {
    absl::Status checked = CheckMailServer(settings.smtp_url);
    return checked.ok() ? CheckSender(settings.mail_from) : checked;
  });
  auto section = schema.Section("notification", "Mail and webhooks.");
  DescribeMail(section, settings);
  DescribeWebhooks(section, settings);
}

}  // namespace tradewind::notification
