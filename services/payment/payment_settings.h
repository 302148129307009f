// Who moves the money, and how the provider is reached. Read once at start, then shared and only read.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

#include "services/payment/sandbox_provider.h"
#include "tradewind/config/config.h"

namespace tradewind::payment {

struct HttpProviderSettings {
  // https://host[:port][/path]; the provider's API lies below it.
  std::string url;
  // Of http_provider.h: Authorization: Bearer.
  config::Secret key;
  // PEM; empty for the system's.
  std::string ca_file;
  absl::Duration timeout = absl::Seconds(15);
  // http:// beyond this machine.
  bool allow_plain = false;
  // Until an operation on which the provider is undecided is asked for again, at least.
  absl::Duration ask_again = absl::Seconds(30);
};

struct CallbackSettings {
  // The secrets by which callbacks may be signed.
  std::vector<std::string> Secrets() const;

  // host:port; empty for no callbacks.
  std::string address;
  // One, or two during a rotation, separated by spaces or commas.
  config::Secret secrets;
};

struct PaymentSettings {
  bool uses_http() const { return provider == "http"; }

  // sandbox or http.
  std::string provider = "sandbox";
  SandboxSettings sandbox;
  HttpProviderSettings http;
  CallbackSettings callbacks;
};

// Binds the fields under "payment" and checks how they go together.
void Describe(config::Schema& schema, PaymentSettings& settings);

}  // namespace tradewind::payment
