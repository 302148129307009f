#include "tradewind/http/curl_handle.h"

#include <fmt/format.h>

#include <new>

#include "tradewind/errors/printable.h"

namespace tradewind::http {

CurlHandle NewCurlHandle() {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  CurlHandle handle(initialised == CURLE_OK ? curl_easy_init() : nullptr);
  if (handle == nullptr) throw std::bad_alloc();
  // Signals would reach some thread of the process.
  curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
  // A proxy of the environment would connect in our stead, wherever it is told.
  curl_easy_setopt(handle.get(), CURLOPT_PROXY, "");
  return handle;
}

void Append(CurlList& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  // The first element stays the same from the second on.
  static_cast<void>(list.release());
  list.reset(longer);
}

std::string ErrorText(CURLcode code, const char* details) {
  if (details[0] == '\0') return curl_easy_strerror(code);
  return errors::Printable(fmt::format("{}: {}", curl_easy_strerror(code), details));
}

}  // namespace tradewind::http
