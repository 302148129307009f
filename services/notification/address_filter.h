// Which addresses webhooks may go to: those that are reachable from everywhere on the internet. Users choose the URLs,
// and must not reach what only this machine or its network can reach. Pure.
#pragma once

#include <string>

struct sockaddr;

namespace tradewind::notification {

// True of an IPv4 or IPv6 address that is unicast and globally reachable by the IANA special-purpose registries. Of an
// address that carries an IPv4 address within (mapped, NAT64), both are looked at; other ways to do so (6to4, Teredo)
// are not let through. Every other family is false.
bool IsPublicAddress(const sockaddr* address);

// True of an address written as a URL has it, "10.0.0.1" or "[::1]", that is not public. False of names.
bool IsSpecialLiteral(const std::string& host);

}  // namespace tradewind::notification
