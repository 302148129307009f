#include "tradewind/http/address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>

#include <algorithm>
#include <memory>

namespace tradewind::http {
namespace {

using Handle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

// Empty where the URL has no such part.
std::string Part(const Handle& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK || text == nullptr) return "";
  const std::unique_ptr<char, decltype(&curl_free)> owned(text, curl_free);
  return owned.get();
}

std::string_view WithoutBrackets(std::string_view host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return bracketed ? host.substr(1, host.size() - 2) : host;
}

}  // namespace

std::optional<Url> ParseUrl(const std::string& text) {
  const Handle handle(curl_url(), curl_url_cleanup);
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (!printable || handle == nullptr || curl_url_set(handle.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return std::nullopt;
  }
  return Url{.scheme = Part(handle, CURLUPART_SCHEME),
             .user = Part(handle, CURLUPART_USER),
             .password = Part(handle, CURLUPART_PASSWORD),
             .host = Part(handle, CURLUPART_HOST),
             .port = Part(handle, CURLUPART_PORT),
             .query = Part(handle, CURLUPART_QUERY),
             .fragment = Part(handle, CURLUPART_FRAGMENT)};
}

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  const std::string bare(WithoutBrackets(host));
  in_addr ip4{};
  if (inet_pton(AF_INET, bare.c_str(), &ip4) == 1) return (ntohl(ip4.s_addr) >> 24) == IN_LOOPBACKNET;
  in6_addr ip6{};
  return inet_pton(AF_INET6, bare.c_str(), &ip6) == 1 && IN6_IS_ADDR_LOOPBACK(&ip6);
}

}  // namespace tradewind::http
