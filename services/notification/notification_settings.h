// How the notification service reaches people outside the mesh. Read once at start, then shared and only read.
#pragma once

#include <string>

#include "absl/time/time.h"

#include "tradewind/config/config.h"

namespace tradewind::notification {

struct NotificationSettings {
  // smtp://host:port or smtps://host:port. Without it no mail is sent.
  std::string smtp_url;
  // auto, required or off.
  std::string smtp_tls = "auto";
  std::string smtp_user;
  config::Secret smtp_password;
  // PEM; empty for the system's.
  std::string smtp_ca_file;
  absl::Duration smtp_timeout = absl::Seconds(20);
  // An address, and the name that stands before it.
  std::string mail_from = "shop@tradewind.invalid";
  std::string mail_from_name = "Tradewind";

  bool webhook_allow_http = false;
  bool webhook_allow_private = false;
  // PEM; empty for the system's.
  std::string webhook_ca_file;
  absl::Duration webhook_timeout = absl::Seconds(15);
  // How long the secret before the newest signs too.
  absl::Duration webhook_secret_overlap = absl::Hours(24);

  bool sends_mail() const { return !smtp_url.empty(); }
};

// Binds the fields under "notification".
void Describe(config::Schema& schema, NotificationSettings& settings);

}  // namespace tradewind::notification
