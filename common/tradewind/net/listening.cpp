#include "tradewind/net/listening.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/net/host_port.h"

namespace tradewind::net {
namespace {

constexpr absl::Duration kTryEvery = absl::Milliseconds(100);

// As /proc/net/tcp numbers the states of a socket.
constexpr std::string_view kTimeWait = "06";
constexpr std::string_view kListening = "0A";

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses Resolve(const HostPort& place) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(place.host.c_str(), std::to_string(place.port).c_str(), &hints, &found) != 0) found = nullptr;
  return {found, &freeaddrinfo};
}

// Whether the port of one of these addresses is somebody's. A server sets the same option.
bool InUse(const Addresses& addresses) {
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const bool in_use = bind(fd, address->ai_addr, address->ai_addrlen) != 0 && errno == EADDRINUSE;
    close(fd);
    if (in_use) return true;
  }
  return false;
}

enum class Holder { kListener, kConnection, kEndedConnection };

// Returns an address as /proc/net/tcp and tcp6 write it: each 32 bits as a number in the machine's byte order.
std::string InHex(const sockaddr& address) {
  std::array<uint32_t, 4> words{};
  size_t count = 1;
  if (address.sa_family == AF_INET6) {
    count = words.size();
    std::memcpy(words.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, sizeof(words));
  } else {
    words[0] = reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr;
  }
  std::string hex;
  for (size_t i = 0; i < count; ++i) hex += fmt::format("{:08X}", words[i]);
  return hex;
}

// Returns whether a socket bound to one of these addresses keeps the other's port from being bound. The wildcard
// address meets every other; an IPv4 address within IPv6 ends with the IPv4 one.
bool Meet(std::string_view left, std::string_view right) {
  const auto is_wildcard = [](std::string_view hex) { return hex.find_first_not_of('0') == std::string_view::npos; };
  return is_wildcard(left) || is_wildcard(right) || left == right ||
         (left.size() != right.size() && (left.ends_with(right) || right.ends_with(left)));
}

// Returns who has the port of one of these addresses: a guess where several sockets have it, for how long to wait and
// what to say.
Holder HolderOf(const Addresses& addresses, uint16_t port) {
  std::vector<std::string> ours;
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    ours.push_back(InHex(*address->ai_addr));
  }
  const std::string suffix = fmt::format(":{:04X}", port);
  bool live = false;
  bool ended = false;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    while (std::getline(file, line)) {
      std::istringstream columns(line);
      std::string number;
      std::string local;
      std::string remote;
      std::string state;
      if (!(columns >> number >> local >> remote >> state) || !local.ends_with(suffix)) continue;
      const std::string_view theirs = std::string_view(local).substr(0, local.size() - suffix.size());
      if (std::none_of(ours.begin(), ours.end(), [&](const std::string& own) { return Meet(own, theirs); })) continue;
      if (state == kListening) return Holder::kListener;
      (state == kTimeWait ? ended : live) = true;
    }
  }
  return ended && !live ? Holder::kEndedConnection : Holder::kConnection;
}

// Why it came to this, where the port lies in the range of outgoing connections; otherwise nothing.
std::string RangeNote(uint16_t port) {
  int first = 0;
  int last = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> first >> last;
  if (port < first || port > last) return "";
  return fmt::format(", since it is one of {} to {}, from which this machine takes ports for outgoing connections",
                     first, last);
}

bool AskedToEnd() {
  sigset_t pending;
  sigemptyset(&pending);
  sigpending(&pending);
  return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1 ||
         sigismember(&pending, SIGHUP) == 1;
}

}  // namespace

absl::Status WaitUntilFree(const std::string& address, std::string_view setting, const ListeningWait& wait) {
  const std::optional<HostPort> place = ParseHostPort(address);
  if (!place.has_value() || place->port == 0) return absl::OkStatus();
  const Addresses addresses = Resolve(*place);
  const auto started = std::chrono::steady_clock::now();
  absl::Duration say_at;
  while (InUse(addresses)) {
    const Holder holder = HolderOf(addresses, place->port);
    if (holder == Holder::kListener) return absl::OkStatus();
    const absl::Duration waited = absl::FromChrono(std::chrono::steady_clock::now() - started);
    if (waited >= (holder == Holder::kEndedConnection ? wait.at_most_ended : wait.at_most)) {
      return absl::FailedPreconditionError(
          fmt::format("cannot listen on {} {}: an outgoing connection has the port{}; set {} to a port outside of that "
                      "range, end that connection, or keep the port free with: sysctl -w "
                      "net.ipv4.ip_local_reserved_ports={}",
                      setting, address, RangeNote(place->port), setting, place->port));
    }
    if (wait.say != nullptr && waited >= say_at) {
      say_at = waited + wait.say_every;
      wait.say(fmt::format("waiting for the port of {} {}: an outgoing connection has it{}", setting, address,
                           RangeNote(place->port)));
    }
    if (wait.give_up != nullptr ? wait.give_up() : AskedToEnd()) {
      return absl::CancelledError(fmt::format("asked to stop while waiting for the port of {} {}", setting, address));
    }
    absl::SleepFor(kTryEvery);
  }
  return absl::OkStatus();
}

}  // namespace tradewind::net
