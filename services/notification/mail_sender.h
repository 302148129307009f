// Hands mails to a mail server: one interface, behind it libcurl's SMTP. Used by mail_effect alone.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"

#include "services/notification/notification_settings.h"

namespace tradewind::notification {

struct Envelope {
  std::string from;
  std::string to;
  // As WriteMail makes it.
  std::string message;
};

// Thread-safe.
class MailSender {
 public:
  virtual ~MailSender() = default;
  // OK once the server has taken the mail. Blocks, as long as the settings say at most.
  // Errors: FailedPrecondition where the server will not have this mail or this address, ever; Unavailable for all that
  // may pass or be put right: no connection, no TLS, no login, a sender that is refused, "try later". The message is
  // what the server said, which may repeat the address: not to be shown or kept as it is.
  virtual absl::Status Send(const Envelope& envelope) = 0;
};

// A connection for each mail.
class SmtpSender final : public MailSender {
 public:
  // The settings may still change until the first call.
  explicit SmtpSender(std::shared_ptr<const NotificationSettings> settings) : settings_(std::move(settings)) {}

  absl::Status Send(const Envelope& envelope) override;

 private:
  const std::shared_ptr<const NotificationSettings> settings_;
};

// Whether smtp:// has to change to TLS before anything is said: by smtp_tls, which by itself asks for it unless the
// server is on loopback. For tests.
bool RequiresTls(const NotificationSettings& settings);

}  // namespace tradewind::notification
