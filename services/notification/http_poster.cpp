#include "services/notification/http_poster.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/notification/address_filter.h"
#include "services/notification/curl_handle.h"

namespace tradewind::notification {
namespace {

constexpr size_t kMostAnswerBytes = 64 << 10;

// What libcurl's callbacks see of one call.
struct Call {
  bool allow_private = false;
  // An address was not connected to because it is special.
  bool refused = false;
  size_t answer_bytes = 0;
};

// Looks at the very address that is about to be connected to: a name could mean another one by then.
curl_socket_t OpenSocket(void* user, curlsocktype /*purpose*/, curl_sockaddr* address) noexcept {
  auto& call = *static_cast<Call*>(user);
  if (!call.allow_private && !IsPublicAddress(&address->addr)) {
    call.refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Ends the transfer when there is too much of it. What was answered is known by then.
size_t TakeAnswer(char* /*data*/, size_t size, size_t count, void* user) noexcept {
  auto& call = *static_cast<Call*>(user);
  call.answer_bytes += size * count;
  return call.answer_bytes > kMostAnswerBytes ? 0 : size * count;
}

void Limit(CURL* handle, const NotificationSettings& settings) {
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, settings.webhook_allow_http ? "https,http" : "https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  const auto timeout = static_cast<long>(absl::ToInt64Milliseconds(settings.webhook_timeout));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, timeout);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, timeout);
  if (!settings.webhook_ca_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, settings.webhook_ca_file.c_str());
  }
}

}  // namespace

absl::StatusOr<int> CurlPoster::Post(const HttpPost& post) {
  Call call{.allow_private = settings_->webhook_allow_private};
  char details[CURL_ERROR_SIZE] = "";
  CurlList headers;
  for (const std::string& header : post.headers) Append(headers, header);
  // Large bodies would wait a second for leave to be sent.
  Append(headers, "Expect:");

  const CurlHandle handle = NewCurlHandle();
  Limit(handle.get(), *settings_);
  curl_easy_setopt(handle.get(), CURLOPT_URL, post.url.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle.get(), CURLOPT_POST, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(post.body.size()));
  curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDS, post.body.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_OPENSOCKETFUNCTION, OpenSocket);
  curl_easy_setopt(handle.get(), CURLOPT_OPENSOCKETDATA, &call);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, TakeAnswer);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &call);
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, details);

  const CURLcode done = curl_easy_perform(handle.get());
  long status = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  if (done == CURLE_OK || (done == CURLE_WRITE_ERROR && status >= 200)) return static_cast<int>(status);
  if (done == CURLE_COULDNT_CONNECT && call.refused) {
    return absl::PermissionDeniedError("the host is at a private, loopback or otherwise special address");
  }
  return absl::UnavailableError(ErrorText(done, details));
}

}  // namespace tradewind::notification
