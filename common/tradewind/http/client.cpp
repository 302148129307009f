#include "tradewind/http/client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "tradewind/http/curl_handle.h"

namespace tradewind::http {
namespace {

// What libcurl's callbacks see of one call.
struct Call {
  const ClientLimits& limits;
  // An address was not connected to because it must not be.
  bool refused = false;
  Answer answer;
};

curl_socket_t OpenSocket(void* user, curlsocktype /*purpose*/, curl_sockaddr* address) noexcept {
  auto& call = *static_cast<Call*>(user);
  if (call.limits.may_connect != nullptr && !call.limits.may_connect(&address->addr)) {
    call.refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Ends the transfer when there is too much of it. What was answered is known by then.
size_t TakeAnswer(char* data, size_t size, size_t count, void* user) noexcept {
  auto& [limits, refused, answer] = *static_cast<Call*>(user);
  const size_t bytes = size * count;
  const size_t taken = std::min(bytes, limits.most_answer_bytes - answer.body.size());
  answer.body.append(data, taken);
  answer.is_cut = taken < bytes;
  return taken;
}

void Limit(CURL* handle, const ClientLimits& limits) {
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, limits.allow_http ? "https,http" : "https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  // 0 would be no limit.
  const auto timeout = static_cast<long>(std::max<int64_t>(absl::ToInt64Milliseconds(limits.timeout), 1));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, timeout);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, timeout);
  if (!limits.ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, limits.ca_file.c_str());
}

}  // namespace

absl::StatusOr<Answer> Send(const Post& post, const ClientLimits& limits) {
  Call call{.limits = limits};
  char details[CURL_ERROR_SIZE] = "";
  CurlList headers;
  for (const std::string& header : post.headers) Append(headers, header);
  // Large bodies would wait a second for leave to be sent.
  Append(headers, "Expect:");

  const CurlHandle handle = NewCurlHandle();
  Limit(handle.get(), limits);
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
  call.answer.status = static_cast<int>(status);
  if (done == CURLE_OK || call.answer.is_cut) return std::move(call.answer);
  if (done == CURLE_COULDNT_CONNECT && call.refused) {
    return absl::PermissionDeniedError("the host is at an address that must not be connected to");
  }
  return absl::UnavailableError(ErrorText(done, details));
}

}  // namespace tradewind::http
