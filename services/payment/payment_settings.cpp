#include "services/payment/payment_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "tradewind/auth/webhook_signature.h"
#include "tradewind/http/address.h"

namespace tradewind::payment {
namespace {

// Below what the runtime gives an effect for one attempt.
constexpr absl::Duration kLongestCall = absl::Seconds(25);
constexpr absl::Duration kDay = absl::Hours(24);
constexpr size_t kMostSecrets = 2;

absl::Status Wrong(std::string_view setting, std::string_view problem) {
  return absl::InvalidArgumentError(fmt::format("setting 'payment.{}' {}", setting, problem));
}

absl::Status CheckHttp(const HttpProviderSettings& http) {
  if (http.url.empty()) return Wrong("http_url", "must be set for payment.provider http");
  const auto url = http::ParseUrl(http.url);
  if (!url.has_value() || (url->scheme != "https" && url->scheme != "http")) {
    return Wrong("http_url", "must be https://host[:port][/path], in printable ASCII characters");
  }
  if (!url->user.empty() || !url->password.empty() || !url->query.empty() || !url->fragment.empty()) {
    return Wrong("http_url", "must hold no user, password, query or fragment; a key goes into payment.http_key");
  }
  if (url->scheme == "http" && !http.allow_plain && !http::IsLoopback(url->host)) {
    return Wrong("http_url",
                 fmt::format("must be https://, since {} is not this machine; for tests, payment.http_allow_plain lets "
                             "http:// pass",
                             url->host));
  }
  const std::string& key = http.key.value();
  if (!std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7f; })) {
    return Wrong("http_key", "must be of printable ASCII characters without spaces");
  }
  return absl::OkStatus();
}

absl::Status CheckCallbacks(const CallbackSettings& callbacks) {
  if (callbacks.address.empty()) return absl::OkStatus();
  const std::vector<std::string> secrets = callbacks.Secrets();
  if (secrets.empty()) return Wrong("callback_secrets", "must be set for payment.callback_address");
  if (secrets.size() > kMostSecrets || !std::all_of(secrets.begin(), secrets.end(), auth::IsWebhookSecret)) {
    return Wrong("callback_secrets",
                 "must be one secret, or two during a rotation: whsec_ and the base64 of 1 to 64 "
                 "bytes");
  }
  return absl::OkStatus();
}

void DescribeHttp(config::SchemaSection& section, HttpProviderSettings& http) {
  section.Field("http_url", &http.url, "where the provider's API lies: https://host[:port][/path]");
  section.Field("http_key", &http.key, "sent to the provider as Authorization: Bearer; empty sends none");
  section.Field("http_ca_file", &http.ca_file,
                "PEM file of whom to trust for the provider's certificate; empty for the system's");
  section.Field("http_timeout", &http.timeout, "how long one call to the provider may take")
      .Min(absl::Milliseconds(100))
      .Max(kLongestCall);
  section.Field("http_allow_plain", &http.allow_plain, "http:// to other machines too; for tests");
  section
      .Field("ask_again", &http.ask_again,
             "how long until an operation that the provider has not decided is asked for again, at least")
      .Min(absl::Milliseconds(100))
      .Max(kDay);
}

void DescribeCallbacks(config::SchemaSection& section, CallbackSettings& callbacks) {
  section
      .Field("callback_address", &callbacks.address,
             "host:port to listen on for the provider's callbacks; empty takes none")
      .ListensOn();
  section.Field("callback_secrets", &callbacks.secrets,
                "what callbacks are signed by (whsec_...): one, or two separated by a space during a rotation");
}

}  // namespace

std::vector<std::string> CallbackSettings::Secrets() const {
  constexpr char kSeparators[] = ", ";
  const std::string& text = secrets.value();
  std::vector<std::string> found;
  for (size_t at = text.find_first_not_of(kSeparators); at != std::string::npos;) {
    const size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    found.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kSeparators, end);
  }
  return found;
}

void Describe(config::Schema& schema, PaymentSettings& settings) {
  auto section = schema.Section("payment", "Payments.");
  section
      .Field("provider", &settings.provider,
             "who moves the money: sandbox moves none, http is asked at payment.http_url")
      .OneOf({"sandbox", "http"});
  section.Field("sandbox_delay", &settings.sandbox.delay, "how long the sandbox thinks about the token tok_delay")
      .Min(absl::ZeroDuration())
      .Max(absl::Hours(1));
  DescribeHttp(section, settings.http);
  DescribeCallbacks(section, settings.callbacks);
  schema.Check([&settings] {
    if (!settings.uses_http()) return absl::OkStatus();
    absl::Status checked = CheckHttp(settings.http);
    return checked.ok() ? CheckCallbacks(settings.callbacks) : checked;
  });
}

}  // namespace tradewind::payment
