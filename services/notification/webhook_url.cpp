#include "services/notification/webhook_url.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

#include "services/notification/address_filter.h"

namespace tradewind::notification {
namespace {

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

// Empty where the URL has no such part.
std::string Part(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK || text == nullptr) return "";
  const std::unique_ptr<char, decltype(&curl_free)> owned(text, curl_free);
  return owned.get();
}

}  // namespace

std::string ProblemWithWebhookUrl(const std::string& url, const NotificationSettings& settings) {
  const Url parsed(curl_url(), curl_url_cleanup);
  // What libcurl would let pass, a header line or another program might not.
  const bool printable = std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (!printable || parsed == nullptr || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return "is not a URL of printable ASCII characters: https://host[:port][/path][?query]";
  }
  const std::string scheme = Part(parsed, CURLUPART_SCHEME);
  if (scheme != "https" && !(scheme == "http" && settings.webhook_allow_http)) return "must begin with https://";
  if (!Part(parsed, CURLUPART_USER).empty() || !Part(parsed, CURLUPART_PASSWORD).empty()) {
    return "must not hold a user or a password";
  }
  if (!Part(parsed, CURLUPART_FRAGMENT).empty()) return "must not hold a fragment (#)";
  if (!settings.webhook_allow_private && IsSpecialLiteral(Part(parsed, CURLUPART_HOST))) {
    return "must not be a private, loopback or otherwise special address";
  }
  return "";
}

}  // namespace tradewind::notification
