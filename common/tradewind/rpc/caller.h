// What the gateway tells a service about who calls, in metadata, and whom a service counts a call for. Metadata of
// these names that a client sends to the gateway goes nowhere.
#pragma once

#include <string>
#include <string_view>

namespace grpc {
class ServerContextBase;
}

namespace tradewind::rpc {

// Who calls, as in the header of a command; absent where nobody said.
inline constexpr char kCallerMetadata[] = "tradewind-caller";
// The address that the client calls the gateway from, without port.
inline constexpr char kClientAddressMetadata[] = "tradewind-client-address";

// A peer as gRPC writes it ("ipv4:10.0.0.1:50000") without its port: every connection of a host is one client.
std::string AddressOf(std::string_view peer);

// Among whom the places of a bounded queue are shared out: the caller where the gateway named one, else the address
// that it told, else the peer's own. Both are believed of whoever may reach a service's port.
std::string ClientOf(const grpc::ServerContextBase& context);

}  // namespace tradewind::rpc
