#include "services/notification/notification_settings.h"

namespace tradewind::notification {
namespace {

// Below what the runtime gives an effect for one attempt.
constexpr absl::Duration kLongestAttempt = absl::Seconds(25);

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
  auto section = schema.Section("notification", "Mail and webhooks.");
  DescribeMail(section, settings);
  DescribeWebhooks(section, settings);
}

}  // namespace tradewind::notification
