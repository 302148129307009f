// libcurl's handles, owned. One transfer each; not thread-safe.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

namespace tradewind::http {

struct CurlDelete {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlHandle = std::unique_ptr<CURL, CurlDelete>;
using CurlList = std::unique_ptr<curl_slist, CurlDelete>;

// Fit for use on any thread. Throws std::bad_alloc.
CurlHandle NewCurlHandle();

// Throws std::bad_alloc.
void Append(CurlList& list, const std::string& line);

// What libcurl says of an error, with its details where it gave some; printable.
std::string ErrorText(CURLcode code, const char* details);

}  // namespace tradewind::http
