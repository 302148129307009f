#include "services/notification/webhook_url.h"

#include "services/notification/address_filter.h"
#include "tradewind/http/address.h"

namespace tradewind::notification {

std::string ProblemWithWebhookUrl(const std::string& text, const NotificationSettings& settings) {
  const auto url = http::ParseUrl(text);
  if (!url.has_value()) return "is not a URL of printable ASCII characters: https://host[:port][/path][?query]";
  if (url->scheme != "https" && !(url->scheme == "http" && settings.webhook_allow_http)) {
    return "must begin with https://";
  }
  if (!url->user.empty() || !url->password.empty()) return "must not hold a user or a password";
  if (!url->fragment.empty()) return "must not hold a fragment (#)";
  if (!settings.webhook_allow_private && IsSpecialLiteral(url->host)) {
    return "must not be a private, loopback or otherwise special address";
  }
  return "";
}

}  // namespace tradewind::notification
