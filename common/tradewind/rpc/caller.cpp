#include "tradewind/rpc/caller.h"

#include "grpcpp/server_context.h"

namespace tradewind::rpc {
namespace {

std::string MetadataOf(const grpc::ServerContextBase& context, const char* name) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(name);
  return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
}

}  // namespace

std::string AddressOf(std::string_view peer) {
  const bool has_port = peer.substr(0, 5) == "ipv4:" || peer.substr(0, 5) == "ipv6:";
  return std::string(has_port ? peer.substr(0, peer.rfind(':')) : peer);
}

std::string ClientOf(const grpc::ServerContextBase& context) {
  if (std::string caller = MetadataOf(context, kCallerMetadata); !caller.empty()) return "caller:" + caller;
  if (std::string address = MetadataOf(context, kClientAddressMetadata); !address.empty()) return address;
  return AddressOf(context.peer());
}

}  // namespace tradewind::rpc
