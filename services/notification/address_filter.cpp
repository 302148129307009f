#include "services/notification/address_filter.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>

namespace tradewind::notification {
namespace {

struct Block {
  std::array<uint8_t, 16> prefix;
  int bits;
};

// Private, loopback, link-local, shared, for documentation, for benchmarks, for protocols, multicast and reserved.
constexpr Block kSpecial4[] = {
    {{0}, 8},
    {{10}, 8},
    {{100, 64}, 10},
    {{127}, 8},
    {{169, 254}, 16},
    {{172, 16}, 12},
    {{192, 0, 0}, 24},
    {{192, 0, 2}, 24},
    {{192, 31, 196}, 24},
    {{192, 52, 193}, 24},
    {{192, 88, 99}, 24},
    {{192, 168}, 16},
    {{192, 175, 48}, 24},
    {{198, 18}, 15},
    {{198, 51, 100}, 24},
    {{203, 0, 113}, 24},
    {{224}, 4},
    {{240}, 4},
};

// All that is given out is here; what lies outside is loopback, private, link-local, multicast or not given out.
constexpr Block kGlobal6 = {{0x20}, 3};
// And of that: protocols, Teredo and benchmarks; documentation; 6to4; documentation.
constexpr Block kSpecial6[] = {
    {{0x20, 0x01, 0x00}, 23}, {{0x20, 0x01, 0x0d, 0xb8}, 32}, {{0x20, 0x02}, 16}, {{0x3f, 0xff, 0x00}, 20}};
// An IPv4 address in the last four bytes: mapped, and by NAT64.
constexpr Block kMapped = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};
constexpr Block kNat64 = {{0x00, 0x64, 0xff, 0x9b}, 96};

bool IsIn(const Block& block, std::span<const uint8_t> address) {
  for (int bit = 0; bit < block.bits; bit += 8) {
    const int significant = std::min(8, block.bits - bit);
    const auto mask = static_cast<uint8_t>(0xff << (8 - significant));
    if (((block.prefix[bit / 8] ^ address[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

bool IsInAny(std::span<const Block> blocks, std::span<const uint8_t> address) {
  return std::any_of(blocks.begin(), blocks.end(), [&](const Block& block) { return IsIn(block, address); });
}

bool IsPublic4(std::span<const uint8_t> address) { return !IsInAny(kSpecial4, address); }

bool IsPublic6(std::span<const uint8_t> address) {
  if (IsIn(kMapped, address) || IsIn(kNat64, address)) return IsPublic4(address.subspan(12));
  return IsIn(kGlobal6, address) && !IsInAny(kSpecial6, address);
}

template <typename Address>
std::span<const uint8_t> BytesOf(const Address& address) {
  return {reinterpret_cast<const uint8_t*>(&address), sizeof(address)};
}

}  // namespace

bool IsPublicAddress(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    return IsPublic4(BytesOf(reinterpret_cast<const sockaddr_in*>(address)->sin_addr));
  }
  if (address->sa_family == AF_INET6) {
    return IsPublic6(BytesOf(reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr));
  }
  return false;
}

bool IsSpecialLiteral(const std::string& host) {
  in_addr ip4{};
  if (inet_pton(AF_INET, host.c_str(), &ip4) == 1) return !IsPublic4(BytesOf(ip4));
  if (host.size() < 2 || host.front() != '[' || host.back() != ']') return false;
  in6_addr ip6{};
  // A zone ("%eth0") belongs to link-local addresses alone.
  return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &ip6) != 1 || !IsPublic6(BytesOf(ip6));
}

}  // namespace tradewind::notification
