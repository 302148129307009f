// Addresses and URLs as settings and users write them, taken apart. Pure: nothing is resolved here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tradewind::http {

struct Url {
  std::string scheme;
  std::string user;
  std::string password;
  // With the brackets of an IPv6 address.
  std::string host;
  // Empty where none is named.
  std::string port;
  std::string query;
  std::string fragment;
};

// As libcurl will read it. Nothing where it is no absolute URL of printable ASCII characters: what libcurl would let
// pass, a header line or another program might not.
std::optional<Url> ParseUrl(const std::string& text);

// True of "localhost" and of loopback addresses, written as Url::host has them.
bool IsLoopback(const std::string& host);

}  // namespace tradewind::http
