// host:port as settings write it, taken apart and checked. Pure: nothing is resolved here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace tradewind::net {

struct HostPort {
  // Without the brackets of an IPv6 address.
  std::string host;
  uint16_t port = 0;
};

// Reads "host:port" or "[::1]:port". Returns nullopt where it is neither.
std::optional<HostPort> ParseHostPort(std::string_view text);

enum class Use {
  // Port 0 stands for any that is free.
  kListen,
  // As kListen, of a server that knows IPv4 alone.
  kListenOnIpv4,
  kReach,
};

// InvalidArgument unless `text` is host:port, the host being an address or a name that DNS allows. The message goes on
// from "setting 'x' " and says what to write instead.
absl::Status CheckHostPort(std::string_view text, Use use);

// True where a process cannot listen on both: the same port, not 0, on hosts that are the same, or one of them every
// address.
bool Collide(const HostPort& a, const HostPort& b);

}  // namespace tradewind::net
