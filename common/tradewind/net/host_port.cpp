#include "tradewind/net/host_port.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace tradewind::net {
namespace {

std::string_view WithoutBrackets(std::string_view host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return bracketed ? host.substr(1, host.size() - 2) : host;
}

template <typename Address>
bool IsAddress(int family, const std::string& host) {
  Address address;
  return inet_pton(family, host.c_str(), &address) == 1;
}
bool IsIpv4(const std::string& host) { return IsAddress<in_addr>(AF_INET, host); }
// A zone ("fe80::1%eth0") is for the resolver to judge.
bool IsIpv6(const std::string& host) { return IsAddress<in6_addr>(AF_INET6, host.substr(0, host.find('%'))); }

bool IsLabel(absl::string_view label) {
  return !label.empty() && label.size() <= 63 && std::all_of(label.begin(), label.end(), [](char c) {
    // RFC 1123, and the underscores that Docker Compose puts into the names of containers.
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
}

bool IsName(absl::string_view host) {
  if (host.size() > 1 && host.back() == '.') host.remove_suffix(1);
  const std::vector<absl::string_view> labels = absl::StrSplit(host, '.');
  if (host.size() > 253 || !std::all_of(labels.begin(), labels.end(), IsLabel)) return false;
  // What ends in a number is an address that is written wrong.
  return !std::all_of(labels.back().begin(), labels.back().end(), absl::ascii_isdigit);
}

bool IsEveryAddress(const std::string& host) { return host == "0.0.0.0" || host == "::"; }

absl::Status Wrong(std::string_view text, std::string_view why, Use use) {
  const std::string_view example = use == Use::kReach ? "order.example.org:50053" : "127.0.0.1:50051";
  return absl::InvalidArgumentError(
      fmt::format("is '{}', {}; write host:port, such as {}", text.substr(0, 300), why, example));
}

}  // namespace

std::optional<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view host = text.substr(0, colon);
  const std::string_view bare = WithoutBrackets(host);
  if (bare.empty() || bare.find_first_of(" \t[]") != std::string_view::npos) return std::nullopt;
  // An IPv6 address without brackets: its last number could be meant as a port or not.
  if (bare == host && host.find(':') != std::string_view::npos) return std::nullopt;
  HostPort parsed{.host = std::string(bare)};
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
  if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  return parsed;
}

absl::Status CheckHostPort(std::string_view text, Use use) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.back() == ']') return Wrong(text, "which has no port", use);
  const std::string_view port = text.substr(colon + 1);
  if (port.empty() || !std::all_of(port.begin(), port.end(), absl::ascii_isdigit)) {
    return Wrong(text, "whose port is no number", use);
  }
  const std::optional<HostPort> parsed = ParseHostPort(text);
  // From_chars takes nothing above 65535.
  if (ParseHostPort(fmt::format("x:{}", port)) == std::nullopt ||
      (use == Use::kReach && port.find_first_not_of('0') == port.npos)) {
    return Wrong(text, fmt::format("whose port is not from {} to 65535", use == Use::kReach ? 1 : 0), use);
  }
  if (colon == 0) {
    return Wrong(
        text, use == Use::kReach ? "which has no host" : "which has no host (0.0.0.0 stands for every address)", use);
  }
  const std::string host = parsed.has_value() ? parsed->host : std::string();
  const bool ipv6 = parsed.has_value() && text.front() == '[' && IsIpv6(host);
  if (ipv6 && use == Use::kListenOnIpv4) return Wrong(text, "and this server listens on IPv4 alone", use);
  if (!ipv6 && !(parsed.has_value() && text.front() != '[' && (IsIpv4(host) || IsName(host)))) {
    return Wrong(text, "whose host is neither a name, an IPv4 address nor an IPv6 address in brackets", use);
  }
  return absl::OkStatus();
}

bool Collide(const HostPort& a, const HostPort& b) {
  if (a.port != b.port || a.port == 0) return false;
  const auto plain = [](const std::string& host) {
    const std::string lower = absl::AsciiStrToLower(host);
    return lower == "localhost" ? std::string("127.0.0.1") : lower;
  };
  return IsEveryAddress(a.host) || IsEveryAddress(b.host) || plain(a.host) == plain(b.host);
}

}  // namespace tradewind::net
